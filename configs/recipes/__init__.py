"""Recipes: a network with settings of our own, chosen without TEST, but once (docs/results.md)."""

import importlib

from ml_collections import ConfigDict


def plain_config(preset: str, *, network: str) -> ConfigDict:
    """Returns what a recipe changes: the plain config of a network that classifies.

    Args:
        preset: PRESET or NETWORK-PRESET.
        network: where the preset names none.

    Raises:
        ValueError: the network is none that classifies, or the preset is not known.
    """
    named, _, protocol = preset.rpartition("-")
    if named == "detector":
        raise ValueError("a recipe for classifiers: name cnn, alexnet, resnet50 or vgg19")
    config: ConfigDict = importlib.import_module(f"configs.{named or network}").get_config(protocol)
    return config

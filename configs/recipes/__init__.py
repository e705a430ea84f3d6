"""Recipes: a network with settings of our own, chosen without TEST, but once (docs/results.md)."""

import importlib
from pathlib import Path

from ml_collections import ConfigDict

_NO_NETWORKS = {"__init__", "base", "detector"}


def plain_config(preset: str, *, network: str) -> ConfigDict:
    """Returns what a recipe changes: the plain config of a network that classifies.

    Args:
        preset: PRESET or NETWORK-PRESET.
        network: where the preset names none.

    Raises:
        ValueError: the network is none that classifies, or the preset is not known or a network.
    """
    named, dash, protocol = preset.rpartition("-")
    if not dash:
        named = network
    known = {path.stem for path in Path(__file__).parents[1].glob("*.py")} - _NO_NETWORKS
    if preset in known:
        raise ValueError(f"preset {preset!r} is a network alone: add a protocol, {preset}-official")
    if named not in known:
        raise ValueError(
            f"a recipe for classifiers, and {named!r} is none: NETWORK-PRESET begins with one of "
            f"{', '.join(sorted(known))}"
        )
    config: ConfigDict = importlib.import_module(f"configs.{named}").get_config(protocol)
    return config


def set_epochs(config: ConfigDict, num_epochs: int) -> None:
    """Sets how long a recipe trains; the preset smoke keeps its own, for it is to take seconds."""
    if config.data.protocol != "smoke":
        config.train.num_epochs = num_epochs

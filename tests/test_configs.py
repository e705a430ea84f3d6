"""Configurations: every field is used, every network can be built from every one."""

import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from configs import detector
from configs.base import PRESETS, VALIDATED, get_base_config
from wbc_jax.data.augmentation import Augmentation
from wbc_jax.data.input_pipeline import BALANCES
from wbc_jax.data.load import class_names
from wbc_jax.data.protocols import PROTOCOLS
from wbc_jax.datasets import catalog
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.models import create_model
from wbc_jax.models.head import Head
from wbc_jax.models.registry import DETECTORS, MODELS
from wbc_jax.nested import flatten
from wbc_jax.training import experiment
from wbc_jax.training.config_rules import require_valid
from wbc_jax.training.prepare_data import image_settings
from wbc_jax.training.train import train

CONFIG_FOLDER = Path(__file__).parents[1] / "configs"
FILES = sorted(path.stem for path in CONFIG_FOLDER.glob("[!_]*.py") if path.stem != "base")
CONFIGS = [name for name in FILES if name not in DETECTORS]  # of classifiers


RECIPES = sorted(path.stem for path in (CONFIG_FOLDER / "recipes").glob("[!_]*.py"))


def get_config(name: str, preset: str = "synthetic") -> ConfigDict:
    return importlib.import_module(f"configs.{name}").get_config(preset)


def network_fields(module: type) -> set[str]:
    """The fields of a Linen module that a config may set."""
    return {field.name for field in fields(module)} - {"parent", "name", "num_classes"}


class ReadingRecorder(ConfigDict):
    """A ConfigDict that notes which leaves are read one by one.

    `to_dict` notes nothing: writing a config down is no use of it.
    """

    def __init__(self, config: ConfigDict, read: set[str], prefix: str = "") -> None:
        for field, value in (("_config", config), ("_read", read), ("_prefix", prefix)):
            object.__setattr__(self, field, value)

    def __getitem__(self, name: str) -> Any:
        value = self._config[name]
        if isinstance(value, ConfigDict):
            return ReadingRecorder(value, self._read, f"{self._prefix}{name}.")
        self._read.add(f"{self._prefix}{name}")
        return value

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._config

    def to_dict(self) -> dict[str, Any]:
        return self._config.to_dict()


def test_there_is_a_config_for_every_network() -> None:
    assert sorted(["cnn", "alexnet", "resnet50", "vgg19", "small_resnet"]) == CONFIGS
    assert sorted(get_config(name).model.name for name in CONFIGS) == sorted(MODELS)
    assert {get_config(name).model.name for name in set(FILES) - set(CONFIGS)} == set(DETECTORS)


@pytest.mark.parametrize("name", ["cnn", "detector"])
@pytest.mark.usefixtures("no_report", "quick_compilation")
def test_training_reads_every_field_outside_the_network(
    name: str,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One more field is planted, which nothing reads: the test sees it, so it would see others."""
    config = tiny_config(name)
    with config.train.unlocked():
        config.train.planted = 1
    read: set[str] = set()

    def validate(recorder: ConfigDict) -> Any:
        before = set(read)
        plan = require_valid(recorder)
        read.intersection_update(before)  # that a value is in range makes no use of it
        return plan

    monkeypatch.setattr(experiment, "require_valid", validate)
    train(ReadingRecorder(config, read), Places(None, cache_dir), workdir=tmp_path)
    unread = flatten(config.to_dict()).keys() - read
    # Those of the network and of the augmentation are taken all at once, see below; of the last the
    # plan is made, whose values are checked by making it.
    taken = ("model.", "augment.", "detection.spread")
    assert {name for name in unread if not name.startswith(taken)} == {"train.planted"}


def test_the_augmentations_fields_are_those_of_its_class_and_off_unless_the_paper_has_them() -> (
    None
):
    for name in CONFIGS:
        augment = get_config(name).augment
        assert set(augment) == {field.name for field in fields(Augmentation)}
        expected = {"mirror": True, "crop_margin": 4} if name == "alexnet" else {}
        assert Augmentation(**augment.to_dict()) == Augmentation(**expected)


def test_what_the_paper_does_not_do_is_off_by_default() -> None:
    config = get_base_config("paper")
    assert (config.data.view, config.data.balance) == ("whole", "none")
    assert config.data.validation_share == config.data.fold == 0
    assert config.train.label_smoothing == config.train.mixup == config.train.average_decay == 0
    assert config.eval.test_time_flips is False


def test_the_presets_that_say_so_hold_smears_out_for_validation() -> None:
    shares = {preset: get_base_config(preset).data.validation_share for preset in PRESETS}
    assert shares == {preset: 0.2 if preset in VALIDATED else 0.0 for preset in PRESETS}
    assert set(VALIDATED) < set(PRESETS)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_networks_fields_are_those_of_its_class(name: str) -> None:
    """None missing, so that each can be overridden; none too many, so that each has an effect."""
    model = get_config(name).model
    assert set(model) - {"name"} == network_fields(MODELS[name])
    if "head" in model:
        assert set(model.head) == network_fields(Head) - {"dtype"}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_networks_configs_have_the_shared_fields_and_no_others(name: str) -> None:
    shared, config = get_base_config("synthetic"), get_config(name)
    assert set(config) == set(shared)
    for section in set(shared) - {"seed", "model"}:
        assert set(config[section]) == set(shared[section]), section


@pytest.mark.parametrize("name", CONFIGS)
def test_every_preset_gives_a_network_with_an_output_per_class(name: str) -> None:
    built = {}
    for preset in PRESETS:
        config = get_config(name, preset)
        assert config.data.protocol == preset
        classes = class_names(preset, config.data.num_classes)
        key = (repr(config.model), len(classes), config.data.image_size)
        if key not in built:  # presets mostly share their network
            model = create_model(num_classes=len(classes), **config.model.to_dict())
            side = config.data.image_size
            logits, _ = jax.eval_shape(
                model.init_with_output,
                jax.random.key(0),
                jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32),
            )
            built[key] = logits.shape
        assert built[key] == (2, len(classes))


def test_every_protocol_is_a_preset() -> None:
    assert set(PRESETS) | set(detector.PRESETS) == set(PROTOCOLS)


def test_a_detector_has_no_field_of_a_whole_images_class() -> None:
    """Those left out would be read by nothing; all others are those of the classifiers."""
    shared, config = flatten(get_base_config("synthetic").to_dict()), get_config("detector")
    mine = {name for name in flatten(config.to_dict()) if not name.startswith("model.")}
    gone = {name for name in shared if not name.startswith("model.")} - mine
    assert gone == {f"{s}.{n}" for s, names in detector.OF_CLASSIFIERS.items() for n in names}
    assert set(config.augment) == {field.name for field in fields(Augmentation)}
    assert set(config.model) - {"name"} == network_fields(DETECTORS["detector"])
    assert mine - set(shared) == {
        "task",
        "data.picture_size",
        "detection.spread",
        "detection.thresholds",
        "detection.apart",
    }


@pytest.mark.parametrize("preset", detector.PRESETS)
def test_a_detectors_presets_name_protocols_with_boxes(preset: str) -> None:
    config = get_config("detector", preset)
    assert catalog.get(PROTOCOLS[config.data.protocol].dataset).cell_kinds
    height, width = config.data.picture_size
    model = create_model(num_classes=3, **config.model.to_dict())
    image = jax.ShapeDtypeStruct((2, height, width, 3), jnp.float32)
    maps, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), image)
    assert maps.shape == (2, height // 4, width // 4, 3)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_changes_settings_of_every_network_and_adds_none(recipe: str) -> None:
    module = importlib.import_module(f"configs.recipes.{recipe}")
    for preset in PRESETS:
        assert module.get_config(preset).model.name in CONFIGS
        for name in CONFIGS:
            config, plain = module.get_config(f"{name}-{preset}"), get_config(name, preset)
            assert (config.model.name, config.data.protocol) == (name, preset)
            fields, before = flatten(config.to_dict()), flatten(plain.to_dict())
            assert fields.keys() == before.keys()
            assert fields != before
            # A recipe may change rates, never how many layers of which width there are.
            layers = [k for k in fields if k.startswith("model.") and "dropout" not in k]
            assert [fields[k] for k in layers] == [before[k] for k in layers]
            assert {type(fields[k]) for k in fields} == {type(before[k]) for k in before}
            Augmentation(**config.augment.to_dict())
            image_settings(config)
            assert config.data.balance in BALANCES


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_says_how_to_run_it_and_refuses_unknown_presets(recipe: str) -> None:
    module = importlib.import_module(f"configs.recipes.{recipe}")
    assert f"python launch.py --config=configs/recipes/{recipe}.py:" in (module.__doc__ or "")
    for preset in ("papre", "alexnet-papre"):
        with pytest.raises(ValueError, match="preset 'papre' is not known; choose one of"):
            module.get_config(preset)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_for_classifiers_takes_no_detector(recipe: str) -> None:
    """Its fields of whole images would do nothing there."""
    module = importlib.import_module(f"configs.recipes.{recipe}")
    with pytest.raises(ValueError, match="a recipe for classifiers"):
        module.get_config("detector-bccd")


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("named", ["alexnett", "base", ""])
def test_a_network_that_a_recipe_does_not_know_is_named_with_the_known(
    named: str, recipe: str
) -> None:
    module = importlib.import_module(f"configs.recipes.{recipe}")
    known = ", ".join(sorted(MODELS))
    with pytest.raises(ValueError, match=rf"'{named}' is none: .* one of {known}$"):
        module.get_config(f"{named}-paper")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_network_without_a_protocol_is_told_so(recipe: str) -> None:
    module = importlib.import_module(f"configs.recipes.{recipe}")
    with pytest.raises(ValueError, match=r"'cnn' is a network alone: .* cnn-official$"):
        module.get_config("cnn")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_leaves_the_preset_for_trying_out_as_short_as_it_is(recipe: str) -> None:
    module = importlib.import_module(f"configs.recipes.{recipe}")
    epochs = [
        made("cnn-smoke").train.num_epochs
        for made in (module.get_config, lambda preset: get_config(*preset.split("-")))
    ]
    assert epochs[0] == epochs[1]
    assert module.get_config("cnn-paper").train.num_epochs > epochs[0]


@pytest.mark.parametrize("name", FILES)
def test_every_config_says_how_to_run_it(name: str) -> None:
    module = importlib.import_module(f"configs.{name}")
    assert f"python launch.py --config=configs/{name}.py" in (module.__doc__ or "")


@pytest.mark.parametrize("name", FILES)
def test_an_unknown_preset_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match="preset 'papre' is not known; choose one of synthetic"):
        get_config(name, "papre")


@pytest.mark.parametrize("name", FILES)
def test_no_field_is_a_list(name: str) -> None:
    """A list cannot be overridden on the command line; a tuple can."""
    for preset in PRESETS if name in CONFIGS else detector.PRESETS:
        for field, value in flatten(get_config(name, preset).to_dict()).items():
            assert not isinstance(value, list), field
            assert value is not None, field


def test_a_field_that_is_written_wrongly_is_refused_in_a_config_file_too() -> None:
    config = get_config("cnn")
    with pytest.raises(AttributeError, match="num_epoch"):
        config.train.num_epoch = 1
    with pytest.raises(KeyError):
        del config.train["mixup"]
    config.model.dense_features = (8,)
    config.data.num_classes = None
    with pytest.raises(UserError, match=r"^data\.num_classes has no value"):
        require_valid(config)

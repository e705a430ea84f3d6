"""Config fields set to anything, as on the command line."""

import contextlib
import functools
import importlib
import io
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from absl import flags
from hypothesis import strategies as st

from tests.conftest import TINY_MODELS, tiny_fields
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.nested import flatten

MODELS = tuple(TINY_MODELS)

_ODD_NUMBERS = ("nan", "inf", "-inf", "1e400", "-0.0", "1_0", "0x10", "1e3", "-1", "0", "1", "2")
_LARGE_NUMBERS = ("100000", "4294967296", "-9223372036854775809", "1" + "0" * 40)
_ODD_TEXTS = ("", "None", "True", "false", "()", "(1,", "(1,2)", "(0,)", "(-1,)", "('a',)", "[1]")
_WORDS = (
    *("rgb", "repeat", "sgd", "cosine", "smears", "classes", "white_cell", "bfloat16", "batch"),
    *("local_response", "softmax_cross_entropy", "smoke", "lisc", "paper", "average"),
)
_VALUES = st.one_of(
    st.sampled_from((*_ODD_NUMBERS, *_LARGE_NUMBERS, *_ODD_TEXTS, *_WORDS)),
    st.integers(-3, 70).map(str),
    st.floats(-2, 2).map(str),
    st.lists(st.integers(-1, 9), max_size=4).map(lambda some: str(tuple(some))),
    st.text(max_size=8),
)


# What passes for a value of a field's type, most of it within bounds or just beyond.
_OF_TYPE: dict[type, st.SearchStrategy[str]] = {
    bool: st.sampled_from(("True", "False")),
    int: st.one_of(st.integers(-2, 40), st.sampled_from((10**5, 2**32, 2**63, 10**30))).map(str),
    float: st.one_of(
        st.floats(-0.5, 2).map(str), st.sampled_from(("nan", "inf", "-inf", "1e300", "1e-320"))
    ),
    str: st.one_of(st.sampled_from(_WORDS), st.text(max_size=4)),
    tuple: st.lists(
        st.one_of(st.integers(-1, 9), st.sampled_from((10**6, 2**31, 2**63))), max_size=4
    ).map(lambda some: str(tuple(some))),
}


@functools.cache
def _fields(model: str) -> dict[str, type]:
    config = importlib.import_module(f"configs.{model}").get_config("smoke")
    return {name: type(value) for name, value in flatten(config.to_dict()).items()}


@st.composite
def overrides(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draws a network and what follows `--config` on the command line."""
    model = draw(st.sampled_from(MODELS))
    names = st.one_of(
        st.sampled_from(tuple(_fields(model))),
        st.sampled_from(("foo", "train.foo", "model", "train", "model.head", "seed.x", "")),
    )
    some = draw(st.lists(st.tuples(names, _VALUES), min_size=1, max_size=3))
    return model, [f"--config.{name}={value}" for name, value in some]


@st.composite
def typed_overrides(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draws the same with values of the fields' own types, so that most of them are read."""
    model = draw(st.sampled_from(MODELS))
    names = draw(st.lists(st.sampled_from(tuple(_fields(model))), min_size=1, max_size=3))
    kinds = _fields(model)
    return model, [f"--config.{n}={draw(_OF_TYPE[kinds[n]])}" for n in dict.fromkeys(names)]


@functools.cache
def _launch() -> Any:
    with mock.patch.object(sys, "argv", ["launch.py"]):
        return importlib.import_module("launch")


def _parse(model: str, arguments: list[str]) -> Any:
    """Returns the config as launch.py reads it; None where it says what is wrong with it."""
    launch = _launch()
    for name in list(flags.FLAGS):
        if name.startswith("config."):
            delattr(flags.FLAGS, name)
    argv = ["launch.py", f"--config=configs/{model}.py:smoke", *arguments]
    said = io.StringIO()
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stderr(said):
        try:
            launch._parse(argv)
            launch._workdir()
            return launch._config()
        except SystemExit as stopped:
            assert stopped.code == 2
            assert said.getvalue().startswith("error: ")
            assert "Traceback" not in said.getvalue()
        except UserError as error:
            assert str(error)
    return None


PARSING_FOUND = (("cnn", ["--config.seed=1", "--config.seed=2"]),)
BUILDING_FOUND = (
    # An OverflowError in Pillow, and two counts of layers that were built for ever.
    ("resnet50", ["--config.data.first_size=4294967296"]),
    ("resnet50", ["--config.model.head.num_pools=9223372036854775808"]),
    ("vgg19", ["--config.model.stage_sizes=(1000000, 1)"]),
    # Raw tracebacks while no detector was ever built here.
    ("detector", ["--config.data.picture_size=(64,)"]),
    ("detector", ["--config.detection.thresholds=('a', 0.5, 0.5)"]),
    ("detector", ["--config.detection.spread=0"]),
)


def config_parsing(drawn: tuple[str, list[str]]) -> None:
    """Every override gives a config or one message."""
    _parse(*drawn)


@functools.cache
def _cache() -> tempfile.TemporaryDirectory[str]:
    """Holds the drawings for as long as the process lives."""
    return tempfile.TemporaryDirectory(prefix="wbc-fuzz-")


def config_building(drawn: tuple[str, list[str]]) -> None:
    """Every config that is read builds or is refused in words."""
    from wbc_jax.training.experiment import build_experiment

    model, arguments = drawn
    config = _parse(
        model,
        [
            f"--config.{k}={v}"
            for k, v in tiny_fields(model).items()
            if all(not argument.startswith(f"--config.{k}=") for argument in arguments)
        ]
        + arguments,
    )
    if config is None:
        return
    try:
        build_experiment(config, Places(None, Path(_cache().name)))
    except UserError as error:
        assert str(error)

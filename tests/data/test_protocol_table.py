"""The table of docs/data.md, from the recovered smears alone: no image is needed."""

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from configs.base import get_base_config
from tests.conftest import REPOSITORY
from wbc_jax.data.examples import Examples
from wbc_jax.data.protocols import Draw, get_protocol
from wbc_jax.datasets.blood_cells import sources
from wbc_jax.datasets.catalog import CLASSES

PAGE = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
PROTOCOLS = ("paper", "paper_grouped", "paper_dev", "official", "official_dev", "crossval")


class Row(NamedTuple):
    train: str
    validation: str
    test: str
    on_two_sides: str


@cache
def split(name: str) -> Examples:
    files = sorted(file for file in sources.load_sources() if file.startswith(f"{name}/"))
    classes = [one.upper() for one in CLASSES]
    return Examples(
        image=np.zeros((len(files), 1, 1, 1), np.uint8),
        label=np.array([classes.index(file.split("/")[1]) for file in files]),
        filename=np.array(files),
        source=np.array([sources.smear_of(file) for file in files]),
        scene=np.array([sources.scene_of(file) for file in files]),
    )


def described(part: Examples) -> str:
    return f"{len(part.label)} images, {len(set(part.source))} smears" if len(part.label) else "-"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_divisions_are_those_of_the_page(name: str) -> None:
    (cells,) = re.findall(rf"^\| `:{name}` \|(.*)\|$", PAGE, re.MULTILINE)
    on_the_page = Row(*[cell.strip() for cell in cells.split("|")][1:5])
    protocol, config = get_protocol(name), get_base_config(name)
    splits = {one: split(one) for one in protocol.splits}
    parts = protocol.divide(splits, Draw(0, validation_share=config.data.validation_share))
    shared = set(parts.train.source) & set(parts.test.source)
    assert Row(*map(described, parts), str(len(shared))) == on_the_page

"""Points in processes of their own, shared between series."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks import scaling
from benchmarks.scaling import scaling_table
from benchmarks.scaling_plot import scaling_figure


def made_up(point: Mapping[str, int]) -> dict[str, Any]:
    return {
        **point,
        "steps": point["images"] // point["batch_size"],
        "seconds": point["images"] / 1000,
        "compile_seconds": 2.0,
        "mebibytes_before_training": 300.0,
        "peak_mebibytes": 400.0,
    }


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> scaling.Series:
    asked: list[tuple[Any, ...]] = []

    def measure_point(point: Mapping[str, int], *, native: bool) -> dict[str, Any]:
        asked.append((*point.values(), native))
        return made_up(point)

    monkeypatch.setattr(scaling, "_measure_point", measure_point)
    base = {"images": 100, "batch_size": 10, "image_size": 50, "devices": 1}
    values = {name: [size, 2 * size] for name, size in base.items()}
    series = scaling.measure(base, values)
    # The base once with kernels in C, and once without for the devices, which they do not serve.
    assert len(asked) == len(set(asked)) == 6
    assert [native for *_, native in asked] == [True] * 4 + [False] * 2
    return series


def test_one_factor_varies_at_a_time(series: scaling.Series) -> None:
    assert [point["images"] for point in series["images"]] == [100, 200]
    assert [point["batch_size"] for point in series["images"]] == [10, 10]
    assert [point["devices"] for point in series["devices"]] == [1, 2]


def test_the_table_shows_time_per_image(series: scaling.Series) -> None:
    rows = scaling_table(series).splitlines()[3:]
    assert len(rows) == 8
    assert rows[1].split() == ["images", "per", "epoch", "200", "0.20", "1.000", "400", "300"]


def test_every_factor_has_its_panels(series: scaling.Series) -> None:
    figure = scaling_figure(series, title="made up")
    assert [axes.get_xlabel() for axes in figure.axes[4:]] == [
        "Images per epoch",
        "Images per step",
        "Image side (pixels)",
        "CPU devices",
    ]


def test_a_point_is_measured(
    monkeypatch: pytest.MonkeyPatch, compilation_cache: dict[str, str]
) -> None:
    for name, value in compilation_cache.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    point = {"images": 8, "batch_size": 4, "image_size": 8, "devices": 2}
    measured = scaling._measure_point(point, native=True)
    assert json.loads(json.dumps(measured)).items() >= point.items()
    assert measured["steps"] == 2
    assert measured["seconds"] > 0
    assert measured["peak_mebibytes"] >= measured["mebibytes_before_training"] > 50


def test_the_parent_stays_small(checkout: Any) -> None:
    """A child begins with the resident set of its parent."""
    script = "import sys, benchmarks.scaling; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert "wbc_jax.text_table" in modules
    assert modules.isdisjoint({"jax", "numpy", "torch", "matplotlib"})

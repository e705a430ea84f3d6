"""Reliability diagram, ROC curves, and the gap between protocols, as drawn."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from wbc_jax.reporting.measures import MEASURES
from wbc_jax.reporting.pool_plots import gap
from wbc_jax.reporting.score_plots import reliability_diagram, roc_curves

OF_CLASSES = MEASURES["classification"]
BINS = {
    "counts": [0, 1, 3, 0],
    "confidence": [None, 0.4, 0.7, None],
    "accuracy": [None, 1.0, 2 / 3, None],
}


def test_reliability_shows_accuracy_confidence_and_counts_of_each_bin() -> None:
    figure = reliability_diagram({"raw": BINS, "scaled": None}, {"raw": "raw: ECE 3 %"}, title="t")
    upper, lower = figure.axes
    bars, few = upper.containers
    assert all(bar.get_hatch() for bar in few)
    assert [bar.get_x() for bar in few] == [bar.get_x() for bar in bars]  # four images in all
    heights = [bar.get_height() for bar in bars]
    np.testing.assert_allclose(heights, [np.nan, 1, 2 / 3, np.nan])
    middles = [bar.get_x() + bar.get_width() / 2 for bar in bars]
    assert middles == pytest.approx([0.125, 0.375, 0.625, 0.875])
    np.testing.assert_allclose(upper.lines[0].get_xdata(), [np.nan, 0.4, 0.7, np.nan])
    assert [bar.get_height() for bar in lower.patches] == pytest.approx([0, 1 / 4, 3 / 4, 0])
    assert upper.get_title() == "raw: ECE 3 %"
    assert figure.get_suptitle() == "t"


def test_raw_and_scaled_reliability_stand_side_by_side() -> None:
    headings = {"raw": "raw", "scaled": "temperature 2"}
    figure = reliability_diagram({"raw": BINS, "scaled": BINS}, headings, title="t")
    assert [axes.get_title() for axes in figure.axes[:2]] == ["raw", "temperature 2"]
    assert len(figure.axes) == 4


def test_roc_curves_of_every_class_that_has_one() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1]])
    auroc = {"a": 0.75, "b$": 0.75, "c": None, "macro": 0.75}
    figure = roc_curves({"4 images": (labels, probabilities, auroc)}, ("a", "b$", "c"), title="t")
    (axes,) = figure.axes
    a, b, chance = axes.lines
    assert a.get_label() == "a: 0.750"
    assert b.get_label() == r"b\$: 0.750"
    # Class a: 0.9 right, 0.4 false, 0.3 right, 0.2 false.
    assert list(zip(*a.get_data(), strict=True)) == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert a.get_linestyle() != b.get_linestyle()
    assert list(chance.get_xdata()) == [0, 1]
    assert axes.get_title() == "4 images"


def group(model: str, protocol: str, mean: float, **settings: Any) -> dict[str, Any]:
    figure = {"mean": mean, "sd": None, "interval": [mean - 0.1, mean + 0.05]}
    own = {"recipe": "", "is_leaky": False, "classes": list("abcd")} | settings
    level = {"categorical_accuracy": figure}
    return {"model": model, "protocol": protocol, "image": level, "smear": level} | own


def test_the_gap_shows_every_network_under_every_protocol() -> None:
    groups = [
        group("cnn", "official", 0.8),
        group("alexnet", "paper", 0.9, is_leaky=True),
        group("alexnet", "official", 0.7),
    ]
    figure = gap(groups, ["paper", "official"], OF_CLASSES)
    (axes,) = figure.axes
    paper, official = axes.containers
    assert [bar.get_height() for bar in paper] == [0.9]
    assert [bar.get_height() for bar in official] == [0.8, 0.7]
    assert all(bar.get_hatch() for bar in paper)
    assert not any(bar.get_hatch() for bar in official)
    assert to_hex(paper[0].get_facecolor()) == "#ffffff"
    centres = [bar.get_x() + bar.get_width() / 2 for bar in (*paper, *official)]
    assert [round(centre) for centre in centres] == [1, 0, 1]
    assert centres[0] < 1 < centres[2], "in the order of the protocols"
    ends = [path.vertices[:, 1].tolist() for path in axes.collections[0].get_paths()]
    assert ends == [pytest.approx([0.8, 0.95])]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["smear by smear, mean", "guessing blindly", "paper (LEAKY)", "official"]
    chance = [line for line in axes.lines if line.get_label() == "guessing blindly"]
    assert chance[0].get_ydata()[0] == 0.25
    assert [label.get_text() for label in axes.get_xticklabels()] == ["CNN", "AlexNet"]


def test_recipes_of_one_network_stand_apart() -> None:
    groups = [group("cnn", "paper", 0.8, recipe=recipe) for recipe in "AB"]
    axes = gap(groups, ["paper"], OF_CLASSES).axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["CNN\nrecipe A", "CNN\nrecipe B"]


def test_a_gap_of_leaky_protocols_alone_says_so_in_its_title() -> None:
    title = (
        gap([group("cnn", "paper", 0.8, is_leaky=True)], ["paper"], OF_CLASSES).axes[0].get_title()
    )
    assert title.startswith("LEAKY PROTOCOL")


def test_detectors_are_drawn_by_their_f1_without_chance_or_smears() -> None:
    one = group("detector", "bccd", 0.9, classes=["RBC", "WBC", "Platelets"])
    one["macro"] = {"f1": {"mean": 0.6, "sd": None, "interval": [0.5, 0.7]}}
    axes = gap([one], ["bccd"], MEASURES["detection"]).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.6]
    assert not axes.lines
    assert axes.get_title() == "F1 of each network under each protocol"
    assert axes.get_ylabel() == "F1, mean of the kinds, test (%)"

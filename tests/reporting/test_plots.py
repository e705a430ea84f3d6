import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tests.reporting.conftest import CLASSES, fake_epochs
from wbc_jax.reporting import plots
from wbc_jax.reporting.comparison_plots import bars, compare_curves
from wbc_jax.reporting.figure_files import save_figure
from wbc_jax.reporting.figure_style import STYLE, in_percent, new_figure


def _lines(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in figure.axes[0].get_lines()}


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("draw", "metrics"),
    [
        (
            plots.accuracy_curves,
            {
                "Categorical accuracy": "categorical_accuracy",
                "Binary accuracy": "binary_accuracy",
            },
        ),
        (
            plots.loss_curves,
            {
                "Binary cross-entropy": "binary_cross_entropy",
                "Softmax cross-entropy": "softmax_cross_entropy",
            },
        ),
    ],
)
def test_curves_hold_both_metrics_of_both_splits(draw, metrics):
    epochs = fake_epochs(5)
    figure = draw(epochs, title="CNN")
    lines = _lines(figure)
    assert set(lines) == {f"{name}, {split}" for name in metrics for split in ("train", "test")}
    for name, metric in metrics.items():
        for split in ("train", "test"):
            line = lines[f"{name}, {split}"]
            assert list(line.get_xdata()) == [1, 2, 3, 4, 5]
            assert list(line.get_ydata()) == [epoch[split][metric] for epoch in epochs]
    assert sorted(_legend(figure)) == sorted(lines)
    assert figure.axes[0].get_title() == "CNN"


def test_validation_has_curves_of_its_own_where_there_is_such_a_part():
    epochs = fake_epochs(3, validated=True)
    lines = _lines(plots.accuracy_curves(epochs, title=""))
    assert len(lines) == 6
    values = [epoch["validation"]["binary_accuracy"] for epoch in epochs]
    assert list(lines["Binary accuracy, validation"].get_ydata()) == values
    looks = {
        (
            line.get_marker(),
            line.get_linestyle(),
            line.get_fillstyle(),
            str(line.get_markerfacecolor()),
        )
        for line in lines.values()
    }
    assert len(looks) == 6


def test_no_two_curves_need_colour_to_be_told_apart():
    lines = _lines(plots.accuracy_curves(fake_epochs(3), title="")).values()
    looks = {
        (line.get_marker(), line.get_linestyle(), line.get_markerfacecolor()) for line in lines
    }
    assert len(looks) == 4
    runs = {f"run {index}": fake_epochs(2) for index in range(8)}
    many = compare_curves(runs, "binary_accuracy").axes[0].get_lines()
    assert len({(line.get_marker(), line.get_linestyle()) for line in many}) == 8
    assert len({(line.get_marker(), line.get_color()) for line in many}) == 8


def test_axes_state_unit_and_integer_epochs():
    figure = plots.accuracy_curves(fake_epochs(5), title="")
    figure.canvas.draw()
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epoch", "Accuracy (%)")
    shown = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    assert shown == [1, 2, 3, 4, 5]
    assert axes.get_yticklabels()[-1].get_text() == "100"
    assert axes.get_ylim()[1] == 1
    loss = plots.loss_curves(fake_epochs(5), title="").axes[0]
    assert loss.get_ylabel() == "Cross-entropy (nats)"
    assert loss.get_ylim()[0] == 0


def test_percents_have_as_many_decimals_as_their_ticks() -> None:
    figure = new_figure(3, 3)
    axes = figure.add_subplot()
    in_percent(axes.yaxis)
    for low, high, shown in ((0, 1, "60"), (0.992, 0.998, "99.4")):
        axes.set_ylim(low, high)
        texts = [label.get_text() for label in axes.get_yticklabels()]
        assert shown in texts
        assert len(set(texts)) == len(texts)


def test_one_epoch_and_an_undefined_value_can_be_drawn():
    epochs = fake_epochs(2)
    epochs[0]["test"]["binary_accuracy"] = None
    line = _lines(plots.accuracy_curves(epochs, title=""))["Binary accuracy, test"]
    assert np.isnan(line.get_ydata()[0])
    assert line.get_ydata()[1] == epochs[1]["test"]["binary_accuracy"]
    figure = plots.accuracy_curves(fake_epochs(1), title="")
    figure.canvas.draw()
    assert 1 in figure.axes[0].get_xticks()


def test_confusion_matrix_shows_counts_and_shares_of_the_row():
    matrix = np.array([[3, 1], [0, 0]])
    axes = plots.confusion_matrix(matrix, ("mono", "neutro"), title="t").axes[0]
    texts = {
        (int(text.get_position()[1]), int(text.get_position()[0]), text.get_va()): text.get_text()
        for text in axes.texts
    }
    assert [texts[0, column, "bottom"] for column in (0, 1)] == ["3", "1"]
    assert [texts[0, column, "top"] for column in (0, 1)] == ["75.0 %", "25.0 %"]
    assert [texts[1, column, "top"] for column in (0, 1)] == ["–", "–"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["mono", "neutro"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "mono\nn = 4",
        "neutro\nn = 0",
    ]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted class", "True class")
    top, bottom = axes.transData.transform([(0.5, 0.5), (0.5, 1.5)])[:, 1]
    assert top > bottom, "the first class is the top row"


def test_confusion_matrix_can_be_read_on_every_blue():
    """WCAG 2: letters of this size need a contrast of 4.5."""

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for hits in range(101):
        matrix = np.array([[hits, 100 - hits], [0, 1]])
        axes = plots.confusion_matrix(matrix, ("a", "b"), title="t").axes[0]
        (cells,) = axes.collections
        cells.update_scalarmappable()
        for text, cell in zip(axes.texts[::2], cells.get_facecolor(), strict=True):
            pair = sorted([luminance(to_rgb(text.get_color())), luminance(tuple(cell))])
            assert (pair[1] + 0.05) / (pair[0] + 0.05) > 4.3, (hits, text.get_text())


def test_prediction_sheet_marks_mistakes_and_shows_the_right_image(images):
    labels = np.array([0, 1, 2, 3])
    probabilities = np.full((4, 4), 0.1, np.float32)
    probabilities[[0, 1, 2, 3], [0, 1, 2, 0]] = 0.7
    figure = plots.prediction_sheet(images[:4], labels, probabilities, CLASSES, rows=2, columns=3)
    first, *_, fourth = [axes for axes in figure.axes if axes.images]
    assert first.get_title() == "✗ eosinophil 70 %\ntrue: neutrophil"
    assert first.images[0].get_array()[0, 0] == images[3, 0, 0, 0]
    assert fourth.get_title() == "✓ monocyte 70 %\ntrue: monocyte"
    assert fourth.images[0].get_array()[0, 0] == images[2, 0, 0, 0]
    assert first.spines["top"].get_linewidth() > 3 * fourth.spines["top"].get_linewidth()
    assert [axes.texts[0].get_text() for axes in figure.axes if axes.texts] == ["1", "2", "3", "4"]
    assert len(figure.axes) == 6
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_prediction_sheet_shows_colour_and_leaves_out_empty_rows():
    images = np.zeros((2, 50, 50, 3), np.uint8)
    images[..., 0] = 200
    probabilities = np.eye(2, dtype=np.float32)
    figure = plots.prediction_sheet(
        images, np.array([0, 1]), probabilities, ("a", "b"), rows=4, columns=2
    )
    assert len(figure.axes) == 2
    assert figure.axes[0].images[0].get_array()[0, 0].tolist() == [200, 0, 0]


def test_compare_curves_draw_every_run_and_each_claimed_level_once():
    runs = {"CNN": fake_epochs(5), "ResNet50": fake_epochs(10, shift=0.1)}
    figure = compare_curves(runs, "binary_accuracy", claimed=[0.994, 0.993, 0.994])
    lines = _lines(figure)
    for name, epochs in runs.items():
        values = [epoch["test"]["binary_accuracy"] for epoch in epochs]
        assert list(lines[name].get_ydata()) == values
    levels = [line.get_ydata()[0] for line in figure.axes[0].get_lines()[2:]]
    assert levels == [0.993, 0.994]
    assert _legend(figure) == ["CNN", "ResNet50", "claimed by the paper:\n99.3 % to 99.4 %"]
    assert figure.axes[0].get_ylabel() == "Binary accuracy, test (%)"


def test_bars_stand_beside_the_claim_of_the_same_run():
    ours = {"CNN": 0.925, "other": 0.8, "AlexNet": 0.9}
    figure = bars(ours, {"CNN": 0.994, "AlexNet": 0.993}, "binary_accuracy")
    mine, theirs = figure.axes[0].containers
    assert [bar.get_width() for bar in mine] == [0.925, 0.8, 0.9]
    assert [bar.get_width() for bar in theirs] == [0.994, 0.993]
    middles = [round(bar.get_y() + bar.get_height() / 2) for bar in (*mine, *theirs)]
    assert middles == [0, 1, 2, 0, 2]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["92.5 %", "80.0 %", "90.0 %", "99.4 %", "99.3 %"]
    assert _legend(figure) == ["this run", "claimed by the paper"]
    assert all(bar.get_hatch() for bar in theirs)
    assert not any(bar.get_hatch() for bar in mine)


def test_bars_without_any_claim_show_none():
    figure = bars({"other": 0.1234}, {}, "binary_cross_entropy")
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.1234"]
    assert _legend(figure) == ["this run"]


def test_bars_leave_the_place_of_an_undefined_average_empty():
    figure = bars({"a": np.nan, "b": 0.5}, {}, "binary_accuracy")
    assert [text.get_text() for text in figure.axes[0].texts] == ["", "50.0 %"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_dollar_signs_in_names_are_not_read_as_mathematics(tmp_path: Path):
    figure = plots.confusion_matrix(np.eye(2, dtype=int), ("$x^$", "b$"), title="$\\frac$")
    save_figure(figure, tmp_path, "m", alt="m")  # mathematics this broken would raise
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == [r"\$x^\$", r"b\$"]


def test_drawing_changes_no_global_setting_and_needs_no_pyplot(tmp_path: Path):
    before = {name: matplotlib.rcParams[name] for name in STYLE}
    had_pyplot = "matplotlib.pyplot" in sys.modules
    save_figure(plots.accuracy_curves(fake_epochs(2), title=""), tmp_path, "f", alt="")
    assert {name: matplotlib.rcParams[name] for name in STYLE} == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot

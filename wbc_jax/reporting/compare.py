"""Several runs side by side and beside the paper: Table I and Figures 7a, 7b, 8 and 9.

    compare([Path("runs/cnn"), Path("runs/alexnet")], Path("comparison"))   # -> compare.html

The paper's averages are set beside the mean over the epochs of the test *binary* accuracy and of
the test binary cross-entropy, which is what its two numbers most likely are (see `paper`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from wbc_jax.atomic_files import write_text
from wbc_jax.reporting import comparison_plots, leaky, notes, pages, paper
from wbc_jax.reporting.csv_text import csv_text
from wbc_jax.reporting.epochs import METRIC_NAMES, Epochs, metric_values
from wbc_jax.reporting.figure_files import SavedFigure, save_figure
from wbc_jax.reporting.markdown import markdown_row
from wbc_jax.reporting.number_text import NO_VALUE, duration, grouped, number, percent
from wbc_jax.reporting.output_folder import make_output_folder
from wbc_jax.reporting.run_files import Run, read_runs

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of Table I.

    Attributes:
        key: its key in a row and its heading in the CSV file.
        title: its heading for a reader.
        show: a value as a reader sees it; fractions become per cent.
        group: the heading it shares with its neighbours; empty for none.
    """

    key: str
    title: str
    show: Callable[[Any], str]
    group: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the values are words, not numbers."""
        return self.key in ("model", "dataset", "protocol", "run")

    @property
    def is_claim(self) -> bool:
        """Whether the values are the paper's and not ours."""
        return self.key.startswith("paper_")


_MEAN, _LAST = "Mean over the epochs", "Last epoch"
COLUMNS = (
    Column("model", "Model", paper.model_title),
    Column("epochs", "Epochs", str),
    Column("seed", "Seed", str),
    Column("dataset", "Data set", str),
    Column("protocol", "Protocol", str),
    Column("paper_accuracy", "accuracy, claimed by the paper", percent, _MEAN),
    Column("mean_binary_accuracy", "binary accuracy", percent, _MEAN),
    Column("paper_loss", "loss, claimed by the paper", number, _MEAN),
    Column("mean_binary_cross_entropy", "binary cross-entropy", number, _MEAN),
    Column("mean_categorical_accuracy", "categorical accuracy", percent, _MEAN),
    Column("final_categorical_accuracy", "categorical accuracy", percent, _LAST),
    Column("final_binary_accuracy", "binary accuracy", percent, _LAST),
    Column("num_params", "Parameters", grouped),
    Column("wall_seconds", "Wall time", duration),
    Column("run", "Run", str),
)


def compare(runs: Sequence[Path], output: Path) -> Path:
    """Writes table1.md, table1.csv, figures/ and compare.html into `output`.

    Args:
        runs: directories of finished runs, of the same or of different models.
        output: a directory; it is made where it is missing.

    Returns:
        The path of compare.html.

    Raises:
        UserError: no run is given, one is given twice or cannot be read, or `output` cannot be
            written.
    """
    read = read_runs(runs)
    make_output_folder(output)
    named = dict(zip(run_labels(read), read, strict=True))
    rows = [table_row(run) for run in read]
    remarks = notes.remarks(named)
    write_text(output / "table1.csv", csv_text(rows))
    shown = [_shown(row, run) for row, run in zip(rows, read, strict=True)]
    write_text(output / "table1.md", _markdown(shown, remarks))
    page = pages.render(
        "compare.html",
        leaky_protocols=sorted({run.results["protocol"] for run in read if run.is_leaky}),
        leaky_words=leaky.WORDS,
        remarks=remarks,
        definitions=notes.DEFINITIONS,
        columns=COLUMNS,
        groups=[(name, len(list(group))) for name, group in groupby(c.group for c in COLUMNS)],
        rows=shown,
        figures=_save_figures(named, output / "figures"),
        all_claims=[*paper.TABLE_1, paper.RESNET50_TEN_EPOCHS],
        model_title=paper.model_title,
    )
    path = output / "compare.html"
    write_text(path, page)
    return path


def table_row(run: Run) -> Row:
    """Returns one run's line of Table I by the keys of COLUMNS; None where nothing is stated."""
    results = run.results
    epochs = len(results["epochs"])
    claim = paper.claimed(results["model"], epochs=epochs)
    return {
        "model": results["model"],
        "epochs": epochs,
        "seed": results["seed"],
        "dataset": run.dataset["dataset"],
        "protocol": run.dataset["protocol"],
        "paper_accuracy": claim.accuracy if claim else None,
        "mean_binary_accuracy": _mean(run, "binary_accuracy"),
        "paper_loss": claim.loss if claim else None,
        "mean_binary_cross_entropy": _mean(run, "binary_cross_entropy"),
        "mean_categorical_accuracy": _mean(run, "categorical_accuracy"),
        "final_categorical_accuracy": results["test"]["categorical_accuracy"],
        "final_binary_accuracy": results["test"]["binary_accuracy"],
        "num_params": results["num_params"],
        "wall_seconds": results["wall_seconds"],
        "run": str(run.path),
    }


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Returns a name for each run, all different, with no more in it than tells them apart.

    Data set and protocol are named wherever they differ, so that such lines never look alike.
    """
    labels = [paper.model_title(run.results["model"]) for run in runs]
    datasets = [run.dataset["dataset"] for run in runs]
    settings = [(run.dataset["dataset"], run.dataset["protocol"]) for run in runs]
    if len(set(datasets)) > 1:
        labels = [f"{label}, {name}" for label, name in zip(labels, datasets, strict=True)]
    if len(set(settings)) > len(set(datasets)):
        labels = [
            f"{label}, {_protocol_name(run)}" for label, run in zip(labels, runs, strict=True)
        ]
    told_apart_by: tuple[Callable[[Run], str], ...] = (
        lambda run: f"epochs 1-{len(run.results['epochs'])}",
        lambda run: f"seed {run.results['seed']}",
        lambda run: run.path.name,
        lambda run: str(run.path),
    )
    for describe in told_apart_by:
        said: dict[str, set[str]] = defaultdict(set)
        for label, run in zip(labels, runs, strict=True):
            said[label].add(describe(run))
        labels = [
            f"{label}, {describe(run)}" if len(said[label]) > 1 else label
            for label, run in zip(labels, runs, strict=True)
        ]
    return labels


def _mean(run: Run, metric: str) -> float | None:
    """Returns the mean of a test metric over the epochs, None where an epoch has no value."""
    mean = float(np.mean(metric_values(run.results["epochs"], "test", metric)))
    return None if np.isnan(mean) else mean


def _shown(row: Row, run: Run) -> list[str]:
    """Returns a line for readers: a leaky protocol is marked there, not in the CSV file."""
    row = {**row, "protocol": _protocol_name(run)}
    return [
        NO_VALUE if row[column.key] is None else column.show(row[column.key]) for column in COLUMNS
    ]


def _protocol_name(run: Run) -> str:
    return leaky.name(run.dataset["protocol"], is_leaky=run.is_leaky)


def _markdown(rows: Sequence[Sequence[str]], remarks: Sequence[str]) -> str:
    lines = ["# Table I: training score and loss of all models", ""]
    lines += [f"> **Note:** {remark}\n" for remark in remarks]
    # Markdown has no heading over several columns, so each column says its group itself.
    titles = [c.title + (f" ({c.group.lower()})" if c.group else "") for c in COLUMNS]
    lines.append(markdown_row([title[0].upper() + title[1:] for title in titles]))
    lines.append(markdown_row([":--" if column.is_text else "--:" for column in COLUMNS]))
    lines += [markdown_row(row) for row in rows]
    lines += ["", *(f"- {text}" for text in notes.DEFINITIONS)]
    lines += ["", "Research use only, not for diagnosis.", ""]
    return "\n".join(lines)


def _save_figures(runs: Mapping[str, Run], folder: Path) -> dict[str, SavedFigure]:
    claims = {
        name: claim
        for name, run in runs.items()
        if (claim := paper.claimed(run.results["model"], epochs=len(run.results["epochs"])))
    }
    epochs = {name: run.results["epochs"] for name, run in runs.items()}
    title = leaky.mark_several([run.is_leaky for run in runs.values()])
    saved: dict[str, SavedFigure] = {}
    for metric, curves, averages in (
        ("binary_accuracy", "figure7a_accuracy", "figure8_mean_accuracy"),
        ("binary_cross_entropy", "figure7b_loss", "figure9_mean_loss"),
    ):
        field = "accuracy" if metric == "binary_accuracy" else "loss"
        chance = _binary_chance(list(runs.values())) if field == "accuracy" else None
        show = percent if field == "accuracy" else number
        means = {name: _mean(run, metric) for name, run in runs.items()}
        stated = {name: getattr(claim, field) for name, claim in claims.items()}
        listed = "; ".join(f"{name}: {show(mean)}" for name, mean in means.items())
        claimed = "; ".join(f"{name}: {show(value)}" for name, value in stated.items())
        saved[curves] = save_figure(
            comparison_plots.compare_curves(
                epochs, metric, claimed=list(stated.values()), chance=chance, title=title
            ),
            folder,
            curves,
            alt=f"Line chart of test {METRIC_NAMES[metric].lower()} per epoch, "
            f"from the first to the last. {_ends(epochs, metric, show)}.",
        )
        saved[averages] = save_figure(
            comparison_plots.bars(
                {name: np.nan if mean is None else mean for name, mean in means.items()},
                stated,
                metric,
                chance=chance,
                title=title,
            ),
            folder,
            averages,
            alt=f"Bar chart of test {METRIC_NAMES[metric].lower()}, mean over the epochs. "
            f"These runs: {listed}. Claimed by the paper: {claimed or 'nothing'}.",
        )
    return saved


def _binary_chance(runs: Sequence[Run]) -> float | None:
    """Returns the binary accuracy of one answer to everything; None where the runs differ in it."""
    levels = {paper.binary_chance(len(run.results["classes"])) for run in runs}
    return levels.pop() if len(levels) == 1 else None


def _ends(runs: Mapping[str, Epochs], metric: str, show: Callable[[float], str]) -> str:
    values = {name: metric_values(epochs, "test", metric) for name, epochs in runs.items()}
    return "; ".join(f"{name}: {show(v[0])} to {show(v[-1])}" for name, v in values.items())

"""The cards of a run: what the model is for and what it is not, and which images it has seen.

write_cards(read_run(Path("runs/cnn-official-seed0")))     # -> model_card.md, dataset_card.md

Source: Mitchell et al. (2019), "Model cards for model reporting"; Gebru et al. (2021), "Datasheets
for datasets".
"""

from importlib import resources
from typing import Any

from wbc_jax import run_names
from wbc_jax.atomic_files import write_text
from wbc_jax.nested import flatten
from wbc_jax.reporting import pages, paper
from wbc_jax.reporting.run_files import Run
from wbc_jax.reporting.score_rows import class_rows, score_rows


def write_cards(run: Run) -> None:
    """Writes `model_card.md` and `dataset_card.md` into a run's directory.

    Args:
        run: finished or about to.
    """
    figures = {
        "model_title": paper.model_title(run.results["model"]),
        "scores": score_rows(run.results),
        "image_classes": class_rows(run.results, "image"),
        "smear_classes": class_rows(run.results, "smear"),
    }
    write_card(run, "model_card.md", run_names.MODEL_CARD, **figures)
    write_dataset_card(run)


def write_dataset_card(run: Run) -> None:
    """Writes `dataset_card.md`, the same for every task."""
    about = about_dataset(run.dataset["dataset"])
    write_card(run, "dataset_card.md", run_names.DATASET_CARD, about_the_set=about)


def about_dataset(name: str) -> str:
    """Returns the card of a data set's builder, its headings one level lower.

    Args:
        name: in the catalogue, `builder` or `builder/config`.
    """
    folder = resources.files("wbc_jax.datasets").joinpath(name.partition("/")[0])
    text = folder.joinpath("README.md").read_text(encoding="utf-8")
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines())


def write_card(run: Run, template: str, name: str, **values: Any) -> None:
    """Writes one card: a template filled with what the run's files hold, and with `values`."""
    page = pages.render(
        template,
        run=run,
        results=run.results,
        data=run.dataset,
        environment=run.environment,
        settings=flatten(run.config),
        **values,
    )
    write_text(run.path / name, page)

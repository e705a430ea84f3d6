"""The cards of a detector's run: what it is for and what not, and which pictures it has seen.

write_detector_cards(read_detector_run(workdir))                # -> model_card.md, dataset_card.md

Source: as `cards.py`.
"""

from wbc_jax import run_names
from wbc_jax.reporting.cards import write_card, write_dataset_card
from wbc_jax.reporting.detection_report import figure_rows
from wbc_jax.reporting.run_files import Run


def write_detector_cards(run: Run) -> None:
    """Writes `model_card.md` and `dataset_card.md` into a run's directory.

    Args:
        run: finished or about to.
    """
    write_card(run, "detector_card.md", run_names.MODEL_CARD, rows=figure_rows(run))
    write_dataset_card(run)

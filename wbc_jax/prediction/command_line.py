"""The modes that use a finished run, `predict` and `export`: their flags and their dispatch.

    text = run(mode, input_place, workdir)

Importing this defines the flags and imports nothing heavy.
"""

import re
from pathlib import Path

from absl import flags

from wbc_jax.errors import UserError
from wbc_jax.flag_mistakes import expanded

MODES = ("predict", "export")
_RUN = flags.DEFINE_string("run", None, "Directory of the finished run to predict with or export.")
_DETECTOR = flags.DEFINE_string(
    "detector", None, "Directory of a trained detector of cells; by default the classical one."
)
_SINGLE_CELLS = flags.DEFINE_bool(
    "single_cells", False, "Every picture shows one white cell: none is looked for."
)
_WINDOW = flags.DEFINE_integer(
    "window",
    None,
    "Side of the window around a white cell, pixels of your pictures; by default the run's share "
    "of a picture's height. For pictures of a larger or smaller field than the run's.",
    lower_bound=1,
)
_WHY = flags.DEFINE_bool(
    "why", False, "Show in the gallery what each answer rests on: Grad-CAM and occlusion."
)
_INPUT_SIZE = flags.DEFINE_string(
    "input_size", "240x320", "ROWSxCOLUMNS of the pictures that the exported program will take."
)


def run(mode: str, input_place: str | None, workdir: str | None) -> str:
    """Runs the mode; returns what to tell the user.

    Args:
        mode: one of `MODES`.
        input_place: picture, folder or zip to predict.
        workdir: folder to write into; None: one under runs/.

    Raises:
        UserError: a flag is missing or cannot be used.
    """
    if not _RUN.value:
        raise UserError(
            f"--mode={mode} needs a finished run: add --run=runs/NAME, the directory that training "
            "has written"
        )
    name = {"predict": "predictions", "export": "exported"}[mode]
    output = expanded("workdir", workdir) if workdir else Path("runs") / name
    finished = expanded("run", _RUN.value)
    if mode == "export":
        from wbc_jax.export.export import export_run

        return export_run(finished, output, picture_size=_picture_size())
    if not input_place:
        raise UserError("--mode=predict needs pictures: add --input=FILE or --input=FOLDER")
    from wbc_jax.prediction.predict import predict

    return predict(
        finished,
        expanded("input", input_place),
        output,
        detector=expanded("detector", _DETECTOR.value) if _DETECTOR.value else None,
        single_cells=_SINGLE_CELLS.value,
        window=_WINDOW.value,
        why=_WHY.value,
    )


def _picture_size() -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", _INPUT_SIZE.value)
    if not match:
        raise UserError(
            f"input_size={_INPUT_SIZE.value!r} must be ROWSxCOLUMNS of your pictures, such as "
            "240x320"
        )
    return int(match[1]), int(match[2])

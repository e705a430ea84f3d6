"""Arrays in the files of a run: `.npz`, which NumPy alone opens.

write_arrays(path, label=labels, probabilities=probabilities)
labels, probabilities = read_arrays(path, ("label", "probabilities"))
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wbc_jax.atomic_files import write_bytes
from wbc_jax.errors import UserError
from wbc_jax.reporting.run_schema import REPEAT


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes arrays under their names, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Reads arrays by their names.

    Raises:
        UserError: the file is missing or damaged, or lacks one of them.
    """
    try:
        # Opened here, for of a damaged file numpy leaves its own open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return [file[name] for name in names]
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {REPEAT}") from None
    except KeyError as error:
        raise UserError(f"{path} lacks an array: {error.args[0]}; {REPEAT}") from None
    except Exception as error:  # damage shows in many ways: of zip, of zlib, of the array's head
        raise UserError(f"{path} cannot be read ({error}); {REPEAT}") from None

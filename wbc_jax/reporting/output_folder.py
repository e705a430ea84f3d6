"""The folder that a report is written into, made and tried before the work is done.

make_output_folder(Path("runs/audit-images"))
"""

import tempfile
from pathlib import Path

from wbc_jax.errors import UserError


def make_output_folder(output: Path) -> None:
    """Makes the folder where it is missing.

    Raises:
        UserError: it is a file, or nothing can be written into it.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"workdir={output} is a file; name a folder that is new or may be added to")
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(
            f"workdir={output} cannot be written ({error.strerror}); name a folder that can"
        ) from error

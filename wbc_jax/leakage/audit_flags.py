"""What the command line asks to be audited, checked before anything is loaded.

parts = wanted_parts("images.zip", ["train", "test"], has_config=False)
"""

from collections.abc import Sequence

from wbc_jax.errors import UserError


def wanted_parts(place: str | None, parts: Sequence[str], *, has_config: bool) -> list[str]:
    """Returns which folders of the input to compare; none: all there are.

    Args:
        place: the folder or zip of --input.
        parts: names given with --parts; empty ones, as after a last comma, are dropped.
        has_config: whether --config names a division to be audited instead.

    Raises:
        UserError: there is not exactly one thing to audit, or --parts goes with a division.
    """
    if bool(place) == has_config:
        raise UserError(
            "--mode=audit needs either --input=FOLDER, whose folders are the parts to compare, or "
            "--config=configs/cnn.py:paper, whose division is audited"
        )
    if parts and not place:
        raise UserError(
            f"parts={','.join(parts)} names folders of --input, which is not given: a protocol's "
            "parts are all compared; leave --parts out"
        )
    return [part for part in parts if part]

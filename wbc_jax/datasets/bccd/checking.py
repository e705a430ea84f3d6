"""Looks at every photograph and its annotation once, before anything is written.

checked, left_out = check(tree, list_photographs(tree))
"""

import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PIL import Image
from tqdm import tqdm

from wbc_jax.datasets.bad_images import BadFile, refusal
from wbc_jax.datasets.bccd.annotations import Annotation, AnnotationError, parse
from wbc_jax.datasets.bccd.source import Photograph
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.errors import UserError


class Annotated(NamedTuple):
    """A photograph that can be used, with what is annotated in it."""

    photograph: Photograph
    annotation: Annotation


def check(
    tree: ImageTree,
    photographs: Mapping[str, Sequence[Photograph]],
    *,
    on_bad_image: str = "error",
) -> tuple[dict[str, list[Annotated]], list[BadFile]]:
    """Decodes every photograph and reads every annotation.

    Args:
        tree: of the set.
        photographs: of each split.
        on_bad_image: "error" refuses the set for a bad file, "skip" leaves its photograph out.

    Returns:
        What can be used of each split, and the files left out.

    Raises:
        UserError: a file is missing or broken, or a photograph is in two splits; it names them.
    """
    named = [photograph.name for split in photographs.values() for photograph in split]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UserError(f"bccd: {twice[0]} is in two splits of {tree.where}: fetch the set again")
    usable: dict[str, list[Annotated]] = {split: [] for split in photographs}
    bad: list[BadFile] = []
    files = frozenset(tree.files())
    with tqdm(total=len(named), desc="checking bccd", unit=" images", disable=None) as bar:
        for split, part in photographs.items():
            for photograph in part:
                found = _check_one(tree, files, photograph)
                if isinstance(found, BadFile):
                    bad.append(found)
                else:
                    usable[split].append(Annotated(photograph, found))
                bar.update()
    empty = [split for split, part in usable.items() if not part]
    if bad and (on_bad_image == "error" or empty):
        remedy = (
            f"Without their photographs {' and '.join(empty)} would be empty: fetch the set again"
            if empty
            else "Fetch the set again, or add --on_bad_image=skip to leave their photographs out"
        )
        raise refusal("bccd", tree.where, bad, remedy=remedy)
    return usable, bad


def _check_one(
    tree: ImageTree, files: frozenset[str], photograph: Photograph
) -> Annotation | BadFile:
    for path in (photograph.image, photograph.annotation):
        if path not in files:
            return BadFile(path, "is missing")
    try:
        annotation = parse(tree.read(photograph.annotation))
    except (AnnotationError, UserError) as error:
        return BadFile(photograph.annotation, str(error))
    try:
        encoded = tree.read(photograph.image)
        image = decode(encoded)
    except (UndecodableError, UserError) as error:
        return BadFile(photograph.image, str(error))
    stored = Image.open(io.BytesIO(encoded))
    if (stored.format, stored.mode) != ("JPEG", "RGB"):
        return BadFile(photograph.image, f"is {stored.format} of mode {stored.mode}, not JPEG, RGB")
    if image.size != (annotation.width, annotation.height):
        return BadFile(
            photograph.annotation,
            f"is of {annotation.width}x{annotation.height} pixels, the photograph has "
            f"{image.width}x{image.height}",
        )
    return annotation

"""What the published set contains, file by file, and the check of a copy against it.

verify(tree, load_reference())      # raises one UserError that names the files at fault
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from tqdm import tqdm

from wbc_jax.datasets.bad_images import MOST_NAMED, BadFile
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.in_words import listed
from wbc_jax.datasets.prepared_record import content_digest
from wbc_jax.errors import UserError
from wbc_jax.printable import printable

# SHA-256 over the lines "<SHA-256 of the file>  images/<path>\n" of a split, sorted by path.
CONTENT_DIGESTS = {
    "TRAIN": "67003c6628108a34e69d5475d41c882fc67655b330cb8412b2b4f8e1cb7d9bb8",
    "TEST": "05c03faa2af2c9f01f0eca7dbf59ae6545a55627c85ba13c63b0ff0f465afd87",
    "TEST_SIMPLE": "3c768a3e39f39d177c2e778dfef67cb63a6c59d669e567393e6070f75253c953",
}
PREFIX_DIGITS = 16  # of a file's SHA-256 in files.tsv: enough to name it, a quarter of the size


@dataclass(frozen=True)
class Reference:
    """What a copy must consist of.

    Attributes:
        files: path below `images` -> first `PREFIX_DIGITS` hex digits of the file's SHA-256.
        digests: split -> content digest, as `CONTENT_DIGESTS` defines it.
    """

    files: Mapping[str, str]
    digests: Mapping[str, str]


@functools.cache
def load_reference() -> Reference:
    """Returns the published set's reference: `files.tsv` beside this file, and the digests."""
    text = resources.files(__package__).joinpath("files.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return Reference(files=dict(rows), digests=CONTENT_DIGESTS)


def verify(
    tree: ImageTree, reference: Reference, *, on_bad_image: str = "error"
) -> tuple[dict[str, tuple[str, ...]], list[BadFile]]:
    """Checks every file of a copy: its presence and its bytes.

    Args:
        tree: rooted at `images`; what lies beside the splits is ignored.
        reference: what it must consist of.
        on_bad_image: "error" refuses a copy that differs, "skip" leaves out what differs.

    Returns:
        Split -> its paths below `images`, sorted; and what is left out of it.

    Raises:
        UserError: files are missing, do not belong to the set, or have other bytes.
    """
    present = {
        split: tuple(f"{split}/{path}" for path in tree.below(split).files())
        for split in reference.digests
        if split in tree.folders()
    }
    paths = [path for split_paths in present.values() for path in split_paths]
    hashes, broken = _hashes(tree, [path for path in paths if path in reference.files])
    broken += [p for p, sha256 in hashes.items() if not sha256.startswith(reference.files[p])]
    differences = {
        "missing": sorted(reference.files.keys() - set(paths)),
        "not of this set": sorted(set(paths) - reference.files.keys()),
        "damaged or of other content": sorted(broken),
    }
    bad = [BadFile(printable(path), why) for why, some in differences.items() for path in some]
    if not bad:
        _require_digests(tree, reference, present, hashes)
        return present, bad
    good = hashes.keys() - set(broken)
    usable = {split: tuple(filter(good.__contains__, some)) for split, some in present.items()}
    if on_bad_image == "error" or not good:
        raise UserError(
            _differences(tree.where, len(reference.files), differences, is_any_good=bool(good))
        )
    return {split: some for split, some in usable.items() if some}, bad


def _require_digests(
    tree: ImageTree,
    reference: Reference,
    present: Mapping[str, Sequence[str]],
    hashes: Mapping[str, str],
) -> None:
    for split, expected in reference.digests.items():
        digest = content_digest((f"images/{path}", hashes[path]) for path in present[split])
        if digest != expected:
            raise UserError(
                f"blood_cells: {split} in {tree.where} has content digest {digest}, the published "
                f"set has {expected}, though no single file could be told to differ: fetch a "
                "fresh copy, and report this if it persists"
            )


def _hashes(tree: ImageTree, paths: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Returns path -> SHA-256 of its bytes, and the paths that could not be read at all."""
    hashes, unreadable = {}, []
    # Shown only where it takes over two seconds, and only on a terminal.
    for path in tqdm(paths, desc="checking blood_cells", unit=" files", delay=2, disable=None):
        try:
            hashes[path] = hashlib.sha256(tree.read(path)).hexdigest()
        except UserError:
            unreadable.append(path)
    return hashes, unreadable


def _differences(
    where: str, total: int, differences: Mapping[str, list[str]], *, is_any_good: bool
) -> str:
    lines = [
        f"  {len(paths)} {kind}: {listed([*map(printable, paths)], at_most=MOST_NAMED)}"
        for kind, paths in differences.items()
        if paths
    ]
    return "\n".join(
        (
            f"blood_cells: the copy in {where} is not the published set of {total} files.",
            *lines,
            "  Figures from another set could not be compared, so nothing was prepared. Take away",
            "  what does not belong, fetch a fresh copy of the rest (Kaggle",
            "  paultimothymooney/blood-cells, folder dataset2-master), or name no --data_dir and",
            "  add --download. If this copy was fetched by --download, delete it first.",
            "  With --on_bad_image=skip these files are left out, and every report says so."
            if is_any_good
            else "  No file is of this set: these protocols take no other images (docs/data.md).",
        )
    )

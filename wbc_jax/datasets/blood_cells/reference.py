"""What the published set contains, file by file, and the check of a copy against it.

verify(tree, load_reference())      # raises one UserError that names the files at fault
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from tqdm import tqdm

from wbc_jax.datasets.image_tree import ImageTree, listed
from wbc_jax.datasets.prepare import content_digest
from wbc_jax.errors import UserError

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


def verify(tree: ImageTree, reference: Reference) -> dict[str, tuple[str, ...]]:
    """Checks every file of a copy: its presence and its bytes.

    Args:
        tree: rooted at `images`; what lies beside the splits is ignored.
        reference: what it must consist of.

    Returns:
        Split -> its paths below `images`, sorted.

    Raises:
        UserError: files are missing, do not belong to the set, or have other bytes.
    """
    present = {
        split: tuple(f"{split}/{path}" for path in tree.below(split).files())
        for split in reference.digests
        if split in tree.folders()
    }
    paths = [path for split_paths in present.values() for path in split_paths]
    missing = sorted(reference.files.keys() - set(paths))
    extra = sorted(set(paths) - reference.files.keys())
    hashes, broken = _hashes(tree, [path for path in paths if path in reference.files])
    broken += [p for p, sha256 in hashes.items() if not sha256.startswith(reference.files[p])]
    if missing or extra or broken:
        raise UserError(_differences(tree.where, len(reference.files), missing, extra, broken))
    for split, expected in reference.digests.items():
        digest = content_digest((f"images/{path}", hashes[path]) for path in present[split])
        if digest != expected:
            raise UserError(
                f"blood_cells: {split} in {tree.where} has content digest {digest}, the published "
                f"set has {expected}, though no single file could be told to differ: fetch a "
                "fresh copy, and report this if it persists"
            )
    return present


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
    where: str, total: int, missing: list[str], extra: list[str], broken: list[str]
) -> str:
    kinds = (
        ("missing", missing),
        ("not of this set", extra),
        ("damaged or of other content", sorted(broken)),
    )
    lines = [f"  {len(paths)} {kind}: {listed(paths, at_most=4)}" for kind, paths in kinds if paths]
    return "\n".join(
        (
            f"blood_cells: the copy in {where} is not the published set of {total} files.",
            *lines,
            "  Figures from another set could not be compared, so nothing was prepared. Take away",
            "  what does not belong, fetch a fresh copy of the rest (Kaggle",
            "  paultimothymooney/blood-cells, folder dataset2-master), or name no --data_dir and",
            "  add --download. If this copy was fetched by --download, delete it first.",
        )
    )

"""Where a user's copy of LISC is, and which of its files belong together.

tree = find(locate(data_dir, cache_dir=cache, download=False))
smears = list_smears(tree)         # the images with their labels and masks
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wbc_jax.datasets import catalog, image_tree
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.in_words import listed
from wbc_jax.datasets.locating import About, locate_copy
from wbc_jax.errors import UserError
from wbc_jax.printable import printable

IMAGES = "Main Dataset"
MASKS = "Ground Truth Segmentation"
FOLDERS = {
    "eosi": "eosinophil",
    "lymp": "lymphocyte",
    "mono": "monocyte",
    "neut": "neutrophil",
    "baso": "basophil",
}
MIXED = "mixt"  # more than one kind of cell: no single label
UNLABELLED = -1

# Where the folder that holds `Main Dataset` may stand in what the user names, in any case.
LAYOUTS = (
    "LISC Database",
    "",
    "LISC Database/LISC Database",
    "lisc*",
    "lisc*/LISC Database",
)

_HOW_TO_GET = """\
  get it    the licence forbids passing LISC on, so it cannot be fetched for you: ask its authors
            for "LISC Database.zip" (S. H. Rezatofighi's page of it, "Leukocyte Data"; the paper
            is named in wbc_jax/datasets/lisc/CITATIONS.bib)
  put it    anywhere, unpacked or as the zip, and name it with --data_dir or WBC_DATA_DIR
  without   python launch.py --config=configs/alexnet.py    (synthetic smears, no images needed)"""


@dataclass(frozen=True)
class Smear:
    """One image of the database.

    Attributes:
        filename: its path below `Main Dataset`, such as `eosi/1.bmp`.
        label: index into the catalogue's classes; `UNLABELLED` for `mixt`.
        image: its path in the database's tree.
        mask: the path of the expert's segmentation; None where there is none.
    """

    filename: str
    label: int
    image: str
    mask: str | None


def find(place: Path) -> ImageTree | None:
    """Returns the tree of the folder that holds `Main Dataset`; None where there is none."""
    return image_tree.find(place, LAYOUTS, _is_database)


def list_smears(tree: ImageTree) -> list[Smear]:
    """Returns every image of the five classes and of `mixt`, sorted by file name.

    Args:
        tree: of the folder that holds `Main Dataset`; names are matched in any case.

    Raises:
        UserError: a class has no image.
    """
    masks = {path.lower(): path for path in tree.files()}
    images = _child(tree, IMAGES)
    smears = []
    for folder in tree.below(images).folders() if images else ():
        key = folder.lower()
        if key not in FOLDERS and key != MIXED:
            continue
        classes = catalog.get("lisc").classes
        label = UNLABELLED if key == MIXED else classes.index(FOLDERS[key])
        for path in tree.below(f"{images}/{folder}").files():
            stem, dot, suffix = path.rpartition(".")
            if dot and suffix.lower() == "bmp" and "/" not in stem:
                mask = f"{MASKS}/{folder}/areaforexpert1/{stem}_expert.bmp".lower()
                smears.append(
                    Smear(
                        filename=f"{folder}/{path}",
                        label=label,
                        image=f"{images}/{folder}/{path}",
                        mask=masks.get(mask),
                    )
                )
    present = {smear.filename.partition("/")[0].lower() for smear in smears}
    if empty := [folder for folder in FOLDERS if folder not in present]:
        raise UserError(
            f"lisc: {tree.where}/{IMAGES} has no .bmp images in {listed(empty)}; the database has "
            "all five classes: unpack it again in full"
        )
    return sorted(smears, key=lambda smear: smear.filename)


def misnamed(tree: ImageTree, smears: Sequence[Smear]) -> list[BadFile]:
    """Returns what is named like an image and is none, or has a name that cannot be kept.

    Args:
        tree: of the database.
        smears: its images.
    """
    bad = []
    alike = Counter(smear.image.lower() for smear in smears)
    for smear in smears:
        if not smear.image.isprintable():
            bad.append(BadFile(printable(smear.image), "its name is no plain UTF-8 text"))
        elif alike[smear.image.lower()] > 1:
            # They would share the mask, whose name is matched in any case.
            bad.append(BadFile(smear.image, "another file's name differs in case only"))
    images = _child(tree, IMAGES)
    for folder in tree.below(images).folders() if images else ():
        if folder.lower() in (*FOLDERS, MIXED):
            inside = tree.below(f"{images}/{folder}").folders()
            names = [name for name in inside if name.lower().endswith(".bmp")]
            bad += [BadFile(printable(f"{images}/{folder}/{n}"), "is a folder") for n in names]
    return bad


def _is_database(tree: ImageTree) -> bool:
    images = _child(tree, IMAGES)
    return images is not None and any(
        folder.lower() in FOLDERS for folder in tree.below(images).folders()
    )


def _child(tree: ImageTree, name: str) -> str | None:
    return next((folder for folder in tree.folders() if folder.lower() == name.lower()), None)


_ABOUT = About(f"a folder {IMAGES!r} with {', '.join(FOLDERS)}", LAYOUTS, _HOW_TO_GET)
locate = partial(locate_copy, "lisc", find, _ABOUT)

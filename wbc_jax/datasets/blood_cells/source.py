"""Where a user's copy of the blood cell images is: found in every layout it is published in.

place = locate(Path("~/Downloads").expanduser(), cache_dir=cache, download=False)
tree = find(place)         # rooted at `images`: TRAIN/EOSINOPHIL/_0_12.jpeg, ...
"""

from pathlib import Path

from wbc_jax.datasets import image_tree, in_words
from wbc_jax.datasets.blood_cells import archive
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.errors import UserError

SPLITS = ("TRAIN", "TEST", "TEST_SIMPLE")

# Where `images` may stand in what the user names, in any case of letters; earlier ones win.
LAYOUTS = (
    "blood_cells/images",
    "images",
    "dataset2-master/dataset2-master/images",
    "dataset2-master/images",
    "wbc-classification-*/images",
    "",
)

_HOW_TO_GET = f"""\
  get them  either "Blood Cell Images" on Kaggle (paultimothymooney/blood-cells, its folder
            dataset2-master) or the public repository github.com/dhruvp/wbc-classification
            at commit {archive.COMMIT}
  put them  anywhere, as a folder or as the zip, and name it with --data_dir or WBC_DATA_DIR
  or fetch  add --download: the repository's archive (over 100 MB) is put into the cache
  without   python launch.py --config=configs/alexnet.py    (synthetic smears, no images needed)"""


def locate(data_dir: Path | None, *, cache_dir: Path, download: bool) -> Path:
    """Returns the folder or zip in which `find` finds the set.

    Args:
        data_dir: what the user named, if anything; it comes first.
        cache_dir: an archive fetched before lies in its `downloads`; it comes second.
        download: fetch that archive where neither holds the set.

    Raises:
        UserError: the set is nowhere, or could not be fetched.
    """
    if data_dir is not None and find(data_dir) is not None:
        return data_dir
    fetched = cache_dir / "downloads" / archive.NAME
    if fetched.is_file():
        return fetched
    if download:
        return archive.fetch(archive.URL, fetched)
    raise UserError(_missing(data_dir))


def find(place: Path) -> ImageTree | None:
    """Returns the tree rooted at `images` in a folder, a zip, or a zip lying in a folder."""
    return image_tree.find(place, LAYOUTS, _is_images)


def _is_images(tree: ImageTree) -> bool:
    """Whether any of the splits is there: an incomplete copy is found too, and then named so."""
    return bool(set(SPLITS) & set(tree.folders()))


def _missing(data_dir: Path | None) -> str:
    looked = in_words.where_looked(
        data_dir,
        wanted=f"{SPLITS[0]}, {SPLITS[1]} or {SPLITS[2]}",
        layouts=(layout or "data_dir itself" for layout in LAYOUTS),
    )
    return f"blood_cells: the images are not here.\n{looked}\n{_HOW_TO_GET}"

"""The data sets that exist, as plain facts; importing this imports no TFDS.

    spec = catalog.get("blood_cells")
    spec.classes        # ("eosinophil", "lymphocyte", "monocyte", "neutrophil")

What each set contains, and what to beware of, is told by the README.md in its builder's folder.
"""

from dataclasses import dataclass

from wbc_jax.errors import UserError

# Labels 0-3 are the paper's; a fifth class, where a set has one, follows them.
CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
CLASSES_WITH_BASOPHIL = (*CLASSES, "basophil")
CELL_KINDS: tuple[str, ...] = (
    "RBC",
    "WBC",
    "Platelets",
)  # what a detector tells apart, as BCCD calls them
UNRESOLVED = "unresolved"  # source of an image whose smear is not known; see docs/provenance.md


@dataclass(frozen=True)
class DatasetSpec:
    """One data set (one TFDS builder, one of its builder configs).

    Attributes:
        name: `builder` or `builder/config`, as TFDS writes it.
        version: the builder's version; a new one is prepared anew.
        builder: `module:Class` of the TFDS builder.
        classes: class names in the order of their integer labels.
        title: one line for a reader: what the images are.
        user_supplied: the images are the user's own copy, looked for under `--data_dir` by
            `locate` in the module `source` beside the builder.
        knows_copies: whether `source` is sure to be the same for all images of one smear; elsewhere
            images of one smear can be found by content only.
        is_pinned: the builder has a list of the user's files with their digests, so that a copy
            cannot change; other copies are looked at before what was prepared from them is used.
        is_published: the set is the same wherever it lies; one that is not is whatever a `data_dir`
            that is named holds, which must hold some.
        cell_kinds: of sets in which every cell is given with its kind and its box: the index into
            `CELL_KINDS` of each kind as the set stores it; empty where cells are not given.
    """

    name: str
    version: str
    builder: str
    classes: tuple[str, ...]
    title: str
    user_supplied: bool
    knows_copies: bool = True
    is_pinned: bool = False
    is_published: bool = True
    cell_kinds: tuple[int, ...] = ()


def _folder(name: str) -> str:
    return f"wbc_jax.datasets.{name}.{name}_dataset_builder:Builder"


DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="synthetic_smears/default",
            version="1.0.0",
            builder=_folder("synthetic_smears"),
            classes=CLASSES,
            title="Synthetic drawings of stained blood smears (not cells)",
            user_supplied=False,
            cell_kinds=(*[1] * len(CLASSES), 0, 2),  # white cells by class, red cells, platelets
        ),
        DatasetSpec(
            name="synthetic_smears/smoke",
            version="1.0.0",
            builder=_folder("synthetic_smears"),
            classes=CLASSES,
            title="A few synthetic drawings of stained blood smears (not cells), for tests",
            user_supplied=False,
            cell_kinds=(*[1] * len(CLASSES), 0, 2),  # white cells by class, red cells, platelets
        ),
        DatasetSpec(
            name="blood_cells",
            version="1.1.0",
            builder=_folder("blood_cells"),
            classes=CLASSES,
            title="Blood Cell Images (Kaggle dataset2-master): augmented copies of real smears",
            user_supplied=True,
            is_pinned=True,
        ),
        DatasetSpec(
            name="lisc",
            version="1.1.0",
            builder=_folder("lisc"),
            classes=CLASSES_WITH_BASOPHIL,
            title="LISC (Rezatofighi and Soltanian-Zadeh 2011): real smears, one white cell each",
            user_supplied=True,
            knows_copies=False,
        ),
        DatasetSpec(
            name="bccd",
            version="1.0.0",
            builder=_folder("bccd"),
            classes=CELL_KINDS,
            title="BCCD (Shenggan 2017): photographs of blood smears, a box around every cell",
            user_supplied=True,
            knows_copies=False,
            cell_kinds=(0, 1, 2),
        ),
        DatasetSpec(
            name="own",
            version="1.0.0",
            builder=_folder("own"),
            classes=CLASSES_WITH_BASOPHIL,
            title="Pictures of the user's own, one white cell each, in folders by class",
            user_supplied=True,
            knows_copies=False,
            is_published=False,
        ),
    )
}


def get(name: str) -> DatasetSpec:
    """Returns the spec of `name`.

    Raises:
        UserError: there is no such data set.
    """
    if name not in DATASETS:
        raise UserError(f"data set {name!r} is not known; there are: {', '.join(DATASETS)}")
    return DATASETS[name]

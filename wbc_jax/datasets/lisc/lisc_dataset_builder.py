"""TFDS builder of LISC: the BMP images as PNG, with labels and the expert's masks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from wbc_jax.datasets import catalog
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.lisc import images, source
from wbc_jax.datasets.lisc.source import Smear
from wbc_jax.errors import UserError

_SPEC = catalog.get("lisc")


class Builder(tfds.core.GeneratorBasedBuilder):
    """LISC; see README.md beside this file.

    Attributes:
        place: folder or zip of the database; where it is None, TFDS' manual directory.
        on_bad_image: "error" refuses a copy with files that cannot be used, "skip" leaves them out.
        left_out: those files, once it is built.
    """

    VERSION = tfds.core.Version(_SPEC.version)
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "With `source`, the smear an image shows.",
        "1.0.0": "Images, labels, the expert's masks.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Put the authors' zip there, or what it contains; see README.md."

    place: Path | None = None
    on_bad_image: str = "error"
    left_out: Sequence[BadFile] = ()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=_SPEC.classes),
                    "mask": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                    "has_mask": tfds.features.Scalar(dtype=np.bool_),
                    "filename": tfds.features.Text(),
                    "source": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            disable_shuffling=True,  # stored in the order of file names: training shuffles anyway
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        place = self.place or Path(dl_manager.manual_dir)
        tree = source.find(place)
        if tree is None:
            raise UserError(f"lisc: no such database in {place}; see README.md of the builder")
        smears = source.list_smears(tree)
        # Everything is checked before anything is written.
        smears, self.left_out = images.check(tree, smears, on_bad_image=self.on_bad_image)
        labelled = [smear for smear in smears if smear.label != source.UNLABELLED]
        mixed = [smear for smear in smears if smear.label == source.UNLABELLED]
        # `prepare` gives the first its public name, "all", which TFDS keeps for itself. A split
        # without examples cannot be written, so a copy without `mixt` has no such split.
        splits = {"labelled": labelled, "mixt": mixed}
        return {name: self._generate_examples(tree, part) for name, part in splits.items() if part}

    def _generate_examples(
        self, tree: ImageTree, smears: Sequence[Smear]
    ) -> Iterator[tuple[int, dict]]:
        for position, smear in enumerate(smears):
            image, mask = images.encode_smear(tree, smear)
            yield (
                position,
                {
                    "image": image,
                    "label": smear.label,
                    "mask": mask,
                    "has_mask": smear.mask is not None,
                    "filename": smear.filename,
                    "source": smear.filename,  # every photograph is of a field of its own
                },
            )

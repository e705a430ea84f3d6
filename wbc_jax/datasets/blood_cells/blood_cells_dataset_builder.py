"""TFDS builder of the blood cell images: the published JPEGs, byte for byte."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from wbc_jax.datasets import catalog
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.blood_cells import reference, source, sources
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.errors import UserError

_SPEC = catalog.get("blood_cells")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Blood Cell Images; see README.md beside this file.

    Attributes:
        place: folder or zip of the images; where it is None, TFDS' manual directory.
        on_bad_image: "error" refuses a copy with files that cannot be used, "skip" leaves them out.
        left_out: those files, once it is built.
    """

    VERSION = tfds.core.Version(_SPEC.version)
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "With `source`, the smear a copy was made from, and `scene`, its place.",
        "1.0.0": "The 12,515 files as published.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Put the set there, as a folder or a zip; see README.md."

    place: Path | None = None
    on_bad_image: str = "error"
    left_out: Sequence[BadFile] = ()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(240, 320, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=_SPEC.classes),
                    "filename": tfds.features.Text(),
                    "source": tfds.features.Text(),
                    "scene": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://github.com/dhruvp/wbc-classification",
            disable_shuffling=True,  # stored in the order of file names: training shuffles anyway
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        place = self.place or Path(dl_manager.manual_dir)
        tree = source.find(place)
        if tree is None:
            raise UserError(f"blood_cells: no such set in {place}; see README.md of the builder")
        # Everything is checked before anything is written.
        present, self.left_out = reference.verify(
            tree, reference.load_reference(), on_bad_image=self.on_bad_image
        )
        return {split: self._generate_examples(tree, paths) for split, paths in present.items()}

    def _generate_examples(
        self, tree: ImageTree, paths: Sequence[str]
    ) -> Iterator[tuple[int, dict]]:
        for position, path in enumerate(paths):
            _, folder, _ = path.split("/")
            label = _SPEC.classes.index(folder.lower())
            yield (
                position,
                {
                    "image": tree.read(path),
                    "label": label,
                    "filename": path,
                    "source": sources.smear_of(path),
                    "scene": sources.scene_of(path),
                },
            )

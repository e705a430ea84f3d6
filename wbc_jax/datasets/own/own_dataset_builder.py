"""TFDS builder of a user's own pictures, in folders by class: pixels as PNG, labels and smears."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tqdm import tqdm

from wbc_jax.datasets import catalog
from wbc_jax.datasets.bad_images import BadFile, refusal
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.datasets.encoding import encode
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.own import source
from wbc_jax.datasets.own.source import Picture
from wbc_jax.errors import UserError

_SPEC = catalog.get("own")
_QUICKLY = 1  # compression: half again as large, in a third of the time


class Builder(tfds.core.GeneratorBasedBuilder):
    """Pictures of the user's own; see README.md beside this file.

    Attributes:
        place: folder or zip of the pictures; where it is None, TFDS' manual directory.
        on_bad_image: "error" refuses a folder with files that cannot be used, "skip" leaves them
            out.
        left_out: those files, once it is built.
        notes: of the files that are not named like pictures, by then.
    """

    VERSION = tfds.core.Version(_SPEC.version)
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Images, labels, smears."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Put a folder of pictures for each class there; see README.md."

    place: Path | None = None
    on_bad_image: str = "error"
    left_out: Sequence[BadFile] = ()
    notes: Sequence[str] = ()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=_SPEC.classes),
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
            raise UserError(f"own: no folders by class in {place}; see README.md of the builder")
        # Everything is checked before anything is written.
        pictures, self.left_out = _check(tree, on_bad_image=self.on_bad_image)
        self.notes = source.passed_over(tree)
        # TFDS keeps the word "all" for itself; `prepare` gives the split that public name.
        return {"labelled": self._generate_examples(tree, pictures)}

    def _generate_examples(
        self, tree: ImageTree, pictures: Sequence[Picture]
    ) -> Iterator[tuple[int, dict]]:
        for position, picture in enumerate(pictures):
            try:
                image = encode(decode(tree.read(picture.path)), "PNG", compress_level=_QUICKLY)
            except UndecodableError as error:
                raise UserError(
                    f"own: {picture.path} was changed while it was being prepared ({error}): start "
                    "again"
                ) from error
            yield (
                position,
                {
                    "image": image,
                    "label": picture.label,
                    "filename": picture.path,
                    "source": picture.source,
                },
            )


def _check(tree: ImageTree, *, on_bad_image: str) -> tuple[list[Picture], list[BadFile]]:
    """Decodes every picture once; returns those that can be used and the files left out.

    Raises:
        UserError: some cannot be used and are not to be left out, or none can.
    """
    listed, bad = source.list_pictures(tree)
    usable = []
    for picture in tqdm(listed, desc="checking own", unit=" images", delay=2, disable=None):
        try:
            decode(tree.read(picture.path))
        except (UndecodableError, UserError) as error:
            bad.append(BadFile(picture.path, str(error)))
        else:
            usable.append(picture)
    if bad and (on_bad_image == "error" or not usable):
        remedy = "Mend them or move them elsewhere, or add --on_bad_image=skip to leave them out"
        raise refusal("own", tree.where, bad, remedy=remedy)
    if not usable:
        told = "".join(f". {note}" for note in source.passed_over(tree))
        raise UserError(f"own: the folders by class in {tree.where} hold no picture{told}")
    return usable, bad

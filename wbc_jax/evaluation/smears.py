"""Which images are copies of one smear: the unit that figures and intervals are counted in.

smears = group_by_smear(test.source, test.label, test.filename)
probabilities = mean_over_copies(softmax(logits), smears)              # one row per smear
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from wbc_jax.datasets.catalog import UNRESOLVED


class Smears(NamedTuple):
    """The smears of a part.

    Attributes:
        name: of each smear, sorted; of an unresolved image, that it is one, and its file.
        label: class of each smear.
        of_image: the smear that each image shows: a row of `name`.
    """

    name: Shaped[np.ndarray, " s"]
    label: Int[np.ndarray, " s"]
    of_image: Int[np.ndarray, " n"]


def group_by_smear(
    sources: Shaped[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    filenames: Shaped[np.ndarray, " n"],
) -> Smears:
    """Returns the smears that the images show.

    An image whose smear is not known counts as a smear of its own. A smear with cells of two
    classes counts as two, one of each class: smears are drawn class by class.

    Args:
        sources: the smear of each image, or `UNRESOLVED`.
        labels: class of each image.
        filenames: where each image comes from; all different.
    """
    own = np.char.add(f"{UNRESOLVED}/", filenames.astype(np.str_))
    names = np.where(sources == UNRESOLVED, own, sources)
    known, of_name = np.unique(names, return_inverse=True)
    num_labels = int(labels.max(initial=0)) + 1
    pairs, of_image = np.unique(of_name * num_labels + labels, return_inverse=True)
    return Smears(known[pairs // num_labels], pairs % num_labels, of_image)


def mean_over_copies(
    probabilities: Float[np.ndarray, "n k"], smears: Smears
) -> Float[np.ndarray, "s k"]:
    """Returns each smear's class probabilities: the mean over its images.

    Args:
        probabilities: of each image, rows summing to 1.
        smears: of the same images.
    """
    sums = np.zeros((len(smears.name), probabilities.shape[1]))
    np.add.at(sums, smears.of_image, probabilities)
    return sums / np.bincount(smears.of_image, minlength=len(sums))[:, None]

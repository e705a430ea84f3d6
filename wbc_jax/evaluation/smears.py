"""Which images are copies of one smear: the unit that figures and intervals are counted in.

smears = group_by_smear(test.source, test.label, test.filename)
probabilities = mean_over_copies(softmax(logits), smears)              # one row per smear
draws = draw_smears(*strata_of(smears.shows))[:, smears.slide]         # how often each is drawn
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from wbc_jax.datasets.catalog import UNRESOLVED


class Smears(NamedTuple):
    """The smears of a part.

    Attributes:
        name: of each smear, sorted; of an unresolved image, that it is one, and its file.
        label: class of each smear.
        slide: of each smear, from 0 on in the order of the names: smears of one name and several
            classes are on one slide, and only slides are independent of each other.
        of_image: the smear that each image shows: a row of `name`.
    """

    name: Shaped[np.ndarray, " s"]
    label: Int[np.ndarray, " s"]
    slide: Int[np.ndarray, " s"]
    of_image: Int[np.ndarray, " n"]

    @property
    def shows(self) -> Bool[np.ndarray, "d k"]:
        """Which classes each slide shows, up to the last that any shows."""
        shows = np.zeros((self.slide.max(initial=-1) + 1, self.label.max(initial=0) + 1), bool)
        shows[self.slide, self.label] = True
        return shows


def group_by_smear(
    sources: Shaped[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    filenames: Shaped[np.ndarray, " n"],
) -> Smears:
    """Returns the smears that the images show.

    An image whose smear is not known counts as a smear of its own. A smear with cells of two
    classes counts as two, one of each class, on one slide: each has one true answer.

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
    slide, label = np.divmod(pairs, num_labels)
    return Smears(known[slide], label, slide, of_image)


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

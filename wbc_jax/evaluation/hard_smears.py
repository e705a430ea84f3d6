"""What every network of a setting answers wrongly: where the labels are worth a second look.

always_wrong({0: answers_of_seed_0, 1: answers_of_seed_1})[0].name      # BloodImage_00127
doubtful_images(answers, classes)[0]["image"]                           # TEST/MONOCYTE/_0_1173.jpeg
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wbc_jax.evaluation.smears import group_by_smear, mean_over_copies
from wbc_jax.reporting.run_files import Predictions

DOUBTFUL_COLUMNS = ("image", "smear", "labelled", "answered", "probability_of_label", "seeds")


class HardSmear(NamedTuple):
    """A smear that no seed answers rightly.

    Attributes:
        name: of the smear.
        label: its class in the data set.
        answer: the most probable class but its label, by the mean over its copies and the seeds.
        probability: what the networks give its label, the same mean; in [0, 1].
        num_seeds: how many seeds were tested on it.
        share: of the test images that it makes up, mean over those seeds; in [0, 1].
    """

    name: str
    label: int
    answer: int
    probability: float
    num_seeds: int
    share: float


def always_wrong(seeds: Mapping[int, Predictions]) -> list[HardSmear]:
    """Returns the smears that each seed tested on them answers wrongly, the largest share first.

    Args:
        seeds: answers by seed, at least one.
    """
    found: dict[tuple[str, int], list[tuple[np.ndarray, float]]] = {}
    for answers in seeds.values():
        smears = group_by_smear(answers.sources, answers.labels, answers.filenames)
        means = mean_over_copies(answers.probabilities, smears)
        shares = np.bincount(smears.of_image) / len(smears.of_image)
        for name, label, mean, share in zip(smears.name, smears.label, means, shares, strict=True):
            found.setdefault((str(name), int(label)), []).append((mean, float(share)))
    hard = [
        HardSmear(
            name=name,
            label=label,
            # Seeds that are wrong each in a way of their own may have the label on top together.
            answer=int(np.where(np.arange(len(mean)) == label, -1, mean).argmax()),
            probability=float(mean[label]),
            num_seeds=len(own),
            share=float(np.mean([share for _, share in own])),
        )
        for (name, label), own in found.items()
        if all(one.argmax() != label for one, _ in own)
        for mean in [np.mean([one for one, _ in own], axis=0)]
    ]
    return sorted(hard, key=lambda smear: (-smear.share, smear.name, smear.label))


def doubtful_images(
    seeds: Mapping[int, Predictions], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns the images that each seed tested on them answers wrongly, the clearest first.

    A smear with many cells may be answered rightly as a whole and hold some that are not.

    Args:
        seeds: answers by seed, at least one.
        classes: names in label order.

    Returns:
        Rows of doubtful.csv, under the names of `DOUBTFUL_COLUMNS`.
    """
    smear_of: dict[str, str] = {}
    for own in seeds.values():
        smear_of |= dict(zip(own.filenames.tolist(), own.sources.tolist(), strict=True))
    # Each image as a smear of its own.
    images = {seed: own._replace(sources=own.filenames) for seed, own in seeds.items()}
    return [
        {
            "image": image.name,
            "smear": smear_of[image.name],
            "labelled": classes[image.label],
            "answered": classes[image.answer],
            "probability_of_label": f"{image.probability:.4g}",
            "seeds": image.num_seeds,
        }
        for image in sorted(always_wrong(images), key=lambda image: image.probability)
    ]

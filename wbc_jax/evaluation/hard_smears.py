"""Smears that every network of a setting answers wrongly: where the labels are worth a second look.

always_wrong({0: answers_of_seed_0, 1: answers_of_seed_1})[0].name      # BloodImage_00127
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from wbc_jax.evaluation.smears import group_by_smear, mean_over_copies
from wbc_jax.reporting.run_files import Predictions


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

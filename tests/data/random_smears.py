"""Examples of smears with unequal numbers of copies, some of them unresolved, in any order."""

from collections.abc import Mapping, Sequence

import numpy as np

from wbc_jax.data.examples import Examples
from wbc_jax.datasets.catalog import UNRESOLVED


def make_examples(labels: Sequence[int], sources: Sequence[str], prefix: str = "image") -> Examples:
    """One-pixel images whose pixel tells their row, so that a mixed-up row would show.

    Every smear is a scene of its own.
    """
    rows = np.arange(len(labels))
    return Examples(
        image=(rows % 256).astype(np.uint8)[:, None, None, None],
        label=np.array(labels, np.int32),
        filename=np.array([f"{prefix}/{row}.png" for row in rows], dtype=np.str_),
        source=np.array(sources, dtype=np.str_),
        scene=np.array(sources, dtype=np.str_),
    )


def rows_of(examples: Examples) -> list[int]:
    """Which rows of `make_examples` these are."""
    return [int(name.rpartition("/")[2].removesuffix(".png")) for name in examples.filename]


def draw_examples(
    num_smears: Sequence[int],
    *,
    seed: int,
    most_copies: int = 12,
    num_unresolved: int = 0,
    prefix: str = "image",
) -> Examples:
    """Draws 1 to `most_copies` copies of each smear and shuffles them.

    Args:
        num_smears: of each class.
        seed: of the draw.
        most_copies: of a smear.
        num_unresolved: copies, of any class, whose smear is not known.
        prefix: of the names of smears and files.
    """
    random = np.random.default_rng(seed)
    rows = [
        (label, f"{prefix} smear {label}-{number}")
        for label, count in enumerate(num_smears)
        for number in range(count)
        for _ in range(random.integers(1, most_copies + 1))
    ]
    rows += [(int(random.integers(len(num_smears))), UNRESOLVED) for _ in range(num_unresolved)]
    random.shuffle(rows)
    labels, sources = zip(*rows, strict=True)
    return make_examples(labels, sources, prefix)


def smears_by_class(examples: Examples) -> dict[int, set[str]]:
    """The smears of each class that are known."""
    return {
        int(label): set(examples.source[examples.label == label].tolist()) - {UNRESOLVED}
        for label in np.unique(examples.label)
    }


def join_scenes(
    splits: Mapping[str, Examples], *, num_scenes: int, seed: int
) -> dict[str, Examples]:
    """Lets so many pairs of smears, of any split and class, show one scene each."""
    every = np.unique(np.concatenate([part.source for part in splits.values()]))
    every = every[every != UNRESOLVED]
    pairs = np.random.default_rng(seed).permutation(every)[: 2 * num_scenes].reshape(-1, 2)
    scene_of = {smear: f"scene {i}" for i, pair in enumerate(pairs) for smear in pair.tolist()}
    return {
        split: part._replace(scene=np.array([scene_of.get(name, name) for name in part.source]))
        for split, part in splits.items()
    }

"""What a reader of a comparison must be told before the numbers, and what the numbers mean."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from wbc_jax.reporting import paper
from wbc_jax.reporting.run_files import Run

DEFINITIONS = (
    "The paper's figures are claims, as printed; they were measured with code and a split that it "
    f"does not publish, on {paper.NUM_TEST} test images.",
    "Like for like: the paper's “accuracy” stands beside the mean over the epochs of the test "
    "binary accuracy, the share of all outputs on the right side of 0.5. With four classes a "
    "model that says 0.25 to everything already gets 75 %.",
    "The paper's “loss” stands beside the mean over the epochs of the test binary cross-entropy, "
    "in nats per output. It prints 100 times the number with a per-cent sign: 0.64 % is 0.0064.",
    "Categorical accuracy, the share of images whose most probable class is the true one, is "
    "another and stricter number; the paper does not state it.",
    "Test figures are taken after each epoch, with the weights at rest.",
    "One run stands in each line: differences of a few points may be the seed's. --mode=pool puts "
    "several seeds together, with intervals.",
)


def remarks(runs: Mapping[str, Run]) -> list[str]:
    """Returns what must be known before the runs' figures are read side by side, one per line.

    Args:
        runs: the runs by the name they are shown under.
    """
    own = {name: run.dataset["warnings"] for name, run in runs.items()}
    return _mixed(list(runs.values())) + each_once(own)


def each_once(texts: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns each text once, with the names it is of where it is not of all.

    Args:
        texts: what is to be said of what carries a name.
    """
    carriers: dict[str, list[str]] = {}
    for name, own in texts.items():
        for text in dict.fromkeys(own):
            carriers.setdefault(text, []).append(name)
    return [
        text if len(names) == len(texts) else f"{'; '.join(names)}: {text}"
        for text, names in carriers.items()
    ]


def _mixed(runs: Sequence[Run]) -> list[str]:
    found = []
    if synthetic := [run for run in runs if run.is_synthetic]:
        which = f"{len(synthetic)} of these {len(runs)} runs"
        if len(synthetic) == len(runs):
            which = "This run" if len(runs) == 1 else "All these runs"
        found.append(
            f"{which} used synthetic drawings: such figures are not results on cells, and the "
            "paper's figures are no measure for them."
        )
    settings = sorted({f"{run.dataset['dataset']} / {run.dataset['protocol']}" for run in runs})
    if len(settings) > 1:
        found.append(
            f"The runs differ in data set or protocol ({', '.join(settings)}). Figures from "
            "different test images must not be ranked against each other."
        )
    digests: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        content = sorted((name, split["digest"]) for name, split in run.dataset["splits"].items())
        digests[f"{run.dataset['dataset']} / {run.dataset['protocol']}"].add(repr(content))
    found += [
        f"Runs on {setting} read different files under that one name (their digests differ)."
        for setting, contents in sorted(digests.items())
        if len(contents) > 1
    ]
    epochs = sorted({len(run.results["epochs"]) for run in runs})
    if len(epochs) > 1:
        found.append(
            f"The runs have different numbers of epochs ({', '.join(map(str, epochs))}); a mean "
            "over more epochs holds fewer early ones."
        )
    return found

"""The last lines in the terminal, as plain text.

print(run_summary(results, workdir))
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_summary(results: Mapping[str, Any], workdir: Path) -> str:
    """Returns a finished run in a few lines.

    Args:
        results: content of `results.json`.
        workdir: the run's directory.
    """
    test = results["test"]
    lines = [
        "",
        f"{results['model']} on {results['dataset']}, protocol {results['protocol']}, seed "
        f"{results['seed']}: {results['num_params']:,} parameters, {len(results['epochs'])} epochs",
        *(f"  ! {warning}" for warning in results["warnings"]),
        f"  test images           {results['num_test']:>9,}",
        f"  categorical accuracy  {test['categorical_accuracy']:>9.2%}   images classified right",
        f"  binary accuracy       {test['binary_accuracy']:>9.2%}   outputs right of 0.5",
        f"  balanced accuracy     {test['balanced_accuracy']:>9.2%}",
        f"  macro F1              {test['macro_f1']:>9.4f}",
        f"  binary cross-entropy  {test['binary_cross_entropy']:>9.4f}",
        f"  training              {results['images_per_second']:>9,.0f}   images/s",
        f"  wall time             {results['wall_seconds']:>9,.0f}   s",
        f"report: {workdir / 'report.html'}",
        f"curves: tensorboard --logdir {workdir.parent}",
    ]
    return "\n".join(lines)


def data_summary(dataset: Mapping[str, Any]) -> str:
    """Returns which images a protocol trains and tests on.

    Args:
        dataset: content of `dataset.json`.
    """
    lines = [
        f"{dataset['dataset']} {dataset['version']}: {dataset['title']}",
        f"protocol {dataset['protocol']}: {dataset['protocol_description']}",
        *(f"  ! {warning}" for warning in dataset["warnings"]),
        f"  {'class':<12}{'train':>8}{'test':>8}",
    ]
    train, test = dataset["train_class_counts"], dataset["test_class_counts"]
    rows = [(name, train[name], test[name]) for name in dataset["classes"]]
    rows.append(("all", dataset["num_train"], dataset["num_test"]))
    lines += [f"  {name:<12}{in_train:>8,}{in_test:>8,}" for name, in_train, in_test in rows]
    return "\n".join(lines)

"""The whole job in plain PyTorch, as a careful user writes it: read, train, evaluate, save.

python -m benchmarks.torch_script --data_dir=DIR --workdir=runs/torch
python -m benchmarks.torch_script --data_dir=DIR --workdir=runs/torch --in_memory

The images, the division, the preprocessing, the network, the optimizer and the metrics are those
of `launch.py --config=configs/cnn.py:paper`. Images are decoded by the loader's workers whenever
they are needed, or once at the start with --in_memory. The bands' means and deviations are given,
so that no pass over the images is spent on them.
"""

import json
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.command_line import add_data_dir, at_least, create_parser, run
from benchmarks.torch_twins import create_twin
from wbc_jax.errors import UserError

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
_LAYOUTS = ("blood_cells/images", "images", "")
_MEAN = torch.tensor([0.6556327, 0.4936324, 0.7628571]).view(3, 1, 1)
_DEVIATION = torch.tensor([0.25254345, 0.22115189, 0.2714438]).view(3, 1, 1)
_LEARNING_RATE = 1e-3
_SEED = 0


class BloodCells(Dataset):
    """Image files with their class, read when they are asked for or all at once."""

    def __init__(self, files: Sequence[Path], *, in_memory: bool) -> None:
        """Takes the class from each file's folder."""
        self._files = files
        self._labels = [CLASSES.index(file.parent.name) for file in files]
        self._images: list[Tensor] = []
        if in_memory:
            with ThreadPool() as pool:  # Pillow releases the interpreter's lock
                self._images = pool.map(read_image, files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self._images[index] if self._images else read_image(self._files[index])
        return image, self._labels[index]


def read_image(file: Path) -> Tensor:
    """Returns a file's three standardised bands, [3, 50, 50]."""
    with Image.open(file) as image:
        small = image.convert("RGB")
        for side in (300, 50):
            small = small.resize((side, side), Image.Resampling.BICUBIC)
    gray = torch.from_numpy(np.array(small.convert("L"), np.float32)) / 255
    return (torch.stack([gray, gray.square(), gray.sqrt()]) - _MEAN) / _DEVIATION


def find_files(data_dir: Path) -> list[Path]:
    """Returns the files of the split TEST in the order of their names.

    Raises:
        UserError: it is not there.
    """
    for layout in _LAYOUTS:
        split = data_dir / layout / "TEST"
        files = sorted(split.glob("*/*.jpeg"), key=lambda file: file.relative_to(split).as_posix())
        if files:
            return files
    raise UserError(
        f"data_dir={data_dir} has no TEST/CLASS/*.jpeg in {', '.join(filter(None, _LAYOUTS))} or "
        "itself; name the unpacked folder of the blood cell images"
    )


def divide(files: Sequence[Path], *, num_test: int) -> tuple[list[Path], list[Path]]:
    """Returns the files to train on and to test on, as the protocol `paper` draws them."""
    order = np.random.default_rng(_SEED).permutation(len(files))
    train, test = np.sort(order[num_test:]), np.sort(order[:num_test])
    return [files[row] for row in train], [files[row] for row in test]


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader
) -> tuple[float, float]:
    """Trains once on every batch; returns the mean loss and the accuracy while training."""
    network.train()
    loss_sum, correct, count = 0.0, 0, 0
    for image, label in loader:
        optimizer.zero_grad(set_to_none=True)
        logits = network(image.to(memory_format=torch.channels_last))
        target = functional.one_hot(label, len(CLASSES)).float()
        loss = functional.binary_cross_entropy(torch.softmax(logits, dim=1), target)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(label)
        correct += int((logits.argmax(dim=1) == label).sum())
        count += len(label)
    return loss_sum / count, correct / count


def evaluate(network: nn.Module, loader: DataLoader) -> dict[str, float]:
    """Returns both losses, both accuracies, balanced accuracy and macro F1 of a set."""
    network.eval()
    outputs, labels = [], []
    with torch.inference_mode():
        for image, label in loader:
            outputs.append(network(image.to(memory_format=torch.channels_last)))
            labels.append(label)
    logits, label = torch.cat(outputs), torch.cat(labels)
    probabilities, truth = torch.softmax(logits, dim=1), functional.one_hot(label, len(CLASSES))
    confusion = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(confusion, (label.numpy(), logits.argmax(dim=1).numpy()), 1)
    return {
        "binary_cross_entropy": float(
            functional.binary_cross_entropy(probabilities, truth.float())
        ),
        "softmax_cross_entropy": float(functional.cross_entropy(logits, label)),
        "binary_accuracy": float(((probabilities > 0.5) == truth.bool()).float().mean()),
        **confusion_figures(confusion),
    }


def confusion_figures(confusion: Float[np.ndarray, "k k"]) -> dict[str, float]:
    """Returns accuracy, balanced accuracy and macro F1, these over the classes that occur.

    Args:
        confusion: counts, rows true, columns predicted.
    """
    right = np.diag(confusion)
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "categorical_accuracy": float(right.sum() / confusion.sum()),
        "balanced_accuracy": float((right[true > 0] / true[true > 0]).mean()),
        "macro_f1": float((2 * right / np.maximum(true + predicted, 1))[true > 0].mean()),
    }


def main(arguments: Sequence[str]) -> None:
    """Does the job.

    Raises:
        UserError: the images are not there, or too few.
    """
    parser = create_parser("torch_script", __doc__)
    add_data_dir(parser)
    parser.add_argument("--workdir", type=Path, required=True, help="Folder of the results.")
    parser.add_argument("--epochs", type=at_least(1), default=5, help="Default: 5.")
    parser.add_argument("--batch_size", type=at_least(1), default=16, help="Default: 16.")
    parser.add_argument("--num_test", type=at_least(1), default=500, help="Default: 500.")
    parser.add_argument("--workers", type=at_least(0), default=2, help="Of the loader. Default: 2.")
    parser.add_argument("--in_memory", action="store_true", help="Decode every image only once.")
    options = parser.parse_args(arguments)
    train_files, test_files = divide(find_files(options.data_dir), num_test=options.num_test)
    if len(train_files) < options.batch_size:
        raise UserError(
            f"--batch_size={options.batch_size} is larger than the training set of "
            f"{len(train_files)} images"
        )
    torch.manual_seed(_SEED)
    workers = 0 if options.in_memory else options.workers

    def load(files: list[Path], *, train: bool) -> DataLoader:
        return DataLoader(
            BloodCells(files, in_memory=options.in_memory),
            batch_size=options.batch_size if train else 100,
            shuffle=train,
            drop_last=train,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    train_loader, test_loader = load(train_files, train=True), load(test_files, train=False)
    network = create_twin("cnn", num_classes=len(CLASSES), bands=3, side=50)
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE, fused=True)
    epochs = []
    for epoch in range(1, options.epochs + 1):
        loss, accuracy = train_epoch(network, optimizer, train_loader)
        epochs.append(evaluate(network, test_loader))
        print(
            f"epoch {epoch}: train loss {loss:.4f}, accuracy {accuracy:.1%}; test accuracy "
            f"{epochs[-1]['categorical_accuracy']:.1%}"
        )
    options.workdir.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), options.workdir / "weights.pt")
    results = {"epochs": epochs, "test": epochs[-1]}
    (options.workdir / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    for name, value in epochs[-1].items():
        print(f"{name:<24}{value:.4f}")


if __name__ == "__main__":
    run(main)

"""PyTorch's training step and prediction, as fast as a careful user gets them.

Channels-last memory, fused optimizer, gradients set to none, the best number of threads. Its
images are standardised floats that lie ready in memory, always the same batch: no gather, no
augmentation, no standardisation, no metrics, no learning-rate schedule. All of that is in our
step, so the comparison favours PyTorch.

network = TorchNetwork("cnn", batch_size=32, optimizer=..., device="cpu", dtype="float32")
network.train(10)
network.predict(10)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.timing import Run, Task, time_alternately, units_for, warm_up
from benchmarks.torch_twins import create_twin, num_params

TORCH_DEVICES = {"cpu": "cpu", "gpu": "cuda"}
MODES = ("eager", "compile")
_TRIAL_SECONDS = 0.1


@dataclass(frozen=True)
class OptimizerFields:
    """What a config's `optim` says of the optimizer.

    Attributes:
        name: adam or sgd.
        learning_rate: kept constant.
        momentum: of SGD, and of Adam's first moment.
    """

    name: str
    learning_rate: float
    momentum: float

    def create(self, network: nn.Module) -> torch.optim.Optimizer:
        """Returns PyTorch's fused optimizer for a network's parameters."""
        match self.name:
            case "adam":
                betas = (self.momentum, 0.999)
                return torch.optim.Adam(
                    network.parameters(), self.learning_rate, betas=betas, fused=True
                )
            case "sgd":
                return torch.optim.SGD(
                    network.parameters(), self.learning_rate, momentum=self.momentum, fused=True
                )
        raise ValueError(f"optimizer {self.name!r} has no twin; there are adam and sgd")


class TorchNetwork:
    """A network's twin with its optimizer and one batch of random images.

    Attributes:
        num_params: learned numbers.
    """

    def __init__(
        self,
        name: str,
        *,
        batch_size: int,
        optimizer: OptimizerFields,
        device: str,
        dtype: str,
        mode: str = "eager",
        num_classes: int = 4,
        side: int = 50,
    ) -> None:
        """Builds it.

        Args:
            name: a key of `benchmarks.torch_twins.TWINS`.
            batch_size: images per step.
            optimizer: of the training.
            device: "cpu" or "gpu".
            dtype: "float32", or "bfloat16" for autocast.
            mode: one of `MODES`; "compile" is `torch.compile`.
            num_classes: outputs.
            side: of the images, pixels.
        """
        torch.manual_seed(0)
        place = TORCH_DEVICES[device]
        network = create_twin(name, num_classes=num_classes, bands=3, side=side).to(place)
        self.num_params = num_params(network)
        self._device, self._place, self._lowered = device, place, dtype == "bfloat16"
        self._network = network
        self._forward: Callable[[Tensor], Tensor] = (
            torch.compile(network) if mode == "compile" else network
        )
        self._optimizer = optimizer.create(network)
        image = torch.randn(batch_size, 3, side, side, device=place)
        self._image = image.to(memory_format=torch.channels_last)
        labels = torch.arange(batch_size, device=place) % num_classes
        self._target = functional.one_hot(labels, num_classes).float()
        self._loss = torch.zeros(())

    def train(self, num_steps: int) -> None:
        """Takes so many steps and waits for the last."""
        self._network.train()
        for _ in range(num_steps):
            self._optimizer.zero_grad(set_to_none=True)
            with torch.autocast(self._place, torch.bfloat16, enabled=self._lowered):
                logits = self._forward(self._image)
            probabilities = torch.softmax(logits.float(), dim=1)
            self._loss = functional.binary_cross_entropy(probabilities, self._target)
            self._loss.backward()
            self._optimizer.step()
        synchronise(self._device)

    def predict(self, num_batches: int) -> None:
        """Computes the logits of so many batches and waits for the last."""
        self._network.eval()
        with (
            torch.inference_mode(),
            torch.autocast(self._place, torch.bfloat16, enabled=self._lowered),
        ):
            for _ in range(num_batches):
                self._forward(self._image)
        synchronise(self._device)

    def require_finite(self) -> None:
        """Raises RuntimeError where the training has left the numbers: its time means nothing."""
        if not math.isfinite(self._loss.item()):
            raise RuntimeError("PyTorch's loss is no longer finite; its time means nothing")


def synchronise(device: str) -> None:
    """Waits for what the GPU still has to do."""
    if device == "gpu":
        torch.cuda.synchronize()


def using_threads(run: Run, num_threads: int) -> Run:
    """Returns `run` with so many of PyTorch's threads."""

    def limited(count: int) -> None:
        torch.set_num_threads(num_threads)
        run(count)

    return limited


def thread_counts(cores: int) -> list[int]:
    """Returns the numbers of threads worth trying: all up to 4 cores, then powers of two."""
    counts = set(range(1, min(cores, 4) + 1)) | {cores}
    counts |= {2**power for power in range(cores.bit_length()) if 2**power <= cores}
    return sorted(counts)


def fastest_num_threads(run: Run, candidates: Sequence[int]) -> int:
    """Returns the number of threads with which a sample of `run` took the least time.

    Args:
        run: a training or a prediction.
        candidates: numbers to try.
    """
    runs = {str(count): using_threads(run, count) for count in candidates}
    units = {name: units_for(warm_up(limited), _TRIAL_SECONDS) for name, limited in runs.items()}
    tasks = {name: Task(limited, units[name]) for name, limited in runs.items()}
    samples = time_alternately(tasks, repeats=3)
    return int(min(samples, key=lambda name: min(samples[name])))


def allow_tensor_cores() -> None:
    """Lets float32 products on a GPU round their factors, as JAX does by default."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True

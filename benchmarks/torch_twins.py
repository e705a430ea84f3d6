"""The four networks in PyTorch, layer by layer as in `wbc_jax.models`, at the configs' defaults.

twin = create_twin("cnn", num_classes=4, bands=3, side=50)      # torch.nn.Module, channels last
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """Max pooling under XLA's SAME rule: the padding goes to the far side where it is odd."""

    def __init__(self, window: int = 2) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(window, 2, padding=(window - 1) // 2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] to [b, c, ceil(h / 2), ceil(w / 2)]."""
        return self.pool(x)


def conv(inputs: int, features: int, size: int, stride: int = 1, *, bias: bool = True) -> nn.Conv2d:
    """A convolution whose output is the input's size over the stride, rounded up."""
    return nn.Conv2d(inputs, features, size, stride, padding=size // 2, bias=bias)


def norm(features: int, *, zero_scale: bool = False) -> nn.BatchNorm2d:
    """Batch norm with the running average of `wbc_jax.nn.BatchNorm` (kept share 0.9)."""
    layer = nn.BatchNorm2d(features, eps=1e-5, momentum=0.1)
    if zero_scale:
        nn.init.zeros_(layer.weight)
    return layer


def head(inputs: int, side: int, features: Sequence[int], dense: int) -> list[nn.Module]:
    """`wbc_jax.models.head.Head` up to the last dense layer: two norms, three poolings."""
    layers: list[nn.Module] = []
    for index in range(max(3, len(features))):
        if index < len(features):
            layers.append(conv(inputs, features[index], 3))
            layers += [norm(features[index])] if index < 2 else []
            layers.append(nn.ReLU(inplace=True))
            inputs = features[index]
        layers.append(Pool())
        side = -(-side // 2)
    return [*layers, nn.Flatten(), nn.Linear(inputs * side**2, dense), nn.ReLU(inplace=True)]


def cnn(bands: int, side: int, num_classes: int) -> Iterable[nn.Module]:
    """`configs/cnn.py`."""
    return [*head(bands, side, (32, 64, 128), 128), nn.Dropout(0.25), nn.Linear(128, num_classes)]


def alexnet(bands: int, side: int, num_classes: int) -> Iterable[nn.Module]:
    """`configs/alexnet.py`."""
    layers: list[nn.Module] = []
    inputs = bands
    for index, (features, size) in enumerate(
        zip((32, 96, 128, 128, 96), (5, 5, 3, 3, 3), strict=True)
    ):
        layers.append(conv(inputs, features, size))
        layers += [norm(features)] if index in (0, 1) else []
        layers.append(nn.ReLU(inplace=True))
        if index in (0, 1, 4):
            layers.append(Pool())
            side = -(-side // 2)
        inputs = features
    layers += [nn.Flatten(), nn.Linear(inputs * side**2, 512), nn.ReLU(inplace=True)]
    return [*layers, nn.Linear(512, 512), nn.ReLU(inplace=True), nn.Linear(512, num_classes)]


class Bottleneck(nn.Module):
    """`wbc_jax.models.resnet.BottleneckBlock`."""

    def __init__(self, inputs: int, features: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv(inputs, features, 1, bias=False),
            norm(features),
            nn.ReLU(inplace=True),
            conv(features, features, 3, stride, bias=False),
            norm(features),
            nn.ReLU(inplace=True),
            conv(features, 4 * features, 1, bias=False),
            norm(4 * features, zero_scale=True),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != 4 * features:
            self.shortcut = nn.Sequential(
                conv(inputs, 4 * features, 1, stride, bias=False), norm(4 * features)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] to [b, 4 * features, h / stride, w / stride]."""
        return self.relu(self.branch(x) + self.shortcut(x))


def resnet50(bands: int, side: int, num_classes: int) -> Iterable[nn.Module]:
    """`configs/resnet50.py`."""
    layers = [conv(bands, 64, 7, 2, bias=False), norm(64), nn.ReLU(inplace=True), Pool(3)]
    inputs = 64
    for stage, num_blocks in enumerate((3, 4, 6, 3)):
        for block in range(num_blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(Bottleneck(inputs, 64 * 2**stage, stride))
            inputs = 4 * 64 * 2**stage
    for _ in range(5):
        side = -(-side // 2)
    layers += head(inputs, side, (256, 256), 256)
    return [*layers, nn.Dropout(0.1), nn.Linear(256, num_classes)]


class DensePerPosition(nn.Module):
    """A dense layer on the channels of each position, as `nn.Dense` is on an NHWC map."""

    def __init__(self, inputs: int, features: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, features)

    def forward(self, x: Tensor) -> Tensor:
        """[b, inputs, h, w] to [b, features, h, w]; no copy where the memory is channels last."""
        return torch.relu_(self.dense(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def vgg19(bands: int, side: int, num_classes: int) -> Iterable[nn.Module]:
    """`configs/vgg19.py`."""
    layers: list[nn.Module] = []
    inputs = bands
    stages = zip((2, 2, 4, 4, 4), (64, 128, 256, 512, 512), strict=True)
    for num_convs, features in stages:
        for _ in range(num_convs):
            layers += [conv(inputs, features, 3), nn.ReLU(inplace=True)]
            inputs = features
        layers.append(nn.MaxPool2d(2))
        side //= 2
    layers += [DensePerPosition(512, 512) for _ in range(3)]
    return [*layers, *head(512, side, (256, 256), 256), nn.Linear(256, num_classes)]


TWINS = {"cnn": cnn, "alexnet": alexnet, "resnet50": resnet50, "vgg19": vgg19}


def create_twin(name: str, *, num_classes: int, bands: int, side: int) -> nn.Module:
    """Returns the network in channels-last memory, its weights drawn by PyTorch.

    Args:
        name: one of `TWINS`.
        num_classes: outputs.
        bands: channels of the input.
        side: rows and columns of the input, pixels.
    """
    network = nn.Sequential(*TWINS[name](bands, side, num_classes))
    return network.to(memory_format=torch.channels_last)


def num_params(network: nn.Module) -> int:
    """Returns the number of learned numbers."""
    return sum(parameter.numel() for parameter in network.parameters())

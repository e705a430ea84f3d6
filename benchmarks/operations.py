"""How much a network has to compute, by the direct sums.

step = training_multiply_adds(list_layers(model, image_shape=(50, 50, 3)))
"""

from collections.abc import Sequence

from wbc_jax.models.describe import Layer


def forward_multiply_adds(layers: Sequence[Layer]) -> int:
    """Returns the multiply-adds of one image's prediction."""
    return sum(layer.multiply_adds for layer in layers)


def training_multiply_adds(layers: Sequence[Layer]) -> int:
    """Returns the multiply-adds of one image's training step.

    Each layer is as much again for the gradient of its input and of its kernel; only the input of
    the first is the image, whose gradient nobody needs. Normalizations, poolings and the update
    are left out: they hardly multiply.
    """
    first = next(layer.multiply_adds for layer in layers if layer.multiply_adds)
    return 3 * forward_multiply_adds(layers) - first


def share_of_peak(multiply_adds: int, seconds: float, peak_gflops: float) -> float:
    """Returns the rate of some multiply-adds over the machine's rate in a large matrix product.

    Above 1 is possible: the operations are those of the direct sum, and a fast algorithm, such as
    Winograd's for 3x3 kernels, does with fewer.

    Args:
        multiply_adds: each is two operations.
        seconds: they took.
        peak_gflops: rate of the matrix product, 10^9 operations per second.
    """
    return 2 * multiply_adds / seconds / (peak_gflops * 1e9)

"""2-D convolution whose lowering is chosen by platform and shape.

y = conv2d(x, kernel, strides=(1, 1), padding="SAME")       # as lax.conv_general_dilated
y = Conv(64, (3, 3))(x)                                      # as flax.linen.Conv
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from wbc_jax.nn.cpu_convolution import conv_as_matmul, conv_canonical, output_size
from wbc_jax.nn.native_convolution import can_call, conv_native

# Without the native kernels: XLA's CPU convolution runs 3x3 on 512 channels at 2 GFLOP/s on a 2x2
# map and 14 on a 1x1 map, the same sum as patches times one matrix at over 130 (batch 32, float32,
# two cores). At 4x4 both are equal, above that patches lose: they are written to memory.
_CPU_MATMUL_MAX_OUTPUT_POSITIONS = 16


def _pays_as_matmul(kernel_size: Sequence[int], positions: int) -> bool:
    """Whether, on the CPU, patches times a matrix beat XLA's convolution."""
    # A 1x1 kernel needs no patches: training 13x13x256 -> 128 takes half the native time.
    return tuple(kernel_size) == (1, 1) or positions <= _CPU_MATMUL_MAX_OUTPUT_POSITIONS


def conv2d(
    image: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c f"],
    bias: Float[Array, " f"] | None = None,
    *,
    strides: tuple[int, int] = (1, 1),
    padding: str = "SAME",
) -> Float[Array, "b oh ow f"]:
    """Convolves `image` with `kernel`, as `lax.conv_general_dilated` does for NHWC and HWIO.

    Accelerators keep XLA's own operation. On the CPU the kernels in `native` serve float32 on one
    device; what they do not serve, or where they could not be built, XLA does in the form that it
    is fastest at.

    Args:
        image: any values; the dtype of `kernel`.
        kernel: filter taps.
        bias: added to each feature.
        strides: rows, columns.
        padding: "SAME" or "VALID".

    Returns:
        The convolution; oh and ow follow XLA's rule for `padding`.
    """
    if jax.default_backend() != "cpu":
        output = lax.conv_general_dilated(
            image, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return output if bias is None else output + bias
    size, kernel_size = image.shape[1:3], kernel.shape[:2]
    vertical, horizontal = lax.padtype_to_pads(size, kernel_size, strides, padding)
    pads = (vertical, horizontal)
    if can_call(image, kernel):
        no_bias = jnp.zeros((0,), kernel.dtype)
        return conv_native(image, kernel, no_bias if bias is None else bias, strides, pads)
    height, width = output_size(size, kernel_size, strides, pads)
    lowering = conv_as_matmul if _pays_as_matmul(kernel_size, height * width) else conv_canonical
    output = lowering(image, kernel, strides, pads)
    return output if bias is None else output + bias


class Conv(nn.Module):
    """`flax.linen.Conv` in two dimensions, without groups or dilation: same parameters, result.

    Attributes:
        features: output channels.
        kernel_size: rows, columns.
        strides: rows, columns.
        padding: "SAME" or "VALID".
        use_bias: adds one learned number per output channel.
        dtype: of the computation; parameters stay float32.
        kernel_init: He's initialiser, made for the ReLU that follows (He et al. 2015).
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str = "SAME"
    use_bias: bool = True
    dtype: Any = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, image: Float[Array, "b h w c"]) -> Float[Array, "b oh ow f"]:
        """Returns the convolution of `image`, plus the bias where there is one."""
        shape = (*self.kernel_size, image.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
            bias = bias.astype(self.dtype)
        return conv2d(
            image.astype(self.dtype),
            kernel.astype(self.dtype),
            bias,
            strides=self.strides,
            padding=self.padding,
        )

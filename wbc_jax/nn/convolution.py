"""2-D convolution whose lowering is chosen by platform and shape.

y = conv2d(x, kernel, strides=(1, 1), padding="SAME")       # as lax.conv_general_dilated
y = Conv(64, (3, 3))(x)                                      # as flax.linen.Conv
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from wbc_jax.nn.lowering import lower_conv
from wbc_jax.nn.native import library
from wbc_jax.nn.native.convolution import conv_native
from wbc_jax.nn.windows import output_size
from wbc_jax.nn.xla_convolution import conv_as_matmul, conv_canonical


def conv2d(
    image: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c f"],
    bias: Float[Array, " f"] | None = None,
    *,
    strides: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    dtype: Any = jnp.float32,
) -> Float[Array, "b oh ow f"]:
    """Convolves `image` with `kernel`, as `lax.conv_general_dilated` does for NHWC and HWIO.

    On the CPU, Winograd's tiles spread what is not finite or huge: see `conv_native`. What of
    JAX's transformations the CPU's forms cannot do, `lowering` says.

    Args:
        image: any values.
        kernel: filter taps.
        bias: added to each feature.
        strides: rows, columns.
        padding: "SAME" or "VALID".
        dtype: of the operands of the products.

    Returns:
        The convolution; oh and ow follow XLA's rule for `padding`. Its dtype is `dtype`, but
        float32 for bfloat16 by the CPU's kernels: they keep the sums as they are.
    """
    size, kernel_size = image.shape[1:3], kernel.shape[:2]
    vertical, horizontal = lax.padtype_to_pads(size, kernel_size, strides, padding)
    pads = (vertical, horizontal)
    size = output_size(size, kernel_size, strides, pads)
    kind, pairs, write_padding, half = lower_conv(image, kernel, dtype, strides, pads, size)
    if kind == "native":
        if half and not library.has_half():
            image, kernel = image.astype(dtype), kernel.astype(dtype)
        image, kernel = image.astype(jnp.float32), kernel.astype(jnp.float32)
        bias = jnp.zeros((0,), jnp.float32) if bias is None else bias.astype(jnp.float32)
        return conv_native(image, kernel, bias, strides, pads, pairs, write_padding, half)
    image, kernel = image.astype(dtype), kernel.astype(dtype)
    if kind == "lax":
        output = lax.conv_general_dilated(
            image, kernel, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    else:
        lowering = conv_as_matmul if kind == "matmul" else conv_canonical
        output = lowering(image, kernel, strides, pads)
    return output if bias is None else output + bias.astype(dtype)


class Conv(nn.Module):
    """`flax.linen.Conv` in two dimensions, without groups or dilation: same parameters, result.

    Attributes:
        features: output channels.
        kernel_size: rows, columns.
        strides: rows, columns.
        padding: "SAME" or "VALID".
        use_bias: adds one learned number per output channel.
        dtype: of the operands of the products; parameters stay float32.
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
        return conv2d(
            image, kernel, bias, strides=self.strides, padding=self.padding, dtype=self.dtype
        )

"""Dense layers with this project's initialisers and, on the CPU, its kernels.

x = nn.relu(Dense(128)(x))
logits = Logits(num_classes)(x)
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.lowering import lower_conv


class Dense(nn.Module):
    """A dense layer before a ReLU, with the parameters of `flax.linen.Dense`.

    Attributes:
        features: outputs.
        kernel_init: He's initialiser, made for the ReLU that follows (He et al. 2015).
        dtype: of the operands of the product; parameters stay float32.
    """

    features: int
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: Float[Array, "*b c"]) -> Float[Array, "*b f"]:
        """Returns the product with the kernel, plus the bias."""
        kernel = self.param("kernel", self.kernel_init, (inputs.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        # A dense layer is a 1x1 convolution of a 1x1 map.
        rows, taps = inputs.reshape(-1, 1, 1, inputs.shape[-1]), kernel[None, None]
        no_pads = ((0, 0), (0, 0))
        if lower_conv(rows, taps, self.dtype, (1, 1), no_pads, (1, 1)).kind == "native":
            output = conv2d(rows, taps, bias, dtype=self.dtype)
            return output.reshape(*inputs.shape[:-1], self.features)
        product = inputs.astype(self.dtype) @ kernel.astype(self.dtype)
        return product + bias.astype(self.dtype)


class Logits(nn.Dense):
    """`flax.linen.Dense` as the softmax layer.

    Attributes:
        kernel_init: zeros: training starts from equal probabilities instead of first unlearning
            a confident random guess, which cost the CNN two of the study's five epochs.
    """

    kernel_init: nn.initializers.Initializer = nn.initializers.zeros_init()

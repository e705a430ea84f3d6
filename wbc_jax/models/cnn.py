"""The study's plain CNN: three convolutions, three poolings, two normalizations, one dense."""

from wbc_jax.models.head import Head


class CNN(Head):
    """The blocks that stand on top of ResNet50 and VGG19, here on the image itself.

    Source: the paper, section III.B, for the number of layers; widths and 3x3 kernels are ours.
    The attributes are those of `Head`, with other defaults.
    """

    conv_features: tuple[int, ...] = (32, 64, 128)
    num_norms: int = 2
    num_pools: int = 3
    dense_features: tuple[int, ...] = (128,)
    dropout_rate: float = 0.25

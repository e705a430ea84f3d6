"""Linen's dense layer with the two initialisers this project uses.

x = nn.relu(Dense(128)(x))
logits = Logits(num_classes)(x)
"""

import flax.linen as nn


class Dense(nn.Dense):
    """`flax.linen.Dense` before a ReLU.

    Attributes:
        kernel_init: He's initialiser, made for the ReLU that follows (He et al. 2015).
    """

    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()


class Logits(nn.Dense):
    """`flax.linen.Dense` as the softmax layer.

    Attributes:
        kernel_init: zeros: training starts from equal probabilities instead of first unlearning
            a confident random guess, which cost the CNN two of the study's five epochs.
    """

    kernel_init: nn.initializers.Initializer = nn.initializers.zeros_init()

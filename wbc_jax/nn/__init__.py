"""Layers whose lowering is fast on every backend; parameters and results as in Linen.

from wbc_jax.nn import BatchNorm, Conv, Dense, Logits, MaxPool, normalize
"""

from wbc_jax.nn.convolution import Conv
from wbc_jax.nn.dense import Dense, Logits
from wbc_jax.nn.normalization import BatchNorm, LayerNorm, LocalResponseNorm, normalize
from wbc_jax.nn.pooling import MaxPool

__all__ = [
    "BatchNorm",
    "Conv",
    "Dense",
    "LayerNorm",
    "LocalResponseNorm",
    "Logits",
    "MaxPool",
    "normalize",
]

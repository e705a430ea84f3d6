"""White-blood-cell classification in JAX and Flax. Research use only, not for diagnosis."""

__version__ = "0.1.0"

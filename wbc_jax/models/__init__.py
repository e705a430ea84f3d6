"""The networks by name, used only through `init(key, image)` and `apply(variables, image)`."""

from wbc_jax.models.registry import MODELS, create_model

__all__ = ["MODELS", "create_model"]

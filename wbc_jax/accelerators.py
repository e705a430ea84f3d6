"""Whether JAX is installed for more than the CPU; imports nothing of it.

if has_accelerator(): ...
"""

import importlib.util

_OTHER_BACKENDS = ("jax_plugins", "libtpu")


def has_accelerator() -> bool:
    """Whether JAX is installed for an accelerator; there may be none on this machine."""
    return any(map(importlib.util.find_spec, _OTHER_BACKENDS))

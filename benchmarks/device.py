"""Where both frameworks compute: on the GPU if both see one, else on the CPU.

device = choose_device("auto")                # before anything else touches JAX' devices
"""

import os

import jax

from benchmarks.command_line import say
from wbc_jax.errors import UserError


def choose_device(wanted: str) -> str:
    """Sets both frameworks up for one device and returns it.

    Args:
        wanted: "cpu", "gpu", or "auto" for a GPU where there is one.

    Returns:
        "cpu" or "gpu".

    Raises:
        UserError: a GPU is wanted and one of the frameworks sees none.
    """
    import torch

    if wanted != "cpu" and torch.cuda.is_available():
        # JAX would take most of the memory for itself, and leave PyTorch none.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if jax.default_backend() == "gpu":
            from benchmarks.pytorch import allow_tensor_cores

            allow_tensor_cores()
            return "gpu"
    if wanted == "gpu":
        raise UserError(
            "--device=gpu: JAX or PyTorch sees no GPU; install both with CUDA, or use --device=cpu"
        )
    if wanted == "auto":
        say("no GPU that both JAX and PyTorch see: measuring on the CPU")
    jax.config.update("jax_platforms", "cpu")
    return "cpu"

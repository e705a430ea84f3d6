"""A large square matrix product in both frameworks: what the machine can do at best.

run = xla_matmul(2048, "float32")
run(3)                                            # three products, one after the other
"""

from benchmarks.timing import Run

SIZES = {"cpu": 2048, "gpu": 8192}  # large enough to reach the peak, small enough to be timed often


def matmul_gflops(size: int, seconds: float) -> float:
    """Returns 10^9 operations per second of a product of two `size` x `size` matrices."""
    return 2 * size**3 / seconds / 1e9


def xla_matmul(size: int, dtype: str) -> Run:
    """Returns what multiplies on JAX's default device."""
    import jax
    import jax.numpy as jnp

    left, right = (
        jax.random.normal(key, (size, size), jnp.dtype(dtype))
        for key in jax.random.split(jax.random.key(0))
    )
    product = jax.jit(jnp.matmul)

    def run(count: int) -> None:
        for _ in range(count):
            product(left, right).block_until_ready()

    return run


def torch_matmul(size: int, dtype: str, device: str) -> Run:
    """Returns what multiplies with all of PyTorch's threads, or on the GPU.

    Args:
        size: rows and columns.
        dtype: "float32" or "bfloat16".
        device: "cpu" or "gpu".
    """
    import torch

    from benchmarks.pytorch import TORCH_DEVICES, synchronise, using_threads
    from wbc_jax.cores import num_cores

    place = TORCH_DEVICES[device]
    left, right = (
        torch.randn(size, size, device=place, dtype=getattr(torch, dtype)) for _ in range(2)
    )
    product = torch.empty_like(left)

    def run(count: int) -> None:
        for _ in range(count):
            torch.matmul(left, right, out=product)
        synchronise(device)

    return using_threads(run, num_cores())

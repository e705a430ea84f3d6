"""A step through every kernel in C, forward and backward, whose results are known bit by bit.

python -m tests.nn.native.workload      prints them and what came of many calls at once, as JSON
"""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.native import library
from wbc_jax.nn.native.normalization import batch_norm_native, batch_norm_pool_native
from wbc_jax.nn.pooling import max_pool

NUM_CALLERS = 6
CALLS_EACH = 5
NUM_BRANCHES = 8


def drawn(seed: int) -> dict[str, jax.Array]:
    random = np.random.default_rng(seed)
    shapes = {
        "image": (33, 18, 17, 3),
        "first": (3, 3, 3, 32),
        "strided": (3, 3, 32, 48),
        "tiled": (3, 3, 48, 48),
        "large": (5, 5, 48, 64),
        "scale": (64,),
        "bias": (64,),
    }
    return {k: jnp.asarray(random.normal(size=s), jnp.float32) for k, s in shapes.items()}


def network(arrays: dict[str, jax.Array]) -> jax.Array:
    """Direct sums with padding and with strides, both tiles, pooling, batch norm, both in one."""
    x = conv2d(arrays["image"], arrays["first"])
    x = conv2d(x, arrays["strided"], strides=(2, 2))
    x = conv2d(x, arrays["tiled"], arrays["bias"][:48], padding="VALID")
    x = conv2d(x, arrays["large"])
    none = jnp.zeros((0,), jnp.float32)
    x = batch_norm_native(x, arrays["scale"], arrays["bias"], none, 1e-5, True)[0]
    y = max_pool(x, window=(3, 3), strides=(1, 1))
    x = batch_norm_native(x, arrays["scale"], arrays["bias"], y, 1e-5, False)[0]
    return batch_norm_pool_native(x, arrays["scale"], arrays["bias"], 1e-5, (2, 2))[0]


@jax.jit
def step(arrays: dict[str, jax.Array]) -> Any:
    """The output of `network` and the gradients by every array."""
    output, pull = jax.vjp(network, arrays)
    return output, pull(jnp.cos(output))


def shifted(arrays: dict[str, jax.Array], branch: int) -> dict[str, jax.Array]:
    """The arrays of one of many branches: its images are in another order."""
    return arrays | {"image": jnp.roll(arrays["image"], branch, axis=0)}


@jax.jit
def many_branches(arrays: dict[str, jax.Array]) -> Any:
    """The same step at once in branches that know nothing of each other."""
    return [step(shifted(arrays, branch)) for branch in range(NUM_BRANCHES)]


def digest(tree: Any) -> str:
    """Of every bit."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    return hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest()


def call_at_once() -> list[str]:
    """The digests of what every caller got, when all of them call at the same time."""
    arguments = [drawn(seed) for seed in range(NUM_CALLERS)]
    barrier = threading.Barrier(NUM_CALLERS)
    found: list[set[str]] = [set() for _ in arguments]

    def call(caller: int) -> None:
        barrier.wait()
        for _ in range(CALLS_EACH):
            found[caller].add(digest(step(arguments[caller])))

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(NUM_CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [" ".join(sorted(digests)) for digests in found]


def error_of_branches() -> float:
    """The largest difference between a branch and the same step alone, of the largest value."""
    arrays, found = drawn(0), 0.0
    for branch, results in enumerate(many_branches(arrays)):
        alone = step(shifted(arrays, branch))
        for got, expected in zip(*map(jax.tree.leaves, (results, alone)), strict=True):
            error = jnp.abs(got - expected).max() / jnp.abs(expected).max()
            found = max(found, float(error))
    return found


def main() -> None:
    """Prints what test_threads.py compares."""
    assert library.is_available()
    tasks = Path("/proc/self/task")
    result = {
        "one_by_one": [digest(step(drawn(seed))) for seed in range(NUM_CALLERS)],
        "at_once": call_at_once(),
        "branches": digest(many_branches(drawn(0))),
        "error_of_branches": error_of_branches(),
        "num_threads": len(list(tasks.iterdir())) if tasks.is_dir() else None,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Processes that share the work, each on one core.

for result in in_order(function, tasks, processes=2): ...
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2

# Of the libraries behind NumPy's matrix product; read when NumPy is first imported.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, processes: int
) -> Iterator[Result]:
    """Yields the function's result of each task, in their order.

    Args:
        function: of a module, so that other processes find it.
        tasks: what it is called with.
        processes: how many work at once; 1 is this one.
    """
    if processes == 1 or len(tasks) < 2:
        yield from map(function, tasks)
        return
    with (
        _one_thread_each(),
        # Started anew, so that none inherits the threads of JAX or of the matrix product.
        ProcessPoolExecutor(
            min(processes, len(tasks)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=cv2.setNumThreads,
            initargs=(1,),
        ) as pool,
    ):
        yield from pool.map(function, tasks)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

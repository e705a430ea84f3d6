"""Work in threads, in order, a bounded number of items ahead.

with ahead(look, names, threads=num_cores(), per_thread=3) as seen:
    for name, future in seen:
        future.result()
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, per_thread: int
) -> Iterator[Iterator[tuple[Item, Future[Result]]]]:
    """Gives each item with the future of its result, in order, while threads are at the next ones.

    Leaving the block ends the threads; what is under way is waited for, the rest left out.

    Args:
        function: called in threads.
        items: any number; taken one by one, as there is room.
        threads: how many.
        per_thread: items that are waiting or under way, for each of them: this bounds the memory
            that results take, where `Executor.map` takes all items at once.
    """
    pool = ThreadPoolExecutor(threads)

    def in_order() -> Iterator[tuple[Item, Future[Result]]]:
        running: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            running.append((item, pool.submit(function, item)))
            if len(running) > threads * per_thread:
                yield running.popleft()
        while running:
            yield running.popleft()

    try:
        yield in_order()
    finally:
        pool.shutdown(cancel_futures=True)

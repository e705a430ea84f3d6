"""Items done in threads come in order, and few of them are taken before they are asked for."""

import threading
from collections.abc import Iterator

import pytest

from wbc_jax.threads import ahead


def taking(taken: list[int], number: int) -> Iterator[int]:
    for item in range(number):
        taken.append(item)
        yield item


def test_results_come_in_order_and_few_items_are_taken_ahead() -> None:
    taken: list[int] = []
    with ahead(lambda item: item**2, taking(taken, 50), threads=3, per_thread=2) as done:
        for count, (item, future) in enumerate(done):
            assert item == count
            assert future.result() == item**2
            assert len(taken) <= count + 1 + 3 * 2
    assert taken == list(range(50))


def test_an_error_is_its_items_alone() -> None:
    with ahead(lambda item: 12 // item, [4, 0, 3], threads=1, per_thread=1) as done:
        (_, four), (_, zero), (_, three) = done
        assert (four.result(), three.result()) == (3, 4)
        with pytest.raises(ZeroDivisionError):
            zero.result()


def test_leaving_early_leaves_out_what_has_not_begun() -> None:
    begun, leave, taken = [], threading.Event(), list[int]()

    def work(item: int) -> int:
        begun.append(item)
        if item:  # the first is done at once, the next is under way when the block is left
            leave.wait(10)
        return item

    with ahead(work, taking(taken, 50), threads=1, per_thread=4) as done:
        assert next(done)[1].result() == 0
        threading.Timer(0.2, leave.set).start()
    assert len(taken) == 5
    assert len(begun) <= 2


def test_nothing_to_do_is_done() -> None:
    with ahead(str, [], threads=2, per_thread=2) as done:
        assert list(done) == []

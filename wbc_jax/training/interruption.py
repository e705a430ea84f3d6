"""SIGTERM and SIGINT: the step that is going on ends, the state is saved, the process leaves.

with listening() as interruption:
    with interruption.held():             # a signal waits for the end of the block,
        while not interruption.signal:    # which looks out for it
            ...
    ...                                   # elsewhere it raises Interrupted at once
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """The process was asked to end; like KeyboardInterrupt, no `except Exception` stops it.

    Attributes:
        signal: that asked.
        exit_code: of the process, by the shells' convention: 143 for SIGTERM, 130 for SIGINT.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number
        self.exit_code = 128 + number


class Interruption:
    """Whether the process was asked to end.

    Attributes:
        signal: the first that asked; later ones are ignored, so that saving is not cut off.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._is_held = False
        self._noticed: signal.Signals | None = None
        self._agree: Callable[[int], int] | None = None

    def agree_by(self, agree: Callable[[int], int] | None) -> None:
        """From now on a signal counts when all processes know of it: where `is_asked` is called.

        Args:
            agree: takes the number of this process's signal or 0, returns that of all of them;
                None: a signal counts at once again, after all have been asked once more.

        Raises:
            Interrupted: one has come since they were asked.
        """
        if agree is not None:
            self._agree = agree
            return
        self.is_asked()
        self._agree = None
        self.signal = self.signal or self._noticed  # one may have come while all were asked
        if self.signal is not None:
            raise Interrupted(self.signal)

    def is_asked(self) -> bool:
        """Returns whether a signal has come; of several processes, whether any has got one."""
        if self._agree is not None and self.signal is None:
            number = self._agree(self._noticed or 0)
            self.signal = signal.Signals(number) if number else None
        return self.signal is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises Interrupted at the end of the block, not within it."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self.signal is not None:
            raise Interrupted(self.signal)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self._agree is not None:
            self._noticed = signal.Signals(number)
            return
        if self.signal is not None:
            return
        self.signal = signal.Signals(number)
        if not self._is_held:
            raise Interrupted(self.signal)


@contextmanager
def listening() -> Iterator[Interruption]:
    """Handles both signals within the block; in another thread than the main one, none."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption._notice) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""SIGTERM, while a guard is active: cancel first, then whatever would have happened."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


class Termination:
    """A handler in front of the present one.

    Nothing is installed outside the main thread (Python allows no handler there), nor
    where SIGTERM is ignored or handled outside Python: the watcher covers those.

    Args:
        act: What to do first. Called in the main thread between any two steps of it.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._owner = 0
        self._previous: Callable[[int, FrameType | None], object] | int | None = None

    def install(self) -> None:
        """Start to listen."""
        self._owner = os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)
        if previous is None or previous == signal.SIG_IGN:
            return
        self._previous = previous
        signal.signal(signal.SIGTERM, self._handle)

    def remove(self) -> None:
        """Put the previous handler back.

        Where somebody has put another one in front of ours, or we are in another
        thread by now, ours stays and only passes on.
        """
        self._owner = 0
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and self._previous is not None and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # A forked child inherits the handler, not the sessions.
        if self._owner == os.getpid():
            self._act()
        if callable(self._previous):
            self._previous(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

"""asyncio on the schedule: its timers are virtual, what it waits for from outside stays real.

Loops that are built on a selector (all but Windows' proactor and loops written in C) look
up what is ready in ``select``. Where they would block for a timer, the thread waits on the
schedule instead; a callback from another thread ends that wait as it ends a real one.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import base_events, events, selector_events
from collections.abc import Callable
from typing import Any

from qsession._clock._members import Gate, Waiter
from qsession._clock._real import Real
from qsession._clock._schedule import Schedule
from qsession._clock._threads import present, processes_at_work
from qsession._model import SECOND

__tracebackhide__ = True  # who is interrupted in a wait reads where it was begun
_Loop: Any = base_events.BaseEventLoop
_SelectorLoop: Any = selector_events.BaseSelectorEventLoop
_original: dict[str, Callable[..., Any]] = {
    "_run_once": _Loop._run_once,
    "_write_to_self": _SelectorLoop._write_to_self,
}


_turned: set[Any] = set()
"""Loops that made a turn since time is virtual."""


def loop_time(self: asyncio.AbstractEventLoop) -> float:
    """``loop.time``."""
    member = present()
    return float(Real.monotonic()) if member is None else member.schedule.monotonic()


def run_once(self: Any) -> None:
    """One turn of a loop; its selector waits on the schedule from the first turn on."""
    member, selector = present(), getattr(self, "_selector", None)
    if member is None or selector is None:
        _original["_run_once"](self)
        return
    if self not in _turned:
        _turned.add(self)
        _shift(self, member.schedule.ahead)
    self._selector = _Selector(self, selector, member.schedule)
    try:
        _original["_run_once"](self)
    finally:
        # The loop may have been closed meanwhile.
        if self._selector is not None:
            self._selector = selector


def write_to_self(self: Any) -> None:
    """How other threads wake a loop."""
    waiter = self.__dict__.get(_WAITING)
    if waiter is not None:
        waiter.release()
    _original["_write_to_self"](self)


def give_back(schedule: Schedule) -> None:
    """Time is real again: what a loop that lives on was going to do comes as much later as it would have.

    Such a loop is that of a test runner for many tests, with tasks that never end.
    """
    behind = float(Real.monotonic()) - schedule.monotonic()
    while _turned:
        _shift(_turned.pop(), behind)


def _shift(loop: Any, seconds: float) -> None:
    if loop.is_running() and events._get_running_loop() is not loop:
        loop.call_soon_threadsafe(_shift_now, loop, seconds)  # it is another thread's
    else:
        _shift_now(loop, seconds)


def _shift_now(loop: Any, seconds: float) -> None:
    # All by as much: their order stays.
    for timer in getattr(loop, "_scheduled", ()):
        timer._when += seconds


_WAITING = "_qsession_waiter"


class _Selector:
    """Stands before a loop's own selector."""

    def __init__(self, loop: Any, selector: Any, schedule: Schedule) -> None:
        self._loop, self._inner, self._schedule = loop, selector, schedule

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def select(self, timeout: float | None = None) -> Any:
        events = self._inner.select(0)
        member = self._schedule.member()
        if timeout is not None and timeout <= 0:
            self._schedule.make_way()
            return events
        if events or member is None:
            return events or self._inner.select(timeout)
        length = None if timeout is None else max(1, math.ceil(timeout * SECOND - 0.01))
        if self._has_outside_work():
            # Whatever comes from outside comes in real time: so do the timers beside it.
            if not (events := self._inner.select(timeout)) and length is not None:
                self._schedule.sleep(member, length, "an asyncio timer")
            return events
        waiter = Waiter(member, "an asyncio timer" if length else "asyncio")
        self._loop.__dict__[_WAITING] = waiter
        try:
            self._schedule.block(waiter, length, _LoopGate(self._loop, self._inner, waiter))
        finally:
            del self._loop.__dict__[_WAITING]
        return self._inner.select(0)

    def _has_outside_work(self) -> bool:
        own = 0 if getattr(self._loop, "_ssock", None) is None else 1
        return len(self._inner.get_map()) > own or processes_at_work()


class _LoopGate(Gate):
    """Where the thread of a loop is blocked: in its selector, so that the outside can wake it."""

    def __init__(self, loop: Any, selector: Any, waiter: Waiter) -> None:
        self._loop, self._selector, self._waiter = loop, selector, waiter

    def open(self) -> None:
        _original["_write_to_self"](self._loop)

    def stand(self, seconds: float) -> bool:
        if self._selector.select(seconds) and not self._waiter.woken:
            # A thread that takes no part woke the loop, which now waits for its turn.
            self._waiter.release()
            Real.sleep(0 if self._waiter.woken else 0.001)
        return self._waiter.woken


def pieces() -> list[tuple[Any, str, Any]]:
    """Owner, name and stand-in of what is replaced in asyncio."""
    return [
        (_Loop, "time", loop_time),
        (_Loop, "_run_once", run_once),
        (_SelectorLoop, "_write_to_self", write_to_self),
    ]

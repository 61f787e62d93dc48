"""Waits of threads, led to the schedule: sleeping, conditions, starting and joining threads.

What stands here takes the place of functions of the standard library while time is
virtual. Each looks at the schedule of the moment and does the original thing when there
is none, or when the calling thread does not take part, so that a reference that outlives
a run is harmless.
"""

from __future__ import annotations

import operator
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from qsession._clock._members import Member, Waiter
from qsession._clock._real import KEEP_REAL, Real
from qsession._clock._schedule import Schedule
from qsession._model import SECOND, Micros

__tracebackhide__ = True  # who is interrupted in a wait reads where it was begun
_original: dict[str, Callable[..., Any]] = {
    "start": threading.Thread.start,
    "join": threading.Thread.join,
    "wait": threading.Condition.wait,
}
_CHILD = "_qsession_member"
_BETWEEN = ("threading", "queue")
_FUTURES = "concurrent.futures._base"
_PROCESSES = "concurrent.futures.process"


class Slot:
    """The schedule of the moment; one in a process."""

    schedule: Schedule | None = None


def present() -> Member | None:
    """The calling thread, if time is virtual and it takes part."""
    schedule = Slot.schedule
    return None if schedule is None else schedule.member()


def micros(seconds: float) -> Micros:
    """A wait as the schedule counts it: nothing that is more than nothing becomes nothing."""
    length = round(seconds * SECOND)
    return length if length or seconds <= 0 else 1


def sleep(seconds: Any, /) -> None:
    """``time.sleep``."""
    member = present()
    if member is None:
        Real.sleep(seconds)
        return
    if not isinstance(seconds, (int, float)):
        seconds = operator.index(seconds)
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if seconds != seconds:  # noqa: PLR0124 - the test for NaN
        raise ValueError("Invalid value NaN (not a number)")
    member.schedule.sleep(member, micros(seconds), "time.sleep")


def _is_for_other_processes() -> bool:
    """Whether a package that lives in real time asks, such as multiprocessing for its pools."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
        frame = frame.f_back
    name = "" if frame is None else str(frame.f_globals.get("__name__"))
    if name == _FUTURES:
        return processes_at_work()
    return name.partition(".")[0] in KEEP_REAL or name == _PROCESSES


def processes_at_work() -> bool:
    """Whether a pool of processes has something to do: what it will have done by when is real."""
    pools = sys.modules.get(_PROCESSES)
    managers = list(getattr(pools, "_threads_wakeups", ()))
    return any(getattr(manager, "pending_work_items", None) for manager in managers)


def condition_wait(self: Any, timeout: float | None = None) -> bool:
    """``threading.Condition.wait``, on which events, queues, futures and semaphores stand."""
    member = present()
    if member is None or _is_for_other_processes():
        return bool(_original["wait"](self, timeout))
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = Waiter(member, "a wait for another thread")
    self._waiters.append(waiter)
    saved = self._release_save()
    try:
        member.schedule.block(waiter, None if timeout is None else micros(timeout))
    finally:
        self._acquire_restore(saved)
        if not waiter.notified:
            with suppress(ValueError):
                self._waiters.remove(waiter)
    return waiter.notified


def thread_start(self: threading.Thread) -> None:
    """``threading.Thread.start``: a thread that one of ours begins takes part from before its start."""
    parent = present()
    if parent is None or self.ident is not None or _is_for_other_processes():
        _original["start"](self)
        return
    schedule = parent.schedule
    child = schedule.expect(self.name)
    own, run = self.__dict__.get("run"), self.run

    def begin() -> None:
        _put_back(self, own)
        try:
            schedule.begin(child)
            run()
        finally:
            schedule.leave(child)

    self.__dict__["run"] = begin
    self.__dict__[_CHILD] = child
    try:
        _original["start"](self)
    except BaseException:
        _put_back(self, own)
        schedule.leave(child)
        raise


def _put_back(thread: threading.Thread, own: Any) -> None:
    if own is None:
        thread.__dict__.pop("run", None)
    else:
        thread.__dict__["run"] = own


def thread_join(self: threading.Thread, timeout: float | None = None) -> None:
    """``threading.Thread.join``."""
    child: Member | None = self.__dict__.get(_CHILD)
    member = present()
    if member is None or child is None or child is member:
        _original["join"](self, timeout)
        return
    waiter = Waiter(member, f"the end of {self.name}")
    member.schedule.watch(child, waiter)
    member.schedule.block(waiter, None if timeout is None else micros(timeout))
    if waiter.notified:
        # Its last instructions, which wait for nothing.
        _original["join"](self)


def pieces() -> list[tuple[Any, str, Any]]:
    """Owner, name and stand-in of what is replaced beside ``time``."""
    return [
        (threading.Thread, "start", thread_start),
        (threading.Thread, "join", thread_join),
        (threading.Condition, "wait", condition_wait),
        # The C one blocks where nobody sees it; thread pools wait in it.
        (queue, "SimpleQueue", queue._PySimpleQueue),  # type: ignore[attr-defined]
    ]

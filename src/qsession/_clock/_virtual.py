"""The virtual clock as its users see it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, NoReturn, Self
from unittest import mock

from qsession._clock._members import Leap
from qsession._clock._moments import Length, from_datetime, read_length, to_datetime
from qsession._clock._real import SystemClock
from qsession._clock._schedule import Schedule
from qsession._clock._threads import Slot, micros, present
from qsession._model import SECOND, Instant, Micros
from qsession.errors import UsageError

HORIZON = "3650d"
MOST_WAITS = 500_000
WATCHDOG = 60.0


class VirtualClock:
    """Time that moves only when every thread waits, and then at once.

    Use it in a ``with`` statement, or take ``qsession_clock`` in a test. While it is on,
    ``time``, ``datetime``, waits with a timeout (``time.sleep``, conditions, events,
    queues, futures, ``join``) and the timers of asyncio follow it, in the machine's time
    zone. The thread that enters takes part, and so does every thread that such a thread
    starts.

    Args:
        start: The first moment, with a time zone; the present when None.
        horizon: How far time may move, in seconds or as a text such as ``"3650d"``.
        max_waits: How many waits there may be.
        watchdog: Real seconds after which threads that all wait for one another are an
            error, and one that computes no longer holds the time back.

    Raises:
        UsageError: If ``start`` has no time zone or a length is none (QS128); on
            entering, if a virtual clock is on already (QS126) or time-machine is (QS127).
    """

    def __init__(
        self,
        start: datetime | None = None,
        *,
        horizon: Length = HORIZON,
        max_waits: int = MOST_WAITS,
        watchdog: float = WATCHDOG,
    ) -> None:
        self._start = None if start is None else _aware(start)
        self._horizon, self._most_waits, self._watchdog = read_length(horizon), max_waits, watchdog
        self._schedule: Schedule | None = None
        self._undo = ExitStack()
        self._moved_to: Instant = 0
        self._first_move: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        begin(self, SystemClock().now() if self._start is None else self._start)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        end(self)

    def now(self) -> datetime:
        """The present moment, as an aware datetime in UTC."""
        return to_datetime(_instant(self))

    def monotonic(self) -> float:
        """Seconds that passed on this clock since it began."""
        return 0.0 if self._schedule is None else (self._schedule.now() - self._schedule.start) / SECOND

    def advance(self, length: Length) -> None:
        """Move the time on by exactly a length; what is due on the way happens on the way.

        Args:
            length: Seconds, a timedelta, or a text such as ``"1h 30m"``.

        Raises:
            UsageError: If it is no length, or negative (QS128); if the clock is off (QS129).
        """
        self._move(read_length(length))

    def travel_to(self, moment: datetime) -> None:
        """Move the time on to a moment.

        Args:
            moment: With a time zone, and not in the past of this clock.

        Raises:
            UsageError: If it has no time zone or lies in the past (QS128); if the clock
                is off (QS129).
        """
        target = _aware(moment)
        length = target - _instant(self)
        if length < 0:
            raise UsageError(
                "QS128",
                "The clock does not go back.",
                evidence=[f"it is {self.now().isoformat()}, asked for {moment.isoformat()}"],
                fix="travel to a later moment, or begin another run",
            )
        self._move(length)

    @contextmanager
    def real(self) -> Iterator[None]:
        """The calling thread lives in the machine's time for the length of a block.

        Other threads do not wait for it. Reading the time and waiting are real in it.
        """
        if self._schedule is None:
            yield
            return
        with self._schedule.away():
            yield

    @property
    def fallbacks(self) -> int:
        """How often the clock went on without a thread that was blocked where it could not see."""
        return 0 if self._schedule is None else self._schedule.fallbacks

    @property
    def leaps(self) -> int:
        """How many waits between two polls were left out."""
        return 0 if self._schedule is None else self._schedule.leaps

    def _move(self, length: Micros) -> None:
        if self._schedule is None and self._first_move is not None:
            self._first_move()
        if self._schedule is None or self._schedule.over:
            raise UsageError(
                "QS129",
                "The virtual clock is off: it cannot be moved.",
                fix="use it inside of `with qsession.VirtualClock() as clock:`, "
                "or take qsession_clock in a test",
            )
        self._schedule.wait(length)
        self._moved_to = max(self._moved_to, self._schedule.now())


def begin(clock: VirtualClock, at: Instant) -> Schedule:
    """Turn a clock on: from here on time is virtual.

    Args:
        clock: The clock.
        at: Its first moment.

    Returns:
        The schedule that the time of this process follows.

    Raises:
        UsageError: If one is on already (QS126) or time-machine travels (QS127).
    """
    # freezegun takes a while to import, and not every run is on the virtual clock.
    from qsession._clock._frozen import frozen

    if Slot.schedule is not None:
        raise UsageError(
            "QS126",
            "A virtual clock is on already: one at a time in a process.",
            fix="use the one that is on: in a test it is the fixture qsession_clock, in a run run.clock",
        )
    clock._undo.enter_context(no_travel())
    schedule = Schedule(at, horizon=clock._horizon, most_waits=clock._most_waits, watchdog=clock._watchdog)
    schedule.join_in()
    clock._undo.enter_context(frozen(schedule))
    clock._schedule = schedule
    return schedule


def end(clock: VirtualClock) -> None:
    """Turn a clock off: the machine's time is back. Does nothing for one that is off."""
    if clock._schedule is not None:
        clock._schedule.stop()
    clock._undo.close()


def findings() -> list[str]:
    """What the installed freezegun makes slower than it could be, a line each; empty when it is as known."""
    from qsession._clock import _freezegun

    return _freezegun.findings()


def on_first_move(clock: VirtualClock, callback: Callable[[], None]) -> None:
    """Have something done before a clock that is off is moved for the first time."""
    clock._first_move = callback


def moved_to(clock: VirtualClock) -> Instant:
    """The last moment to which the test itself moved the clock; 0 if it never did."""
    return clock._moved_to


def schedule_of(clock: VirtualClock) -> Schedule | None:
    """What its time follows, or did last; None before it was first on."""
    return clock._schedule


@contextmanager
def leaping(timeout: float | None) -> Iterator[None]:
    """Waits of the calling thread may go on to the next known event.

    Args:
        timeout: Seconds after which the caller gives up; None for never.
    """
    member = present()
    if member is None:
        yield
        return
    until = None if timeout is None else member.schedule.now() + micros(timeout)
    member.leap, outer = Leap(until), member.leap
    try:
        yield
    finally:
        member.leap = outer


def _instant(clock: VirtualClock) -> Instant:
    if clock._schedule is not None:
        return clock._schedule.now()
    return SystemClock().now() if clock._start is None else clock._start


def _aware(moment: datetime) -> Instant:
    try:
        return from_datetime(moment)
    except ValueError:
        raise UsageError(
            "QS128",
            "A moment needs a time zone.",
            evidence=[repr(moment)],
            fix="datetime(2026, 1, 5, 12, tzinfo=UTC)",
        ) from None


@contextmanager
def no_travel() -> Iterator[None]:
    """Keep time-machine from travelling: what it would replace is out of its reach, or the run's.

    Yields:
        Nothing.

    Raises:
        UsageError: If it travels already (QS127); in here, when it sets out (QS186).
    """
    module: Any = sys.modules.get("time_machine")
    hatch = getattr(module, "escape_hatch", None)
    if hatch is not None and hatch.is_travelling():
        raise UsageError(
            "QS127",
            "time-machine is travelling: two tools cannot replace the same clock.",
            evidence=[_BOTH_REPLACE],
            fix="leave travel(...) before the run begins; "
            "qsession_clock.travel_to(...) does the same inside of it",
        )
    travel = getattr(module, "travel", None)
    if travel is None:
        yield
        return
    with mock.patch.object(travel, "start", _stay):
        yield


_BOTH_REPLACE = "it replaces the functions of the time module in C, freezegun those in Python"


def _stay(_travel: object) -> NoReturn:
    raise UsageError(
        "QS186",
        "time-machine cannot travel inside of a run: the time there is the run's own.",
        evidence=[_BOTH_REPLACE],
        fix="qsession_clock.travel_to(...) or .advance(...), which move the time of the run, or "
        "freezegun.freeze_time(...), which the run's time goes on below",
        intended="travel in a test that has no run",
    )


def _forget() -> None:
    # A forked child has one thread and no run: its time is the machine's.
    Slot.schedule = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

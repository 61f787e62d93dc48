"""Who takes part in a schedule, and what each of them waits in."""

from __future__ import annotations

import sys
from _thread import allocate_lock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from qsession._clock._moments import spell
from qsession._model import SECOND, Instant, Micros
from qsession.errors import ClockError

if TYPE_CHECKING:
    from qsession._clock._schedule import Schedule

__tracebackhide__ = True  # who is interrupted in a wait reads where it was begun
State: TypeAlias = Literal["running", "waiting", "outside", "ended"]


_SPINS = 100
_LATE = 10
SHORTEST: Micros = SECOND // 1000
"""What each answered request takes at least, so that a loop that does not wait ends too."""


@dataclass(slots=True, eq=False)
class Leap:
    """What the client waits for, where its polls may be left out.

    Attributes:
        until: When it gives up; None for never.
        late: How often it waited on after that.
    """

    until: Instant | None
    late: int = 0

    def is_stuck(self, now: Instant) -> bool:
        """Whether it waits on and on past its end, as it does where the test froze the time it looks at."""
        self.late += self.until is not None and now > self.until
        return self.late > _LATE


@dataclass(slots=True, eq=False)
class Member:
    """A thread that takes part.

    Attributes:
        schedule: In what.
        name: The thread's name.
        state: ``outside`` while it is blocked in something that cannot be seen, or
            uses the real time.
        waiter: What it waits in.
        leap: Set inside of the client's own waits.
        polled_at: When it looked at a job or session, if it did since its last wait.
        real: Whether it asked for the real time.
        spins: How many waits of no length it did in a row.
        ident: The thread's identifier.
        watchers: Who waits for its end.
    """

    schedule: Schedule
    name: str
    state: State = "running"
    waiter: Waiter | None = None
    leap: Leap | None = None
    polled_at: Instant | None = None
    real: bool = False
    spins: int = 0
    ident: int = 0
    watchers: list[Waiter] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Waiter:
    """One wait of one member. Stands in for the lock that a Condition would use.

    Attributes:
        member: Who waits.
        what: What the wait is, for messages.
        deadline: When it ends by itself; None for never.
        leap: What the client waits for, if the wait stands between two of its polls.
        soonest: From when on it may end with any other event; None for no leap.
        notified: Whether somebody ended it.
        woken: Whether it has ended.
        gate: What its thread is blocked at, as soon as it is.
        error: What ends it, if that is an error.
    """

    member: Member
    what: str
    leap: Leap | None = None
    deadline: Instant | None = None
    soonest: Instant | None = None
    notified: bool = False
    woken: bool = False
    gate: Gate | None = None
    error: ClockError | None = None

    def release(self) -> None:
        """End the wait. The name is that of a lock, since ``Condition.notify`` calls it."""
        self.member.schedule.notify(self)


class Gate:
    """Where a thread is blocked for real until its wait has ended."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let the thread go on."""
        self._lock.release()

    def stand(self, seconds: float) -> bool:
        """Block for at most some real seconds; True once it is open."""
        return self._lock.acquire(timeout=seconds)


def line(member: Member, start: Instant) -> str:
    """What a member waits for, since when the clock began, and where it stands."""
    where = _place(member.ident)
    if member.waiter is None or member.state != "waiting":
        return f"{member.name}: {member.state}{where}"
    until = "without an end"
    if member.waiter.deadline is not None:
        until = f"until {spell(member.waiter.deadline - start)}"
    return f"{member.name}: {member.waiter.what} {until}{where}"


def _place(ident: int) -> str:
    """Where a thread stands: the innermost line that is neither the standard library's nor ours."""
    frame = sys._current_frames().get(ident)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name != "qsession" and name not in sys.stdlib_module_names:
            return f", in {frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def pace(spins: int) -> Micros:
    """How long a wait of no length takes.

    Nothing, until there were many in a row: a loop that waits for a moment to be in the
    past (``as_completed`` does) would never end, nor one that looks again and again
    whether another thread is done.
    """
    return min(1 << min(spins - _SPINS - 1, 10), SHORTEST) if spins > _SPINS else 0

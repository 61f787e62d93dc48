"""The discrete-event schedule: who waits until when, who runs, and when time moves.

One thread that takes part runs at a time. When it waits, the next one that is ready
runs; when none is, time moves to the earliest deadline. So the order of events does
not depend on the machine. Threads that do not take part (those that were there before
and have nothing to do with the run) are left to the real time.

Time is in integer microseconds and never goes back.
"""

from __future__ import annotations

import heapq
import math
import threading
from _thread import RLock
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeAlias

from qsession._clock import _messages
from qsession._clock._members import Gate, Leap, Member, Waiter, line, pace
from qsession._clock._real import Real
from qsession._clock._stillness import Watch
from qsession._model import SECOND, Instant, Micros
from qsession.errors import ClockError

Foresight: TypeAlias = Callable[[Instant], tuple[Instant | None, Micros]]
"""Tells the next known event after a moment, and how long the poll that sees it takes."""

__tracebackhide__ = True  # who is interrupted in a wait reads where it was begun
_PATIENCE = 0.01  # real seconds between two looks at threads that do not come back
_STILL_LOOKS = 4
_WITHOUT_END = 3600.0


class Schedule:
    """Who waits until when. Safe for concurrent use.

    Args:
        start: The first moment.
        horizon: How far time may move in all.
        most_waits: How many waits there may be in all.
        watchdog: Real seconds without any event after which a deadlock is an error, and
            a thread that computes no longer holds time back.
    """

    def __init__(self, start: Instant, *, horizon: Micros, most_waits: int, watchdog: float) -> None:
        self.start = start
        self.fallbacks = self.leaps = self.joined = 0
        self.foresight: Foresight | None = None
        self.polls_leap = self.over = False
        self.errors: list[ClockError] = []
        self._now = start
        real = Real.monotonic()
        self._base: int = math.ceil(real)
        self.ahead = self._base - real
        self._horizon, self._most_waits, self._watchdog = start + horizon, most_waits, watchdog
        # Entered again by a signal handler, or a finalizer, that ends somebody's wait.
        self._lock = RLock()
        self._here = threading.local()
        self._members: list[Member] = []
        self._running = self._waits = self._turns = self._holding = 0
        self._ready: deque[Waiter] = deque()
        self._timed: list[tuple[Instant, int, Waiter]] = []
        self._leapers: list[Waiter] = []
        self._lookout: Waiter | None = None
        self._order = count()

    # What a clock is.

    def now(self) -> Instant:
        """The present moment."""
        return self._now

    def monotonic(self) -> float:
        """Seconds on a clock that goes on from the machine's, for what measures lengths."""
        return self._base + (self._now - self.start) / SECOND

    def monotonic_ns(self) -> int:
        """The same in nanoseconds."""
        return self._base * 10**9 + (self._now - self.start) * 1000

    def wait(self, length: Micros) -> None:
        """Let exactly a length of time pass; others run meanwhile."""
        member = self.join_in()
        self._rest(Waiter(member, "wait", deadline=self._now + max(0, length)))
        if member.real:
            with self._lock:
                self._step_out(member)

    # Who takes part.

    def member(self) -> Member | None:
        """The calling thread, if it takes part and lives in virtual time."""
        found: Member | None = getattr(self._here, "member", None)
        return None if self.over or found is None or found.real else found

    def is_away(self) -> bool:
        """Whether the calling thread asked for the real time."""
        found: Member | None = getattr(self._here, "member", None)
        return found is not None and found.real

    def join_in(self) -> Member:
        """The calling thread takes part from now on; it may have done so before."""
        member: Member | None = getattr(self._here, "member", None)
        if member is None:
            member = self.expect(threading.current_thread().name)
            self._take(member)
        elif member.state == "outside" and not member.real:
            with self._lock:
                self._resume(member)
        return member

    def expect(self, name: str) -> Member:
        """A thread is about to begin: it counts as running before it does."""
        member = Member(self, name)
        with self._lock:
            self._members.append(member)
            self._running += 1
            self.joined += 1
        return member

    def begin(self, member: Member) -> None:
        """The calling thread is the one that was expected; it waits for its turn."""
        self._take(member)
        self._rest(Waiter(member, "its first turn", deadline=self._now))

    def leave(self, member: Member) -> None:
        """A thread has ended, or never began."""
        with self._lock:
            if member.state == "running":
                self._running -= 1
            member.state = "ended"
            if member in self._members:
                self._members.remove(member)
            for waiter in member.watchers:
                self._notify(waiter)
            self._next()

    def watch(self, member: Member, waiter: Waiter) -> None:
        """End a wait when a thread ends."""
        with self._lock:
            if member.state == "ended":
                waiter.notified = True
            else:
                member.watchers.append(waiter)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The calling thread does real work that takes no virtual time; the others wait for it."""
        member = self.join_in()
        member.real, outer = True, member.real
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            member.real = outer

    @contextmanager
    def away(self) -> Iterator[None]:
        """The calling thread lives in the real time; the others do not wait for it."""
        stranger = getattr(self._here, "member", None) is None
        member = self.join_in()
        with self._lock:
            member.real, outer = True, member.real
            self._step_out(member)
        try:
            yield
        finally:
            member.real = outer
            if stranger:
                self.leave(member)
                del self._here.member
            elif not self.over:
                self.join_in()

    # Waiting.

    def sleep(self, member: Member, length: Micros, what: str) -> None:
        """A wait that nobody ends; the client's own between two polls may leap."""
        self.block(Waiter(member, what, leap=member.leap), length)

    def block(self, waiter: Waiter, length: Micros | None, gate: Gate | None = None) -> bool:
        """Wait until somebody ends it or a length of time has passed.

        Args:
            waiter: Made for this wait; it may have been ended already.
            length: None to wait for ever.
            gate: Where to block; a plain one when None.

        Returns:
            Whether somebody ended it.

        Raises:
            ClockError: QS401 to QS404, instead of a wait that would not end.
        """
        member = waiter.member
        member.spins = member.spins + 1 if length is not None and length <= 0 else 0
        if length is not None:
            waiter.deadline = self._now + max(pace(member.spins), length)
            self._count()
            self._stretch(waiter, member, length)
        member.polled_at = None
        self._rest(waiter, gate)
        return waiter.notified

    def make_way(self) -> None:
        """Let those run who are ready, without a wait."""
        due = self._ready or (self._timed and self._timed[0][0] <= self._now)
        if due and (member := self.member()) is not None:
            self._rest(Waiter(member, "its next turn", deadline=self._now))

    def notify(self, waiter: Waiter) -> None:
        """End a wait; its thread runs when it is its turn."""
        with self._lock:
            self._notify(waiter)
            self._next()

    def stop(self) -> None:
        """Time is over: who waits for a moment goes on at once, who waits for somebody still does."""
        with self._lock:
            self.over = True
            for waiter in [m.waiter for m in self._members if m.waiter is not None]:
                if waiter.deadline is not None or waiter.soonest is not None or waiter.notified:
                    self._wake(waiter)

    def table(self) -> list[str]:
        """Who waits for what, a line each."""
        return [line(member, self.start) for member in self._members]

    # All below: the lock is held, or the values belong to the calling thread.

    def _take(self, member: Member) -> None:
        member.ident = threading.get_ident()
        self._here.member = member

    def _stretch(self, waiter: Waiter, member: Member, length: Micros) -> None:
        """Let a wait between two polls go on to the next known event."""
        leap = waiter.leap or (Leap(None) if self.polls_leap and member.polled_at is not None else None)
        if leap is None or self.foresight is None:
            return
        if leap.is_stuck(self._now):
            self.errors.append(_messages.never_gives_up(self.table()))
            raise self.errors[-1]
        # What has happened while the poll was on its way was not seen.
        event, cost = self.foresight(self._now if member.polled_at is None else member.polled_at)
        # The poll itself takes time: it ends when the client gives up, not after.
        end = None if leap.until is None else leap.until - cost
        targets = [moment for moment in (event, end) if moment is not None]
        target = min(targets, default=None)
        soonest = self._now + length
        if target is None and waiter.leap is None:
            return  # the test's own loop may have an end of its own
        if target is None or target > soonest:
            waiter.soonest, waiter.deadline = soonest, target
            self.leaps += 1
        elif waiter.leap is not None:
            # Between two of the client's own polls nobody counts: the event is not passed.
            waiter.deadline = max(self._now, target)

    def _rest(self, waiter: Waiter, gate: Gate | None = None) -> None:
        member = waiter.member
        with self._lock:
            if self.over or waiter.notified:
                return
            self._turns += 1
            if member.state == "running":
                self._running -= 1
            member.state, member.waiter = "waiting", waiter
            if waiter.deadline is not None:
                heapq.heappush(self._timed, (waiter.deadline, next(self._order), waiter))
            if waiter.soonest is not None:
                self._leapers.append(waiter)
            self._next()
            if not waiter.woken:
                waiter.gate = gate or Gate()
        if waiter.gate is not None:
            self._stand(waiter, waiter.gate)
        if waiter.error is not None:
            self.errors.append(waiter.error)
            raise waiter.error

    def _stand(self, waiter: Waiter, gate: Gate) -> None:
        watch = Watch()
        try:
            while not gate.stand(_WITHOUT_END if self.over else _PATIENCE) and not waiter.woken:
                if not self.over and self._is_lookout(waiter):
                    self._look(waiter, watch)
        except BaseException:
            # Ctrl-C, or a signal handler that raises: the thread runs again.
            with self._lock:
                if not waiter.woken:
                    waiter.woken = True
                    self._resume(waiter.member)
            raise

    def _is_lookout(self, waiter: Waiter) -> bool:
        with self._lock:
            if self._lookout is None or self._lookout.woken:
                self._lookout = waiter
            return self._lookout is waiter

    def _look(self, waiter: Waiter, watch: Watch) -> None:
        still, idle = watch.look(self._turns)
        with self._lock:
            if self.over or waiter.woken or watch.turns != self._turns:
                return
            if self._running and not self._holding and (still >= _STILL_LOOKS or idle > self._watchdog):
                self._leave_behind()
            elif not self._running and still >= _STILL_LOOKS and idle > self._watchdog:
                # Whoever came first hears of it: that is the test, whose failure is seen.
                first = next((m.waiter for m in self._members if m.waiter is not None), waiter)
                first.error = _messages.deadlock(self._watchdog, self.table())
                self._wake(first)

    def _leave_behind(self) -> None:
        """Go on without threads that are blocked in something that cannot be seen, or compute for ever."""
        self.fallbacks += 1
        for member in self._members:
            if member.state == "running":
                member.state = "outside"
        self._running = 0
        self._next()

    def _step_out(self, member: Member) -> None:
        """The others do not wait for a member any more."""
        if member.state == "running":
            member.state = "outside"
            self._running -= 1
            self._next()

    def _resume(self, member: Member) -> None:
        if member.state != "running":
            self._running += 1
        member.state, member.waiter = "running", None

    def _notify(self, waiter: Waiter) -> None:
        if waiter.notified:
            return
        waiter.notified = True
        if waiter.member.waiter is not waiter or waiter.woken:
            return
        if self.over:
            self._wake(waiter)
        else:
            self._turns += 1
            self._ready.append(waiter)

    def _next(self) -> None:
        """If nobody runs, let the next one run."""
        while not self._running and not self.over:
            if self._ready:
                waiter = self._ready.popleft()
            elif (due := self._due()) is not None:
                waiter = due
            else:
                return
            if not waiter.woken:
                self._wake(waiter)

    def _due(self) -> Waiter | None:
        while self._timed and (self._timed[0][2].woken or self._timed[0][2].notified):
            heapq.heappop(self._timed)
        if not self._timed:
            return self._hopeless()
        deadline, _, waiter = heapq.heappop(self._timed)
        if deadline > self._horizon:
            waiter.error = _messages.too_far(self._horizon - self.start, self.table())
        elif deadline > self._now:
            self._now = deadline
            if self._leapers:
                self._end_leaps(waiter)
        return waiter

    def _end_leaps(self, first: Waiter) -> None:
        """Something happens now: who leaps looks again, if its poll would have come by now."""
        waiting = [w for w in self._leapers if not w.woken and w is not first]
        self._ready += [w for w in waiting if w.soonest is not None and w.soonest <= self._now]
        self._leapers = [w for w in waiting if w.soonest is not None and w.soonest > self._now]

    def _hopeless(self) -> Waiter | None:
        """A leap to nowhere: no event is known, and nobody else will wake up by himself."""
        leaper = next((w for w in self._leapers if not w.woken), None)
        if any(member.state == "outside" for member in self._members):
            return None
        if leaper is not None:
            leaper.error = _messages.nothing_ahead(self.table())
        return leaper

    def _wake(self, waiter: Waiter) -> None:
        waiter.woken = True
        self._turns += 1
        self._resume(waiter.member)
        if waiter.gate is not None:
            waiter.gate.open()

    def _count(self) -> None:
        self._waits += 1
        if self._waits > self._most_waits:
            self._waits = 0  # so that code which swallows this does not get one at each wait
            self.errors.append(_messages.too_many(self._most_waits, self.table()))
            raise self.errors[-1]

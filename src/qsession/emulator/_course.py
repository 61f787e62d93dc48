"""What became of jobs and their session by a given moment: a function of plans alone.

A plan is what was asked and when; nothing here waits or remembers, so an answer does
not depend on how often anybody looked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qsession import _lifecycle
from qsession._lifecycle import Life
from qsession._model import Instant, Micros

Phase = Literal["Queued", "Running", "Ended", "Cancelled", "Dropped"]
Wish = Literal["stop", "accept", "cancel", "limit"]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job as it was asked for.

    Attributes:
        job: Its id.
        created: When it was submitted.
        queued_for: How long it waits before it may start.
        runs_for: How long it holds the QPU.
        cancelled: When a cancel was accepted, or None.
        turn: Which of the acts upon its session its submission was; tells those of one moment apart.
        cancel_turn: Which its cancel was.
    """

    job: str
    created: Instant
    queued_for: Micros
    runs_for: Micros
    cancelled: Instant | None = None
    turn: int = 0
    cancel_turn: int = 0


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a job so far.

    Attributes:
        phase: ``Ended`` says that it ran to its end, not whether it succeeded;
            ``Dropped`` that its session closed before it could start.
        started: When it started, if it has.
        ended: When it reached its final phase, if it has.
    """

    phase: Phase
    started: Instant | None = None
    ended: Instant | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.phase not in {"Queued", "Running"}


@dataclass(frozen=True, slots=True)
class Control:
    """Something a user asked of a session, or that its instance has reached its usage limit.

    Attributes:
        at: When.
        wish: What; ``limit`` for the latter.
        turn: Which of the acts upon the session it was.
    """

    at: Instant
    wish: Wish
    turn: int = 0


def alone(plan: JobPlan, at: Instant) -> Fate:
    """A job outside any session."""
    return _seen(plan, plan.created + plan.queued_for, at)


def next_change_alone(plan: JobPlan, at: Instant) -> Instant | None:
    """The first moment after another one at which a job outside any session looks different."""
    start = plan.created + plan.queued_for
    moments = (plan.cancelled,) if _is_withdrawn(plan, start) else (start, _end(plan, start))
    return min((moment for moment in moments if moment is not None and moment > at), default=None)


class Story:
    """A session and its jobs through time, worked out only as far as somebody asked.

    They hold its QPU one at a time in the order of their submission (inferred). Not
    safe for concurrent use; worthless as soon as a plan or a control is added.

    Args:
        born: The session as it was created.
        controls: What was asked of it.
        plans: Its jobs in the order of their submission.
    """

    def __init__(self, born: Life, controls: Sequence[Control], plans: Sequence[JobPlan]) -> None:
        self._controls, self._plans = tuple(controls), tuple(plans)
        begun = _starts(plans)
        self._starts = [start for start, _ in begun]
        self._order = {plan.job: i for i, plan in enumerate(plans)}
        self._events = sorted(_events(controls, plans, begun), reverse=True)
        self._began: set[str] = set()
        self._moments, self._lives = [born.created_at], [born]
        self._changes: list[Instant] = []

    def life(self, at: Instant) -> Life:
        """The session at a moment."""
        while (due := self._due()) is not None and due <= at:
            self._step(due)
        return self._lives[max(0, bisect_right(self._moments, at) - 1)]

    def fate(self, job: str, at: Instant) -> Fate:
        """What became of a job by a moment."""
        order = self._order[job]
        plan, start = self._plans[order], self._starts[order]
        closed = self.life(at).closed_at
        if closed is None or job in self._began:
            return _seen(plan, start, at)
        if plan.cancelled is not None and _is_withdrawn(plan, start) and plan.cancelled <= closed:
            return Fate("Cancelled", ended=plan.cancelled)
        return Fate("Dropped", ended=max(closed, plan.created))

    def next_change(self, at: Instant) -> Instant | None:
        """The first moment after another one at which the session or a job looks different."""
        while not (self._changes and self._changes[-1] > at):
            if (due := self._due()) is None:
                return None
            self._step(due)
        return self._changes[bisect_right(self._changes, at)]

    def _due(self) -> Instant | None:
        timer = _lifecycle.next_timer(self._lives[-1])
        moments = [event[0] for event in self._events[-1:]] + ([timer[0]] if timer else [])
        return min(moments, default=None)

    def _step(self, moment: Instant) -> None:
        before = self._lives[-1]
        life, changed = _lifecycle.advance(before, moment), False
        while self._events and self._events[-1][0] == moment:
            event = self._events.pop()
            moved = _lifecycle.advance(self._moved(life, event), moment)
            changed = changed or (event[2] in _SHOWN_BY_JOBS and moved is not life)
            life = moved
        self._moments.append(moment)
        self._lives.append(life)
        if changed or (life.accepting_jobs, life.timestamps) != (before.accepting_jobs, before.timestamps):
            self._changes.append(moment)

    def _moved(self, life: Life, event: _Event) -> Life:
        moment, _, rank, order = event
        if rank == _CONTROL:
            return _controlled(life, self._controls[order])
        job = self._plans[order].job
        if rank == _FINISH:
            ran = moment - self._starts[order]
            return _lifecycle.finish(life, moment, ran=ran) if job in self._began else life
        if life.state == "closed":
            return life
        if rank == _SUBMIT:
            return _lifecycle.submit(life, moment)
        if rank == _WITHDRAW:
            return _lifecycle.withdraw(life, moment)
        self._began.add(job)
        return _lifecycle.start(life, moment)


_Event = tuple[Instant, int, int, int]
"""Moment, the act that it goes with, rank among events of one act, and which job or control.

What happens by itself at a moment comes before the acts of that moment, since whoever acts
has seen it.
"""

_SUBMIT, _START, _FINISH, _WITHDRAW, _CONTROL = range(5)
_SHOWN_BY_JOBS = frozenset({_START, _FINISH, _WITHDRAW})


def _starts(plans: Sequence[JobPlan]) -> list[tuple[Instant, int]]:
    """When each job starts, and the act of that moment that it goes with."""
    free: tuple[Instant, int] = (0, 0)
    starts = []
    for plan in plans:
        ready = plan.created + plan.queued_for
        own = (ready, 0 if plan.queued_for else plan.turn)
        start = max(own, free)
        starts.append(start)
        if not _is_withdrawn(plan, start[0]):
            free = _finish(plan, start)
    return starts


def _finish(plan: JobPlan, start: tuple[Instant, int]) -> tuple[Instant, int]:
    """When a job ends, and the act of that moment that it goes with."""
    end = _end(plan, start[0])
    if end == plan.cancelled and end < start[0] + plan.runs_for:
        return end, plan.cancel_turn
    return end, start[1] if end == start[0] else 0


def _is_withdrawn(plan: JobPlan, start: Instant) -> bool:
    # Whoever cancels at the moment of its start has seen it running.
    return plan.cancelled is not None and plan.cancelled < start


def _end(plan: JobPlan, start: Instant) -> Instant:
    full = start + plan.runs_for
    return full if plan.cancelled is None else min(full, plan.cancelled)


def _events(
    controls: Sequence[Control], plans: Sequence[JobPlan], starts: Sequence[tuple[Instant, int]]
) -> list[_Event]:
    events: list[_Event] = [(c.at, c.turn, _CONTROL, i) for i, c in enumerate(controls)]
    for i, (plan, start) in enumerate(zip(plans, starts, strict=True)):
        events.append((plan.created, plan.turn, _SUBMIT, i))
        if plan.cancelled is not None and _is_withdrawn(plan, start[0]):
            events.append((plan.cancelled, plan.cancel_turn, _WITHDRAW, i))
        else:
            events += [(*start, _START, i), (*_finish(plan, start), _FINISH, i)]
    return events


def _controlled(life: Life, control: Control) -> Life:
    if control.wish in {"cancel", "limit"}:
        return _lifecycle.cancel(life, control.at)
    if control.wish == "stop":
        return _lifecycle.stop_accepting(life, control.at)
    return _lifecycle.accept_again(life, control.at)


def _seen(plan: JobPlan, start: Instant, at: Instant) -> Fate:
    if plan.cancelled is not None and _is_withdrawn(plan, start):
        return Fate("Queued") if at < plan.cancelled else Fate("Cancelled", ended=plan.cancelled)
    if at < start:
        return Fate("Queued")
    end = _end(plan, start)
    if at < end:
        return Fate("Running", start)
    return Fate("Ended" if end == start + plan.runs_for else "Cancelled", start, end)

"""What became of jobs and their session by a given moment: a function of plans alone.

A plan is what was asked and when; nothing here waits or remembers, so an answer does
not depend on how often anybody looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qsession import _lifecycle
from qsession._lifecycle import Life
from qsession._model import Instant, Micros

Phase = Literal["Queued", "Running", "Ended", "Cancelled", "Dropped"]
Wish = Literal["stop", "accept", "cancel"]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job as it was asked for.

    Attributes:
        job: Its id.
        created: When it was submitted.
        queued_for: How long it waits before it may start.
        runs_for: How long it holds the QPU.
        cancelled: When a cancel was accepted, or None.
    """

    job: str
    created: Instant
    queued_for: Micros
    runs_for: Micros
    cancelled: Instant | None = None


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
    """Something a user asked of a session."""

    at: Instant
    wish: Wish


@dataclass(frozen=True, slots=True)
class Course:
    """A session and its jobs at one moment."""

    life: Life
    fates: dict[str, Fate]


def alone(plan: JobPlan, at: Instant) -> Fate:
    """A job outside any session."""
    return _seen(plan, plan.created + plan.queued_for, at)


def together(born: Life, controls: Sequence[Control], plans: Sequence[JobPlan], at: Instant) -> Course:
    """A session with its jobs, which hold its QPU one at a time in their order (inferred).

    Args:
        born: The session as it was created.
        controls: What was asked of it.
        plans: Its jobs in the order of their submission.
        at: The moment.
    """
    starts = _starts(plans)
    life, began = born, set[str]()
    for event in sorted(_events(controls, plans, starts)):
        moment, rank, order = event
        if moment > at:
            break
        if rank == _CONTROL:
            life = _controlled(life, controls[order])
        else:
            life = _moved(life, event, plans[order].job, starts[order], began)
    life = _lifecycle.advance(life, at)
    fates = {
        plan.job: _in_session(plan, start, life, at, began) for plan, start in zip(plans, starts, strict=True)
    }
    return Course(life, fates)


_Event = tuple[Instant, int, int]
"""Moment, rank among events of one moment, and which job or control."""

_SUBMIT, _START, _FINISH, _WITHDRAW, _CONTROL = range(5)


def _starts(plans: Sequence[JobPlan]) -> list[Instant]:
    free: Instant = 0
    starts = []
    for plan in plans:
        start = max(plan.created + plan.queued_for, free)
        starts.append(start)
        if plan.cancelled is None or plan.cancelled > start:
            free = _end(plan, start)
    return starts


def _end(plan: JobPlan, start: Instant) -> Instant:
    full = start + plan.runs_for
    return full if plan.cancelled is None else min(full, plan.cancelled)


def _events(controls: Sequence[Control], plans: Sequence[JobPlan], starts: Sequence[Instant]) -> list[_Event]:
    events: list[_Event] = [(control.at, _CONTROL, i) for i, control in enumerate(controls)]
    for i, (plan, start) in enumerate(zip(plans, starts, strict=True)):
        events.append((plan.created, _SUBMIT, i))
        if plan.cancelled is not None and plan.cancelled <= start:
            events.append((plan.cancelled, _WITHDRAW, i))
        else:
            events += [(start, _START, i), (_end(plan, start), _FINISH, i)]
    return events


def _controlled(life: Life, control: Control) -> Life:
    if control.wish == "cancel":
        return _lifecycle.cancel(life, control.at)
    if control.wish == "stop":
        return _lifecycle.stop_accepting(life, control.at)
    return _lifecycle.accept_again(life, control.at)


def _moved(life: Life, event: _Event, job: str, start: Instant, began: set[str]) -> Life:
    moment, rank, _ = event
    life = _lifecycle.advance(life, moment)
    if rank == _FINISH:
        return _lifecycle.finish(life, moment, ran=moment - start) if job in began else life
    if life.state == "closed":
        return life
    if rank == _SUBMIT:
        return _lifecycle.submit(life, moment)
    if rank == _WITHDRAW:
        return _lifecycle.withdraw(life, moment)
    began.add(job)
    return _lifecycle.start(life, moment)


def _in_session(plan: JobPlan, start: Instant, life: Life, at: Instant, began: set[str]) -> Fate:
    closed = life.closed_at
    if closed is None or plan.job in began:
        return _seen(plan, start, at)
    if plan.cancelled is not None and plan.cancelled <= min(start, closed):
        return Fate("Cancelled", ended=plan.cancelled)
    return Fate("Dropped", ended=max(closed, plan.created))


def _seen(plan: JobPlan, start: Instant, at: Instant) -> Fate:
    if plan.cancelled is not None and plan.cancelled <= start:
        return Fate("Queued") if at < plan.cancelled else Fate("Cancelled", ended=plan.cancelled)
    if at < start:
        return Fate("Queued")
    end = _end(plan, start)
    if at < end:
        return Fate("Running", start)
    return Fate("Ended" if end == start + plan.runs_for else "Cancelled", start, end)

"""How a session stood at the end of a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from qsession import _lifecycle, _session_document
from qsession._beyond._history import Job, SessionHistory, Untold
from qsession._lifecycle import Life, Rules
from qsession._model import SECOND, Instant, Micros
from qsession._session_document import read_moment

_SUBMIT, _START, _FINISH, _WITHDRAW, _CONTROL = range(5)

_Event = tuple[Instant, int, int, Callable[[Life], Life]]
"""Moment, rank among the events of one moment, order of recording, and what it does."""


def rebuild(session: SessionHistory, rules: Rules) -> None:
    """Work out how a session stood at the end: its last read, and what was done and seen since.

    Raises:
        ValueError: If the recording does not tell, or tells what the documentation does not know.
    """
    life = _session_document.read(session.document, rules=rules)
    settled = life.state == "closed" and session.document.get("elapsed_time") is not None
    if not settled and not session.made:
        raise Untold("others may have put jobs into it")
    jobs = [] if settled else session.jobs
    before = [_phase(job, session, life) for job in jobs]
    life = replace(
        life,
        queued=before.count("queued") if life.state != "closed" else 0,
        running=before.count("running"),
        qpu_time=sum(
            time_held(job) or 0 for job, phase in zip(jobs, before, strict=True) if phase == "ended"
        ),
        last_job_submitted=max((job.created for job in jobs if job.created <= session.read_at), default=None),
    )
    finished = life.last_job_completed or 0
    if not settled and not life.running and (life.last_job_started or 0) > finished:
        raise Untold("a job is running that nobody saw")
    session.recorded = life
    events = _controls_after(session)
    for order, (job, phase) in enumerate(zip(jobs, before, strict=True)):
        events += _turns_after(job, phase, order)
    for moment, _, _, move in sorted(events, key=lambda event: event[:3]):
        life = move(_lifecycle.advance(life, moment))
    session.life = life


def _controls_after(session: SessionHistory) -> list[_Event]:
    # One that was under way at the reading may not show in it; to repeat it does no harm.
    return [
        (control.at, _CONTROL, control.order, partial(_at, control.move, control.at))
        for control in session.controls
        if control.ended > session.read_at
    ]


def _phase(job: Job, session: SessionHistory, life: Life) -> str:
    """Where a job stood when its session was last read."""
    read_at = session.read_at
    if job.created > read_at:
        return "to come"
    if job.end.by is not None and job.end.by <= read_at:
        return "ended"
    if job.end.by is not None and job.end.after < read_at:
        raise Untold("it ended before or after the reading")
    if job.start.by is not None and job.start.by <= read_at:
        check_not_ended(job)
        return "running"
    if job.start.by is not None and job.start.after < read_at:
        raise Untold("it started before or after the reading")
    check_not_started(job, session, life)
    return "queued"


def _turns_after(job: Job, phase: str, order: int) -> list[_Event]:
    """What became of a job after its session was last read."""
    if phase == "ended":
        return []
    events: list[_Event] = []
    if phase == "to come":
        events.append((job.created, _SUBMIT, order, partial(_at, _lifecycle.submit, job.created)))
    ran = job.start.by is not None
    if ran and phase != "running":
        events.append((job.start.exact, _START, order, partial(_at, _lifecycle.start, job.start.exact)))
    if job.ran_untold:
        raise Untold("it was cancelled, and nobody saw whether it was still in the queue")
    # A job that ended without a start or a cancel was dropped: its session's end does that.
    if job.end.by is not None and (ran or job.cancelled is not None):
        events.append((job.end.exact, _FINISH if ran else _WITHDRAW, order, end_of(job)))
    return events


def end_of(job: Job) -> Callable[[Life], Life]:
    """What the end of a job, at a moment that is known, does to the life of its session."""
    moment = job.end.exact
    if job.start.by is None:
        return partial(_at, _lifecycle.withdraw, moment)
    return lambda life: _lifecycle.finish(life, moment, ran=time_held(job) or 0)


def _at(move: Callable[[Life, Instant], Life], moment: Instant, life: Life) -> Life:
    return move(life, moment)


def check_not_ended(job: Job) -> None:
    """An end since this job was last seen running may be its own."""
    session = job.session
    if session is None or job.end.after >= session.read_at:
        return
    completed = read_moment(session.document.get("last_job_completed")) or 0
    if completed > job.end.after or session.document.get("elapsed_time") is not None:
        raise Untold("a job ended since this one was seen running")


def check_not_started(job: Job, session: SessionHistory, life: Life) -> None:
    """A start since this job was last seen in the queue may be its own, unless one before it started."""
    moment = life.last_job_started
    if moment is None or moment <= job.start.after:
        return
    for other in session.jobs:
        if other is job:
            # Jobs of a session start in their order (inferred).
            break
        if other.start.is_at(moment):
            return
    raise Untold("a job started since this one was seen in the queue")


def time_held(job: Job) -> Micros | None:
    """How long a job held the QPU; None if that is not told."""
    if job.charge is not None:
        return round(job.charge * SECOND)
    if job.ran_untold:
        return None
    if job.start.by is None:
        return 0
    return job.end.exact - job.start.exact if job.start.is_exact and job.end.is_exact else None

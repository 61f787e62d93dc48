"""What one line of an emulator takes over from another: sessions and jobs that it does not know."""

from __future__ import annotations

from dataclasses import replace

from qsession._model import Instant
from qsession.emulator._course import JobPlan
from qsession.emulator._records import Job, Session

_FOR_EVER: Instant = 2**62


def merge(
    sessions: dict[str, Session],
    jobs: dict[str, Job],
    their_sessions: dict[str, Session],
    their_jobs: dict[str, Job],
) -> None:
    """Add the sessions and jobs of another line, whose values are used up.

    Args:
        sessions: Sessions and batches of this line by id.
        jobs: Its jobs by id.
        their_sessions: Those of the other line.
        their_jobs: Its jobs.
    """
    for ident, session in their_sessions.items():
        own = sessions.get(ident)
        if own is None or _went_on(own, session):
            _take(session, sessions, jobs)
    for ident, job in their_jobs.items():
        # Below 1 is the past of the account, which each line tells.
        if ident not in jobs and job.order > 0:
            _leave_alone(job, their_sessions)
            jobs[ident] = job


def _went_on(own: Session, theirs: Session) -> bool:
    """Whether everything that happened to a session here has happened in the other line too."""
    if len(own.jobs) > len(theirs.jobs) or own.controls != theirs.controls[: len(own.controls)]:
        return False
    return all(_is_same(job.plan, other.plan) for job, other in zip(own.jobs, theirs.jobs, strict=False))


def _is_same(own: JobPlan, theirs: JobPlan) -> bool:
    """Whether a plan is the other one, but for a cancel that only the other one has."""
    if own.cancelled is None:
        theirs = replace(theirs, cancelled=None, cancel_turn=0)
    return own == theirs


def _take(session: Session, sessions: dict[str, Session], jobs: dict[str, Job]) -> None:
    for position, job in enumerate(session.jobs):
        own = jobs.setdefault(job.plan.job, job)
        own.plan, own.home = job.plan, job.home
        session.jobs[position] = own
    session.retell()
    sessions[session.ident] = session


def _leave_alone(job: Job, their_sessions: dict[str, Session]) -> None:
    """Let a job take the course that it has in its session there, outside of that session here."""
    if job.home is None:
        return
    plan, fate = job.plan, their_sessions[job.home].story.fate(job.plan.job, _FOR_EVER)
    assert fate.ended is not None, "all sessions end"
    if fate.started is None:
        waited = fate.ended - plan.created
        job.plan = replace(plan, queued_for=waited + 1, cancelled=fate.ended)
    else:
        job.plan = replace(plan, queued_for=fate.started - plan.created)
    job.home = None

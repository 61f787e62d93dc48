"""What a run may have cost so far: pure arithmetic that never counts too little.

What the sum rests on, with where each fact comes from:

* A dedicated session costs the wall clock from the start of its first job to its
  end, idle time included (documented). While nobody saw it start, the sum counts
  from the last moment at which it is known **not** to have started: the sending of
  the latest request whose answer still said so, at first the sending of the first
  job. Only our own clock is used, so a clock of the service that goes wrong cannot
  make the sum too small.
* A job outside a dedicated session costs the time for which it locks the QPU
  (documented); one backend runs one lock at a time (inferred from the word). So the
  unfinished jobs of one backend together cost no more than the wall clock since the
  first of them may have started, and are counted with at least their estimates.
* Charges come in whole seconds (observed by others), so wall clock is rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from qsession._clock import isoformat
from qsession._model import SECOND, Instant, Micros

DEFAULT_JOB_SECONDS = 10.0
"""Counted for a job of which neither estimate nor ``cost`` is known, in QPU seconds.

Five times what a minimal job is charged (2 s, observed by others). The guard asks
for the estimate within about a second of the submission, so this is short-lived.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, or a submission whose answer is not known.

    Attributes:
        id: Id of the service, or our name for a submission without an answer.
        backend: Name of the backend.
        session: Id of its session or batch, empty for none.
        idle: Last moment at which it is known not to have run.
        looked: When we last tried to learn something about it.
        cost: ``cost`` of the submission, in QPU seconds.
        estimate: ``estimated_running_time_seconds`` of the service.
        answered: Whether the service gave it an id.
        began: Whether it was seen running.
        finished: When it was first seen in a final state.
        usage: Final charge in QPU seconds.
    """

    id: str
    backend: str
    session: str
    idle: Instant
    looked: Instant
    cost: float | None = None
    estimate: float | None = None
    answered: bool = True
    began: bool = False
    finished: Instant | None = None
    usage: float | None = None

    @property
    def promised(self) -> float | None:
        """What it is said to need at most, in QPU seconds; None when nobody said."""
        said = [value for value in (self.estimate, self.cost) if value is not None]
        return min(said) if said else None

    @property
    def forecast(self) -> float:
        """What it is counted with while it is not finished, in QPU seconds."""
        return DEFAULT_JOB_SECONDS if self.promised is None else self.promised


@dataclass(frozen=True, slots=True)
class Session:
    """A session or batch.

    Attributes:
        id: Id of the service.
        mode: ``dedicated`` or ``batch``.
        backend: Name of the backend.
        idle: Last moment at which it is known not to have started.
        looked: When we last tried to learn something about it.
        own: Whether this run created it; only those are cancelled.
        began: Whether it was seen started.
        closed: When it was first known to be closed.
        usage: Its final usage in QPU seconds.
    """

    id: str
    mode: str
    backend: str
    idle: Instant
    looked: Instant
    own: bool = True
    began: bool = False
    closed: Instant | None = None
    usage: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the sum: what, how many QPU seconds, and why so many."""

    what: str
    seconds: float
    why: str

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s  {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """All sessions and jobs of a run, as a value; every change gives a new one."""

    sessions: Mapping[str, Session] = field(default_factory=lambda: MappingProxyType({}))
    jobs: Mapping[str, Job] = field(default_factory=lambda: MappingProxyType({}))

    def with_session(self, session: Session) -> Ledger:
        """Add or replace a session."""
        return replace(self, sessions=MappingProxyType({**self.sessions, session.id: session}))

    def with_job(self, job: Job) -> Ledger:
        """Add or replace a job.

        A job in a session that this run did not open brings that session along,
        counted as a dedicated one from here on: the dearer kind, until the
        service says otherwise.
        """
        book = replace(self, jobs=MappingProxyType({**self.jobs, job.id: job}))
        if not job.session or job.session in self.sessions:
            return book
        return book.with_session(
            Session(job.session, "dedicated", job.backend, job.idle, job.looked, own=False)
        )

    def looked(self, item: Session | Job, at: Instant) -> Ledger:
        """Enter that an item was asked about, whatever comes back."""
        session, job = self.sessions.get(item.id), self.jobs.get(item.id)
        if isinstance(item, Session):
            return self if session is None else self.with_session(replace(session, looked=at))
        return self if job is None else self.with_job(replace(job, looked=at))

    def closed(self, session_id: str, at: Instant) -> Ledger:
        """Enter that a session is closed since a moment at the latest."""
        session = self.sessions.get(session_id)
        if session is None or session.closed is not None:
            return self
        return self.with_session(replace(session, closed=at))

    def without_job(self, job_id: str) -> Ledger:
        """Drop a submission that the service refused."""
        return replace(self, jobs=MappingProxyType({k: v for k, v in self.jobs.items() if k != job_id}))

    def open_sessions(self) -> tuple[Session, ...]:
        """The sessions and batches of this run that are not known to be closed."""
        return tuple(s for s in self.sessions.values() if s.own and s.closed is None)

    def unfinished_jobs(self) -> tuple[Job, ...]:
        """The jobs with an id that are not known to be final."""
        return tuple(j for j in self.jobs.values() if j.answered and j.finished is None)

    def spent(self, at: Instant) -> float:
        """Upper bound of what the run has cost by a moment, in QPU seconds."""
        return math.fsum(entry.seconds for entry in self.entries(at))

    def entries(self, at: Instant) -> tuple[Entry, ...]:
        """The bound, item by item."""
        sessions = [self._session_entry(s, at) for s in self.sessions.values()]
        return (*sessions, *self._job_entries(at))

    def stale(self, at: Instant, age: Micros) -> tuple[Session | Job, ...]:
        """What is not settled and was not looked at for a while, the stalest first."""
        found: list[Session | Job] = [s for s in self.sessions.values() if s.usage is None]
        found += [j for j in self.jobs.values() if self._is_worth_a_look(j)]
        late = [item for item in found if at - item.looked >= age]
        return tuple(sorted(late, key=lambda item: item.looked))

    def are_jobs_over(self, session: Session, at: Instant) -> bool:
        """Whether all jobs of a session that have an id were known to be final by a moment."""
        jobs = (job for job in self._jobs_of(session) if job.answered)
        return all(job.finished is not None and job.finished <= at for job in jobs)

    def _jobs_of(self, session: Session) -> tuple[Job, ...]:
        return tuple(j for j in self.jobs.values() if j.session == session.id)

    def _is_worth_a_look(self, job: Job) -> bool:
        if not job.answered or job.usage is not None:
            return False
        session = self.sessions.get(job.session)
        if session is None or session.mode == "batch":
            return session is None or session.usage is None
        # In a dedicated session the wall clock counts; the state of a job matters
        # only for when a closed session has truly ended.
        return session.closed is not None and job.finished is None

    def _session_entry(self, session: Session, at: Instant) -> Entry:
        what = f"{_kind(session)} {session.id} ({session.backend or 'no backend yet'})"
        if session.usage is not None:
            return Entry(what, session.usage, "final usage")
        if session.mode == "batch":
            return Entry(what, 0.0, "counted by its jobs")
        jobs = self._jobs_of(session)
        if not session.began and not jobs:
            return Entry(what, 0.0, "no job submitted")
        since = max(session.idle, min((j.idle for j in jobs), default=session.idle))
        end = _end(session, jobs)
        wall = whole_seconds((at if end is None else end) - since)
        promised = math.fsum(j.promised or 0.0 for j in jobs if j.finished is None)
        if promised > wall:
            return Entry(what, promised, "estimate or cost of its unfinished jobs")
        return Entry(what, wall, f"wall clock, not running at {isoformat(since)}" + _until(end))

    def _job_entries(self, at: Instant) -> Iterable[Entry]:
        waiting: dict[str, list[Job]] = {}
        for job in self.jobs.values():
            if self._is_covered(job):
                continue
            if job.usage is not None:
                yield Entry(_job(job), job.usage, "final usage")
            elif job.finished is not None:
                yield _finished_entry(job, job.finished)
            else:
                yield Entry(_job(job), job.forecast, _reason(job))
                waiting.setdefault(job.backend, []).append(job)
        for backend, jobs in waiting.items():
            yield from _overrun(backend, jobs, at)

    def _is_covered(self, job: Job) -> bool:
        session = self.sessions.get(job.session)
        return session is not None and (session.mode != "batch" or session.usage is not None)


def whole_seconds(length: Micros) -> float:
    """A length of time in seconds, rounded up as the service charges it, never below 0."""
    return float(max(0, -(-length // SECOND)))


def _end(session: Session, jobs: tuple[Job, ...]) -> Instant | None:
    finished = [job.finished for job in jobs]
    if session.closed is None or None in finished:
        return None
    return max(session.closed, *(moment for moment in finished if moment is not None), session.closed)


def _overrun(backend: str, jobs: list[Job], at: Instant) -> Iterable[Entry]:
    wall = whole_seconds(at - min(job.idle for job in jobs))
    # Several of them may have run since, and each charge is rounded up by itself.
    excess = wall + len(jobs) - 1 - math.fsum(job.forecast for job in jobs)
    if excess > 0:
        since = isoformat(min(job.idle for job in jobs))
        why = f"wall clock beyond these estimates, not all waiting since {since}"
        yield Entry(f"unfinished jobs on {backend}", excess, why)


def _finished_entry(job: Job, finished: Instant) -> Entry:
    wall = whole_seconds(finished - job.idle)
    if wall > job.forecast:
        return Entry(_job(job), wall, "wall clock until it was seen finished, final usage not seen")
    return Entry(_job(job), job.forecast, f"{_reason(job)}, final usage not seen")


def _kind(session: Session) -> str:
    return "batch" if session.mode == "batch" else "session"


def _until(end: Instant | None) -> str:
    return "" if end is None else f", over at {isoformat(end)}"


def _job(job: Job) -> str:
    where = f", batch {job.session}" if job.session else ""
    return f"job {job.id} ({job.backend}{where})" if job.answered else f"{job.id} ({job.backend}{where})"


def _reason(job: Job) -> str:
    if job.promised is None:
        return "default, no estimate seen"
    return "estimate" if job.promised == job.estimate else "cost"

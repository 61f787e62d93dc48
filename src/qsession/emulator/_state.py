"""Sessions and jobs of the emulated service: what was asked, kept under one lock.

Holds no clock and knows no HTTP. The lock is held to look and to note, never while a
job is simulated.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from qsession import _lifecycle
from qsession._lifecycle import Life, Limits, Mode, Rules
from qsession._model import Instant, Micros
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _course, _programs
from qsession.emulator._course import Control, Fate, JobPlan, Story, Wish
from qsession.emulator._programs import Outcome, Work
from qsession.emulator._replies import derived_seed, derived_uuid, derived_xid

Pace: TypeAlias = Callable[[Limits | None], tuple[Micros, Micros]]
"""How long a job waits and how long it runs, by the timers of its session (None outside of one)."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job as it was posted.

    Attributes:
        program: Program id.
        backend: Backend name.
        params: ``params`` as posted.
        cost: Limit of its execution time in seconds.
        tags: Its tags.
        session: Id of its session, or None.
        private: Whether its parameters are withheld and its results served once.
        runtime: Image it asked for, or empty.
        caller: Who the client said it was called by.
    """

    program: str
    backend: str
    params: Json
    cost: int
    tags: tuple[str, ...] = ()
    session: str | None = None
    private: bool = False
    runtime: str = ""
    caller: str = ""


@dataclass(slots=True)
class Job:
    """One job. Its plan and tags change under the state's lock only."""

    plan: JobPlan
    crn: str
    order: int
    asked: Submission
    work: Work
    seed: int
    tags: tuple[str, ...]
    outcome: Outcome | None = None
    handed_out: bool = False
    running: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Session:
    """One session or batch with its jobs in order."""

    ident: str
    crn: str
    backend: str
    born: Life
    controls: list[Control] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    latest: Instant = 0
    _story: Story | None = None

    @property
    def story(self) -> Story:
        """What becomes of it and of its jobs."""
        if self._story is None:
            self._story = Story(self.born, self.controls, [job.plan for job in self.jobs])
        return self._story

    def retell(self) -> None:
        """A job, a control or a plan is new."""
        self._story = None

    def note(self, at: Instant) -> Instant:
        """The moment for a new event: threads may bring theirs slightly out of order."""
        self.latest = max(self.latest, at, self.born.created_at)
        return self.latest


@dataclass(frozen=True, slots=True)
class View:
    """A job at one moment."""

    job: Job
    fate: Fate
    tags: tuple[str, ...]


class State:
    """All sessions and jobs. Safe for concurrent use.

    Args:
        seed: Enters every id and every random draw.
        pace: How long jobs wait and run.
        rules: What is not known of the life of sessions.
    """

    def __init__(self, seed: int, *, pace: Pace, rules: Rules) -> None:
        self.rules = rules
        self._seed, self._pace = seed, pace
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._jobs: dict[str, Job] = {}
        self._seen: Counter[str] = Counter()
        self._orders = 0

    def open_session(self, crn: str, backend: str, mode: Mode, limits: Limits, at: Instant) -> Session:
        """Create a session or batch; its id derives from what was asked and how often."""
        key = f"session|{crn}|{backend}|{mode}|{limits}"
        born = _lifecycle.begin(mode, at, limits=limits, rules=self.rules)
        with self._lock:
            ident = derived_uuid(self._seed, key, self._again(key))
            session = Session(ident, crn, backend, born)
            self._sessions[ident] = session
        return session

    def session(self, crn: str, ident: str, at: Instant) -> tuple[Session, Life]:
        """A session at a moment.

        Raises:
            Refused: If the instance has no such session.
        """
        with self._lock:
            session = self._find(crn, ident)
            return session, session.story.life(at)

    def control(self, crn: str, ident: str, wish: Wish, at: Instant) -> None:
        """Stop or resume accepting jobs, or cancel; on a closed session nothing moves (I)."""
        with self._lock:
            session = self._find(crn, ident)
            session.controls.append(Control(session.note(at), wish))
            session.retell()

    def open_sessions(self, at: Instant) -> tuple[str, ...]:
        """Ids of the sessions and batches that are not closed, sorted."""
        with self._lock:
            lives = {s.ident: s.story.life(at) for s in self._sessions.values()}
        return tuple(sorted(ident for ident, life in lives.items() if life.state != "closed"))

    def next_change(self, at: Instant) -> Instant | None:
        """The first moment after another one at which a session or a job looks different."""
        with self._lock:
            moments = [session.story.next_change(at) for session in self._sessions.values()]
            alone = (job.plan for job in self._jobs.values() if job.asked.session is None)
            moments += [_course.next_change_alone(plan, at) for plan in alone]
        return min((moment for moment in moments if moment is not None), default=None)

    def submit(self, crn: str, asked: Submission, work: Work, at: Instant) -> str:
        """Take a job into the queue.

        Returns:
            Its id, which derives from its content and how often that was submitted.

        Raises:
            Refused: If its session is unknown, closed or told to stop.
        """
        key = f"job|{crn}|{asked.backend}|{work.digest}"
        with self._lock:
            session = self._taking(crn, asked, at) if asked.session else None
            at = session.note(at) if session else at
            again = self._again(key)
            ident = derived_xid(self._seed, key, again)
            plan = JobPlan(ident, at, *self._pace(session.born.limits if session else None))
            seed = derived_seed(self._seed, work.digest, again)
            self._orders += 1
            job = Job(plan, crn, self._orders, asked, work, seed, asked.tags)
            self._jobs[ident] = job
            if session is not None:
                session.jobs.append(job)
                session.retell()
        return ident

    def _taking(self, crn: str, asked: Submission, at: Instant) -> Session:
        session = self._find(crn, asked.session or "")
        if not _lifecycle.takes_jobs(session.story.life(max(at, session.latest))):
            raise Refused("session closed")
        if session.backend != asked.backend:
            raise Refused("invalid", f"the session runs on {session.backend}")
        return session

    def job(self, crn: str, ident: str, at: Instant) -> View:
        """A job at a moment.

        Raises:
            Refused: If the instance has no such job.
        """
        with self._lock:
            return self._view(self._find_job(crn, ident), at)

    def jobs(self, crn: str, at: Instant) -> list[View]:
        """All jobs of an instance, oldest first."""
        with self._lock:
            mine = [job for job in self._jobs.values() if job.crn == crn]
            return sorted(
                (self._view(job, at) for job in mine),
                key=lambda view: (view.job.plan.created, view.job.order),
            )

    def sessions(self, crn: str, at: Instant) -> list[Life]:
        """All sessions and batches of an instance."""
        with self._lock:
            return [s.story.life(at) for s in self._sessions.values() if s.crn == crn]

    def cancel_job(self, crn: str, ident: str, at: Instant) -> None:
        """Cancel a job.

        Raises:
            Refused: If it is unknown or in a final status.
        """
        with self._lock:
            job = self._find_job(crn, ident)
            if self._view(job, at).fate.is_final or job.plan.cancelled is not None:
                raise Refused("not cancellable")
            job.plan = replace(job.plan, cancelled=max(at, job.plan.created))
            if job.asked.session is not None:
                self._sessions[job.asked.session].retell()

    def delete_job(self, crn: str, ident: str, at: Instant) -> None:
        """Delete a job that is in a final status; its session's usage remains.

        Raises:
            Refused: If it is unknown or not final.
        """
        with self._lock:
            job = self._find_job(crn, ident)
            if not self._view(job, at).fate.is_final:
                raise Refused("not deletable")
            del self._jobs[ident]

    def tag_job(self, crn: str, ident: str, tags: Sequence[str]) -> None:
        """Replace a job's tags.

        Raises:
            Refused: If it is unknown.
        """
        with self._lock:
            self._find_job(crn, ident).tags = tuple(tags)

    def hand_out(self, job: Job) -> bool:
        """Whether a job's results may be served; a private job's only once (observed)."""
        with self._lock:
            first, job.handed_out = not job.handed_out, True
        return first or not job.asked.private

    def _find(self, crn: str, ident: str) -> Session:
        found = self._sessions.get(ident)
        if found is None or found.crn != crn:
            raise Refused("unknown session", ident)
        return found

    def _find_job(self, crn: str, ident: str) -> Job:
        found = self._jobs.get(ident)
        if found is None or found.crn != crn:
            raise Refused("unknown job", ident)
        return found

    def _view(self, job: Job, at: Instant) -> View:
        session = job.asked.session
        if session is None:
            return View(job, _course.alone(job.plan, at), job.tags)
        return View(job, self._sessions[session].story.fate(job.plan.job, at), job.tags)

    def _again(self, key: str) -> int:
        self._seen[key] += 1
        return self._seen[key]


def outcome(view: View) -> Outcome | None:
    """What the run of a job came to; None for one that has not run to its end.

    The first to ask has it simulated, others wait for that.
    """
    job, fate = view.job, view.fate
    if fate.phase != "Ended" or fate.started is None or fate.ended is None:
        return None
    with job.running:
        if job.outcome is None:
            job.outcome = _programs.run(job.work, job.seed, fate.started, fate.ended)
            # The circuits are not needed again.
            job.work = replace(job.work, body=None)
        return job.outcome

"""Sessions and jobs of the emulated service: what was asked, kept under one lock.

Holds no clock and knows no HTTP. The lock is held to look and to note, never while a
job is simulated.

A state can fork. A state and its forks are lines: what they know in common is copied, and
what is made in one is not known to the others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from typing import TypeAlias

from qsession import _lifecycle
from qsession._lifecycle import Life, Limits, Mode, Rules
from qsession._model import SECOND, Instant, Micros
from qsession._refusals import Refused
from qsession.emulator import _course, _merging, _programs
from qsession.emulator._course import Control, JobPlan, Wish
from qsession.emulator._programs import Outcome, Work
from qsession.emulator._records import Caps, Job, Session, Submission, View
from qsession.emulator._replies import derived_seed, derived_uuid, derived_xid

Pace: TypeAlias = Callable[[Limits | None], tuple[Micros, Micros]]
"""How long a job waits and how long it runs, by the timers of its session (None outside of one)."""


_NO_CAPS = Caps()
_MOST_PAST = 1_000_000
_MINUTE = 60 * SECOND


class State:
    """All sessions and jobs. Safe for concurrent use.

    Args:
        seed: Enters every id and every random draw.
        pace: How long jobs wait and run.
        rules: What is not known of the life of sessions.
        usage_after: How long after its end a job's usage is still pending.
        line: Name of this line; None for the first, whose ids do not have one in them.
    """

    def __init__(
        self, seed: int, *, pace: Pace, rules: Rules, usage_after: Micros = 0, line: str | None = None
    ) -> None:
        self.rules = rules
        self.pace = pace
        self.usage_after = usage_after
        self._seed = seed
        self._named = (seed,) if line is None else (seed, "line", line)
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._jobs: dict[str, Job] = {}
        self._seen: Counter[str] = Counter()
        self._orders = 0

    def fork(self, line: str) -> State:
        """A line that begins as this one is now.

        Only its own name enters its ids, and only what was asked in it the draws of its jobs. So what is
        asked of it is answered alike, whichever of its ancestors did what, and in which order.

        Args:
            line: Its name.
        """
        forked = State(self._seed, pace=self.pace, rules=self.rules, usage_after=self.usage_after, line=line)
        with self._lock:
            forked._orders = self._orders
            forked._jobs = {ident: job.copied() for ident, job in self._jobs.items()}
            forked._sessions = {ident: s.copied(forked._jobs) for ident, s in self._sessions.items()}
        return forked

    def adopt(self, other: State) -> None:
        """Take over the sessions and jobs of another line that this one does not know.

        What both know stays as it is here, but for a session to which only the other line did
        something. A job that the other line sent to any other session of both takes the course that it
        has there. Past jobs are each line's own to tell.

        Args:
            other: The other line, which stays as it is.
        """
        theirs = other.fork("")  # a copy, so that two lines can adopt each other
        with self._lock:
            self._orders = max(self._orders, theirs._orders)
            _merging.merge(self._sessions, self._jobs, theirs._sessions, theirs._jobs)

    def open_session(self, crn: str, backend: str, mode: Mode, limits: Limits, at: Instant) -> Session:
        """Create a session or batch; its id derives from what was asked and how often."""
        key = f"session|{crn}|{backend}|{mode}|{limits}"
        born = _lifecycle.begin(mode, at, limits=limits, rules=self.rules)
        with self._lock:
            ident, _ = self._unused(derived_uuid, key, self._sessions)
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
            session.controls.append(Control(session.note(at), wish, session.turn()))
            session.retell()

    def end_sessions(self, crn: str, at: Instant) -> None:
        """End all sessions and batches of an instance, since it has reached its usage limit."""
        with self._lock:
            for session in self._sessions.values():
                if session.crn == crn and session.story.life(at).state != "closed":
                    session.controls.append(Control(at, "limit"))
                    session.retell()

    def revive_sessions(self, crn: str, at: Instant) -> None:
        """Forget what ends sessions after a moment: somebody acts at it, who has not seen that."""
        with self._lock:
            for session in self._sessions.values():
                kept = [c for c in session.controls if c.wish != "limit" or c.at <= at]
                if session.crn == crn and kept != session.controls:
                    session.controls = kept
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
            alone = (job.plan for job in self._jobs.values() if job.home is None)
            moments += [_course.next_change_alone(plan, at) for plan in alone]
            moments += self._settling(at) if self.usage_after else []
        return min((moment for moment in moments if moment is not None), default=None)

    def _settling(self, at: Instant) -> list[Instant]:
        """When the usage of each job that has ended becomes final, where that is still to come."""
        ended = (self._view(job, at).fate.ended for job in self._jobs.values())
        return [moment + self.usage_after for moment in ended if moment and moment + self.usage_after > at]

    def remember(self, crn: str, asked: Submission, work: Work, plan: JobPlan) -> str:
        """A job outside of any session that was there before anybody asked.

        Args:
            crn: Its instance.
            asked: How it was posted.
            work: What it does.
            plan: Its course; an id is made here if it has none.

        Returns:
            Its id.
        """
        with self._lock:
            order = sum(job.order < 1 for job in self._jobs.values())
            ident = plan.job or derived_xid(self._seed, "past", crn, order, work.digest)
            seed = derived_seed(self._seed, work.digest, "past", order)
            plan = replace(plan, job=ident)
            # Below 1, and in the order in which they are told.
            self._jobs[ident] = Job(plan, crn, order - _MOST_PAST, asked, work, seed, asked.tags)
        return ident

    def remember_session(self, crn: str, ident: str, backend: str, born: Life) -> None:
        """A session or batch that was there before anybody asked, or another past of a known one.

        Args:
            crn: Its instance.
            ident: Its id.
            backend: Its backend.
            born: Its life so far.
        """
        with self._lock:
            session = self._sessions.setdefault(ident, Session(ident, crn, backend, born))
            session.born = born
            session.retell()

    def submit(self, crn: str, asked: Submission, work: Work, at: Instant, *, caps: Caps = _NO_CAPS) -> str:
        """Take a job into the queue.

        Returns:
            Its id, which derives from its content and how often that was submitted.

        Raises:
            Refused: If its session is unknown, closed or told to stop, or there are too many jobs.
        """
        key = f"job|{crn}|{asked.backend}|{work.digest}"
        with self._lock:
            session = self._taking(crn, asked, at) if asked.session else None
            if session is not None and session.backend != asked.backend:
                session = None
            self._check_caps(crn, caps, at)
            at = session.note(at) if session else at
            ident, again = self._unused(derived_xid, key, self._jobs)
            plan = JobPlan(ident, at, *self.pace(session.born.limits if session else None))
            if session is not None:
                plan = replace(plan, turn=session.turn())
            if asked.limit is not None and plan.runs_for > asked.limit * SECOND:
                plan = replace(plan, runs_for=asked.limit * SECOND)
                work = _programs.cut_off(work)
            seed = derived_seed(self._seed, work.digest, again)
            self._orders += 1
            home = session.ident if session else None
            job = Job(plan, crn, self._orders, asked, work, seed, asked.tags, home)
            self._jobs[ident] = job
            if session is not None:
                session.jobs.append(job)
                session.retell()
        return ident

    def _check_caps(self, crn: str, caps: Caps, at: Instant) -> None:
        if caps.a_minute is not None:
            moments = (job.plan.created for job in self._jobs.values() if job.order > 0)
            if sum(at - _MINUTE < moment for moment in moments) >= caps.a_minute:
                raise Refused("too many submissions", str(caps.a_minute))
        if caps.pending is not None:
            mine = (job for job in self._jobs.values() if job.crn == crn)
            if sum(not self._view(job, at).fate.is_final for job in mine) >= caps.pending:
                raise Refused("too many pending", str(caps.pending))

    def _taking(self, crn: str, asked: Submission, at: Instant) -> Session:
        session = self._find(crn, asked.session or "")
        if not _lifecycle.takes_jobs(session.story.life(max(at, session.latest))):
            raise Refused("session closed")
        # A dry run of a session goes to the mock of its backend under the session's id (the client's code).
        if session.backend != asked.backend and not asked.mock:
            raise Refused("invalid", f"the session runs on {session.backend}")
        return session

    def job(self, crn: str, ident: str, at: Instant) -> View:
        """A job at a moment.

        Raises:
            Refused: If the instance has no such job.
        """
        with self._lock:
            return self._view(self._find_job(crn, ident), at)

    def jobs(self, crn: str, at: Instant, *, deleted: bool = False) -> list[View]:
        """All jobs of an instance, oldest first; those that were deleted if asked for."""
        with self._lock:
            mine = [job for job in self._jobs.values() if job.crn == crn and deleted >= job.deleted]
            return sorted(
                (self._view(job, at) for job in mine),
                # Two lines count alike.
                key=lambda view: (view.job.plan.created, view.job.order, view.job.plan.job),
            )

    def sessions(self, crn: str, at: Instant) -> list[tuple[Session, Life]]:
        """All sessions and batches of an instance, in the order of their creation."""
        with self._lock:
            return [(s, s.story.life(at)) for s in self._sessions.values() if s.crn == crn]

    def cancel_job(self, crn: str, ident: str, at: Instant) -> None:
        """Cancel a job.

        Raises:
            Refused: If it is unknown or in a final status.
        """
        with self._lock:
            job = self._find_job(crn, ident)
            if not self._is_open(job, at):
                raise Refused("not cancellable")
            self._cancel(job, at)

    def delete_job(self, crn: str, ident: str, at: Instant) -> None:
        """Delete a job that is in a final status, or any if the rules say so; what it used remains.

        Raises:
            Refused: If it is unknown, or not final where the rules ask for that.
        """
        with self._lock:
            job = self._find_job(crn, ident)
            if self._is_open(job, at):
                if not self.rules.deletes_open_jobs:
                    raise Refused("not deletable")
                self._cancel(job, at)
            job.deleted = True
            # Nobody can ask for them any more.
            job.asked = replace(job.asked, params={})

    def _is_open(self, job: Job, at: Instant) -> bool:
        return not self._view(job, at).fate.is_final and job.plan.cancelled is None

    def _cancel(self, job: Job, at: Instant) -> None:
        session = self._sessions[job.home] if job.home is not None else None
        turn = session.turn() if session else 0
        job.plan = replace(job.plan, cancelled=max(at, job.plan.created), cancel_turn=turn)
        if session is not None:
            session.retell()

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
        if found is None or found.crn != crn or found.deleted:
            raise Refused("unknown job", ident)
        return found

    def _view(self, job: Job, at: Instant) -> View:
        if job.home is None:
            fate = _course.alone(job.plan, at)
        else:
            fate = self._sessions[job.home].story.fate(job.plan.job, at)
        return View(job, fate, job.tags, fate.ended is not None and at >= fate.ended + self.usage_after)

    def _unused(self, derived: Callable[..., str], key: str, known: Container[str]) -> tuple[str, int]:
        """An id of this line, and how often the same was asked of it.

        An ancestor of the same name may have given the id away.
        """
        while True:
            self._seen[key] += 1
            ident = derived(*self._named, key, self._seen[key])
            if ident not in known:
                return ident, self._seen[key]


def outcome(view: View) -> Outcome | None:
    """What the run of a job came to; None for one that has not run to its end.

    The first to ask has it simulated, others wait for that, in other lines too.
    """
    job, fate = view.job, view.fate
    if fate.phase != "Ended" or fate.started is None or fate.ended is None:
        return None
    span = fate.started, fate.ended
    with job.runs.lock:
        if job.outcome is None:
            if span not in job.runs.outcomes:
                job.runs.outcomes[span] = _programs.run(job.work, job.seed, *span)
            job.outcome = job.runs.outcomes[span]
            # The circuits are not needed again in this line.
            job.work = replace(job.work, body=None)
        return job.outcome

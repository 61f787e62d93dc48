"""Requests of the guard's own: questions about what nobody asks about, and cancelling."""

from __future__ import annotations

import _thread
import queue
from collections.abc import Mapping, Set
from types import MappingProxyType

from qsession._bodies import read_object
from qsession._clock import Clock
from qsession._endpoints import BY_NAME, Call
from qsession._model import SECOND, Response
from qsession._money._access import Send, Target, ask, cancel_session, job_url, problem_of, session_url
from qsession._money._book import Book
from qsession._money._ledger import Job, Session
from qsession._money._observe import Sighting

_PAUSES = (0, 1 * SECOND, 3 * SECOND)
_SIGTERM_TIME = 8 * SECOND
_GONE = frozenset({404, 409})
_LIVING_JOB = frozenset({"queued", "running", "completed", "failed"})
_LIVING_SESSION = frozenset({"open", "active", "inactive"})


class Errands:
    """Asks and cancels, and enters what came of it.

    Args:
        book: What is known.
        clock: What time it is.
        send: Sends a request to the service.
    """

    def __init__(self, book: Book, clock: Clock, send: Send) -> None:
        self._book, self._clock, self._send = book, clock, send

    def ask_about(self, item: Session | Job) -> Response | None:
        """Ask the service how a session or job is doing, and enter the answer.

        No answer is no news: the bound then goes on growing with the wall clock.

        Returns:
            The answer, or None.
        """
        sent = self._clock.now()
        self._book.looked(item, sent)
        call, url = question(item, self._book.base(item.id))
        try:
            response, access = ask(self._book.access(item.id), "GET", url, self._send)
        except Exception:  # noqa: BLE001 - a transport may raise anything; see above
            return None
        self._book.renewed(item.id, access)
        self._book.seen(call, response, Sighting(sent, self._clock.now()))
        return response

    def gone(self, *, given_up: Set[str]) -> tuple[str, ...]:
        """Ask about everything that is not known to be over.

        Args:
            given_up: Jobs and sessions that the code under test cancelled itself.

        Returns:
            Lines about jobs that will give no result any more, or of which nothing can be learned,
            and about closed sessions that never had a job.
        """
        problems = []
        for job in self._book.ledger.unfinished_jobs():
            state = _state(self.ask_about(job))
            if state not in _LIVING_JOB and given_up.isdisjoint({job.id, job.session}):
                problems.append(f"job {job.id}: {state}")
        for session in self._book.ledger.open_sessions():
            state = _state(self.ask_about(session))
            if state == "closed":
                used = any(job.session == session.id for job in self._book.ledger.jobs.values())
                problems += [] if used else [f"{session.mode} {session.id}: closed, and no job was submitted"]
            elif state not in _LIVING_SESSION:
                problems.append(f"{session.mode} {session.id}: {state}")
        return tuple(problems)

    def cancel_open(self, reason: str) -> tuple[str, ...]:
        """Cancel all open sessions, with two more rounds for those that resist.

        Args:
            reason: Why.

        Returns:
            A line for each of those that may still be open.
        """
        problems: dict[str, str] = {}
        for pause in _PAUSES:
            targets = self._book.targets()
            if not targets:
                return ()
            self._clock.wait(pause)
            for target in targets:
                problems[target.id] = self._settle(*cancel_session(target, self._send))
        left = (target.id for target in self._book.targets())
        return tuple(f"{one} may still be open ({reason}): {problems[one]}" for one in left)

    def cancel_jobs(self) -> tuple[str, ...]:
        """Cancel the jobs that are not final, each once; a running one would run on.

        Returns:
            A line for each of those that may still run.
        """
        found = []
        for job in self._book.ledger.unfinished_jobs():
            url = f"{job_url(self._book.base(job.id), job.id)}/cancel"
            try:
                response, _ = ask(self._book.access(job.id), "POST", url, self._send)
                problem = "" if response.status in _GONE else problem_of(response)
            except Exception as error:  # noqa: BLE001 - whatever broke, the other jobs come next
                problem = type(error).__name__
            if problem:
                found.append(f"job {job.id} may still run: {problem}")
        return tuple(found)

    def cancel_before_death(self) -> None:
        """Cancel all open sessions, once each, from inside a signal handler.

        The main thread stands still in the handler, perhaps inside a lock that sending
        needs. So the requests go out in a thread of their own, for which the handler waits
        a few seconds and no longer; what is not done by then is left to the watcher. The
        thread is started and heard without the ``threading`` module, whose own locks the
        main thread may hold.
        """
        targets = self._book.targets()
        done: queue.SimpleQueue[tuple[str, Target]] = queue.SimpleQueue()

        def cancel_each() -> None:
            for target in targets:
                done.put(cancel_session(target, self._send))

        _thread.start_new_thread(cancel_each, ())
        deadline = self._clock.now() + _SIGTERM_TIME
        for _ in targets:
            try:
                self._settle(*done.get(timeout=max(0, deadline - self._clock.now()) / SECOND))
            except queue.Empty:
                return

    def _settle(self, problem: str, target: Target) -> str:
        self._book.renewed(target.id, target.access)
        if not problem:
            self._book.closed(target.id, self._clock.now())
        return problem


def question(item: Session | Job, base: str) -> tuple[Call, str]:
    """What is asked about a session or job, and the URL to ask at.

    Args:
        item: The session or job.
        base: Base URL of its API.
    """
    if isinstance(item, Session):
        name, ids, url = "sessions.get", {"session": item.id}, session_url(base, item.id)
    else:
        name, ids, url = "jobs.get", {"job": item.id}, f"{job_url(base, item.id)}?exclude_params=true"
    return Call(BY_NAME[name], MappingProxyType(ids), "", (), ""), url


def _state(answer: Response | None) -> str:
    """What an answer says of a thing, in small letters, or why it says nothing."""
    if answer is None:
        return "the service could not be asked"
    if problem := problem_of(answer):
        return problem
    fields = read_object(answer.body)
    state = fields.get("state")
    if isinstance(state, Mapping):
        state = state.get("status")
    return str(state or fields.get("status")).lower()

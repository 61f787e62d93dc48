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
from qsession._money._access import Access, Send, ask, cancel_session, job_url, session_url
from qsession._money._book import Book
from qsession._money._ledger import Job, Session
from qsession._money._observe import Sighting, is_success
from qsession._money._pipe import Target

_PAUSES = (0, 1 * SECOND, 3 * SECOND)
_SIGTERM_TIME = 8 * SECOND
_GONE = frozenset({404, 409})
_LIVING_JOB = frozenset({"queued", "running", "completed", "failed"})
_LIVING_SESSION = frozenset({"open", "active", "inactive"})


def ask_about(book: Book, item: Session | Job, clock: Clock, send: Send) -> Response | None:
    """Ask the service how a session or job is doing, and enter the answer.

    No answer is no news: the bound then goes on growing with the wall clock.

    Returns:
        The answer, or None.
    """
    sent = clock.now()
    book.looked(item, sent)
    base = book.base(item.id)
    if isinstance(item, Session):
        name, ids, url = "sessions.get", {"session": item.id}, session_url(base, item.id)
    else:
        name, ids, url = "jobs.get", {"job": item.id}, f"{job_url(base, item.id)}?exclude_params=true"
    try:
        response, access = ask(book.access(item.id), "GET", url, send)
    except Exception:  # noqa: BLE001 - a transport may raise anything; see above
        return None
    book.renewed(item.id, access)
    call = Call(BY_NAME[name], MappingProxyType(ids), "", (), "")
    book.seen(call, response, Sighting(sent, clock.now()))
    return response


def gone(book: Book, clock: Clock, send: Send, *, given_up: Set[str]) -> tuple[str, ...]:
    """Ask about everything that is not known to be over.

    Args:
        book: What is known.
        clock: What time it is.
        send: Sends a request to the service.
        given_up: Jobs and sessions that the code under test cancelled itself.

    Returns:
        Lines about jobs that will give no result any more, or of which nothing can be learned,
        and about closed sessions that never had a job.
    """
    problems = []
    for job in book.ledger.unfinished_jobs():
        state = _state(ask_about(book, job, clock, send))
        if state not in _LIVING_JOB and given_up.isdisjoint({job.id, job.session}):
            problems.append(f"job {job.id}: {state}")
    for session in book.ledger.open_sessions():
        state = _state(ask_about(book, session, clock, send))
        if state == "closed":
            used = any(job.session == session.id for job in book.ledger.jobs.values())
            problems += [] if used else [f"{session.mode} {session.id}: closed, and no job was submitted"]
        elif state not in _LIVING_SESSION:
            problems.append(f"{session.mode} {session.id}: {state}")
    return tuple(problems)


def _state(answer: Response | None) -> str:
    """What an answer says of a thing, in small letters, or why it says nothing."""
    if answer is None:
        return "the service could not be asked"
    if not is_success(answer):
        return f"the service answered {answer.status} {answer.reason}".rstrip()
    fields = read_object(answer.body)
    state = fields.get("state")
    if isinstance(state, Mapping):
        state = state.get("status")
    return str(state or fields.get("status")).lower()


def cancel_open(book: Book, clock: Clock, send: Send) -> tuple[tuple[str, str], ...]:
    """Cancel all open sessions, with two more rounds for those that resist.

    Returns:
        Id and reason of those that may still be open.
    """
    problems: dict[str, str] = {}
    for pause in _PAUSES:
        targets = book.targets()
        if not targets:
            return ()
        clock.wait(pause)
        for target in targets:
            problem, access = cancel_session(target.base, target.id, target.access, send)
            _settle(book, target, problem, access, clock)
            problems[target.id] = problem
    return tuple((target.id, problems[target.id]) for target in book.targets())


def cancel_jobs(book: Book, send: Send) -> tuple[tuple[str, str], ...]:
    """Cancel the jobs that are not final, each once; a running one would run on.

    Returns:
        Id and reason of those that may still run.
    """
    found = []
    for job in book.ledger.unfinished_jobs():
        try:
            url = f"{job_url(book.base(job.id), job.id)}/cancel"
            response, _ = ask(book.access(job.id), "POST", url, send)
        except Exception as error:  # noqa: BLE001 - whatever broke, the other jobs come next
            found.append((job.id, type(error).__name__))
            continue
        if not is_success(response) and response.status not in _GONE:
            found.append((job.id, f"the service answered {response.status} {response.reason}".rstrip()))
    return tuple(found)


def cancel_before_death(book: Book, clock: Clock, send: Send) -> None:
    """Cancel all open sessions, once each, from inside a signal handler.

    The main thread stands still in the handler, perhaps inside a lock that sending
    needs. So the requests go out in a thread of their own, for which the handler waits
    a few seconds and no longer; what is not done by then is left to the watcher. The
    thread is started and heard without the ``threading`` module, whose own locks the
    main thread may hold.
    """
    targets = book.targets()
    done: queue.SimpleQueue[tuple[Target, str, Access]] = queue.SimpleQueue()

    def cancel_each() -> None:
        for target in targets:
            done.put((target, *cancel_session(target.base, target.id, target.access, send)))

    _thread.start_new_thread(cancel_each, ())
    deadline = clock.now() + _SIGTERM_TIME
    for _ in targets:
        try:
            target, problem, access = done.get(timeout=max(0, deadline - clock.now()) / SECOND)
        except queue.Empty:
            return
        _settle(book, target, problem, access, clock)


def _settle(book: Book, target: Target, problem: str, access: Access, clock: Clock) -> None:
    book.renewed(target.id, access)
    if not problem:
        book.closed(target.id, clock.now())

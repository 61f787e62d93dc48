"""What the guard knows, kept in step with the notes on disk and the watcher.

Every change happens under one lock and replaces the ledger as a whole, so that a
signal handler that reads it in between sees a ledger, not half of one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from qsession._bodies import read_object
from qsession._clock import isoformat
from qsession._endpoints import Call
from qsession._model import Instant, Request, Response
from qsession._money import _messages, _notes
from qsession._money._access import Access, Address, Keyring, Target, address_of
from qsession._money._ledger import Job, Ledger, Session
from qsession._money._observe import Sighting, is_success, number, observe, text
from qsession._money._pipe import State
from qsession._money._watcher import Watcher
from qsession.errors import BudgetError

# Answers to a creating request after which nothing was created for certain: refused
# (4xx), "not available" and the gateway's "service is down". Any other failure may
# have come after the work was done: a write that hung was cut with 520 (observed by
# others).
_NOT_DONE = frozenset({503, 521})


@dataclass(frozen=True, slots=True)
class Flight:
    """A request on its way.

    Attributes:
        sent: When it was sent.
        key: Our name for what it creates, empty when it creates nothing.
        book: Where it is entered, if not in the book of whoever sent it.
    """

    sent: Instant
    key: str = ""
    book: Book | None = None


class Book:
    """Ledger, credentials, notes and watcher of one run.

    Args:
        folder: Where notes go.
        watcher: The watcher process; None to do without.
    """

    def __init__(self, folder: Path, watcher: Watcher | None) -> None:
        self.lock = threading.RLock()
        self.ledger = Ledger()
        self.folder = folder.absolute()
        self._watcher = watcher
        self._keys = Keyring()
        self._where: dict[str, Address] = {}
        self._noted: set[str] = set()
        self._unanswered: dict[str, Instant] = {}
        self._count = 0

    def prepare(self) -> None:
        """Make sure that a session can be noted and outlived, before there is one.

        Raises:
            BudgetError: QS605 or QS606 when it cannot.
        """
        with self.lock:
            _notes.prepare(self.folder)
            if self._watcher is not None:
                self._watcher.start()

    def session_asked(self, at: Instant) -> Flight:
        """Enter that a session is being asked for."""
        with self.lock:
            key = self._name("session asked for", at)
            self._unanswered[key] = at
        return Flight(at, key)

    def job_asked(self, call: Call, request: Request, at: Instant) -> Flight:
        """Reserve what a job may need; it stays reserved if no answer ever comes."""
        fields = read_object(request.body)
        with self.lock:
            key = self._name("job submitted", at)
            job = Job(
                key,
                text(fields, "backend"),
                text(fields, "session_id"),
                at,
                at,
                cost=number(fields, "cost"),
                answered=False,
            )
            if job.session:
                self._where.setdefault(job.session, address_of(request, call.path))
            self.ledger = self.ledger.with_job(job)
        return Flight(at, key)

    def withdrawn(self, flight: Flight) -> None:
        """Drop what was reserved for a job that was not sent."""
        with self.lock:
            self.ledger = self.ledger.without_job(flight.key)

    def taken_up(self, job_id: str) -> None:
        """Enter that a job outside of a session may have been parked: its note goes when it is over."""
        with self.lock:
            job = self.ledger.jobs.get(job_id)
            if job is not None and not job.session:
                self._noted.add(job_id)

    def answered(self, flight: Flight, call: Call, request: Request, response: Response, at: Instant) -> None:
        """Enter an answer; a session that it created is noted when this returns.

        Raises:
            BudgetError: QS605 if the watcher is gone and cannot be started again, QS606
                if a note could not be written.
        """
        with self._change():
            if call.endpoint.name == "iam.token":
                self._keys.learn_grant(request, response)
            elif call.endpoint.family == "runtime":
                self._keys.learn(request, response)
                self._enter(flight, call, request, response, at)
                self._sync()

    def seen(self, call: Call, response: Response, seen: Sighting) -> None:
        """Enter the answer to a question of the guard's own."""
        with self._change():
            self.ledger = observe(self.ledger, call, response, seen)
            self._sync()

    def looked(self, item: Session | Job, at: Instant) -> None:
        """Enter that the guard is about to ask about an item."""
        with self.lock:
            self.ledger = self.ledger.looked(item, at)

    def closed(self, session_id: str, at: Instant) -> None:
        """Enter that a session is closed.

        A note or a word to the watcher that fails here only costs one needless
        request later, while an error would keep the next session open.
        """
        with suppress(BudgetError), self._change():
            self.ledger = self.ledger.closed(session_id, at)
            self._sync()

    def renewed(self, item_id: str, access: Access) -> None:
        """Keep the credentials that the last request about an item worked with."""
        with self.lock:
            self._keys.put(self._where[item_id], access)

    def park(self, command: str) -> None:
        """Leave the open batches and the unfinished jobs outside of sessions until somebody collects them.

        The notes come first: where they cannot be written nothing is left.

        Args:
            command: Collects them.

        Raises:
            BudgetError: QS605 or QS606 if it could not be noted.
        """
        self.prepare()
        with self._change():
            batches = self.ledger.open_sessions()
            left: list[Session | Job] = [*batches]
            left += [job for job in self.ledger.unfinished_jobs() if not job.session]
            for item in left:
                _notes.add(self.folder, replace(self._note(item), parked=command))
            for session in batches:
                self._noted.discard(session.id)
                self.ledger = self.ledger.with_session(replace(session, own=False))
            self._sync()

    def targets(self) -> tuple[Target, ...]:
        """The open sessions, with what it takes to cancel them. Takes no lock."""
        return tuple(Target(s.id, self.base(s.id), self.access(s.id)) for s in self.ledger.open_sessions())

    def access(self, item_id: str) -> Access:
        """Credentials for a session or job."""
        return self._keys.get(self._where[item_id])

    def access_to(self, base: str, is_it: Callable[[str], bool]) -> Access | None:
        """Credentials for an instance that another process used."""
        return self._keys.find(base, is_it)

    def base(self, item_id: str) -> str:
        """Base URL of a session or job."""
        return self._where[item_id].base

    def addresses(self) -> Mapping[str, Address]:
        """Where everything that is known lives, by id."""
        return self._where.copy()

    def unanswered(self) -> tuple[str, ...]:
        """The sessions that were asked for and may exist without our knowing an id."""
        return tuple(
            f"{key}: no answer; if it exists it costs nothing and closes after 30 minutes without a job"
            for key in self._unanswered
        )

    def leave(self) -> None:
        """Let the watcher go; it cancels what is still open."""
        with self.lock:
            if self._watcher is not None:
                self._watcher.leave()

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self.lock:
            try:
                yield
            except OSError as error:
                raise _messages.no_notes(self.folder, error) from error

    def _name(self, what: str, at: Instant) -> str:
        self._count += 1
        return f"{what} at {isoformat(at)} (no. {self._count})"

    def _enter(self, flight: Flight, call: Call, request: Request, response: Response, at: Instant) -> None:
        name = call.endpoint.name
        if name in {"sessions.create", "jobs.create"} and not _may_exist(response):
            self._unanswered.pop(flight.key, None)
            self.ledger = self.ledger.without_job(flight.key)
            return
        created = text(read_object(response.body), "id") if is_success(response) else ""
        if name == "sessions.create" and created:
            self._unanswered.pop(flight.key, None)
            self._where[created] = address_of(request, call.path)
            self.ledger = self.ledger.with_session(_new_session(created, flight, request, response, at))
        elif name == "jobs.create" and created:
            self._where[created] = address_of(request, call.path)
            self._name_job(flight, created, at)
        else:
            self.ledger = observe(self.ledger, call, response, Sighting(flight.sent, at))

    def _name_job(self, flight: Flight, job_id: str, at: Instant) -> None:
        job = self.ledger.jobs.get(flight.key)
        if job is not None:
            named = replace(job, id=job_id, answered=True, looked=at)
            self.ledger = self.ledger.without_job(flight.key).with_job(named)

    def _sync(self) -> None:
        # The pipe comes first: what stands in it survives this process, and it is
        # quicker than a disk.
        if self._watcher is not None:
            self._watcher.tell(State(self.folder, self.targets()))
        still_open = {session.id: session for session in self.ledger.open_sessions()}
        for session_id in still_open.keys() - self._noted:
            _notes.add(self.folder, self._note(still_open[session_id]))
            self._noted.add(session_id)
        # Of jobs only those have a note that were parked before they were taken up.
        unfinished = {job.id for job in self.ledger.unfinished_jobs()}
        for item_id in self._noted - still_open.keys() - unfinished:
            _notes.forget(self.folder, item_id)
            self._noted.discard(item_id)

    def _note(self, item: Session | Job) -> _notes.OpenNote:
        kind, pid = "job" if isinstance(item, Job) else item.mode, os.getpid()
        base = self.base(item.id)
        return _notes.OpenNote(item.id, kind, item.backend, base, item.looked, pid, _notes.born(pid))


def _may_exist(response: Response) -> bool:
    if is_success(response):
        return True
    return response.status >= 500 and response.status not in _NOT_DONE


def _new_session(
    session_id: str, flight: Flight, request: Request, response: Response, at: Instant
) -> Session:
    asked, given = read_object(request.body), read_object(response.body)
    backend = text(given, "backend_name") or text(asked, "backend") or text(asked, "backend_name")
    mode = text(asked, "mode") or text(given, "mode")
    return Session(session_id, "batch" if mode == "batch" else "dedicated", backend, flight.sent, at)

"""The rules of the guard: what is let through, what waits, what is stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from qsession._bodies import read_object
from qsession._clock import Clock
from qsession._endpoints import Call
from qsession._model import SECOND, Instant, Request, Response
from qsession._money import _messages
from qsession._money._access import Access, Send
from qsession._money._book import Book, Flight
from qsession._money._count import Count
from qsession._money._errands import Errands
from qsession._money._observe import Sighting, is_success, text
from qsession._money._pace import Pace
from qsession._money._purse import Purse
from qsession._money._shares import Place
from qsession._money._termination import Termination
from qsession._money._watcher import Watcher
from qsession.errors import BudgetError

_ENDINGS = frozenset({"sessions.update", "sessions.cancel", "jobs.cancel", "jobs.delete"})
_SPENDING = frozenset({"sessions.create", "jobs.create"})
_GIVEN_UP = frozenset({"sessions.cancel", "jobs.cancel", "jobs.delete"})
_LOOKS_AT_ONCE = 5
_FRESH, _OLD = 1.0, 10.0  # seconds
_SHORTEST_PAUSE = 0.05  # seconds
_JOIN_SECONDS = 10.0


class MoneyGuard:
    """Keeps one run against the service within its QPU seconds.

    Use it as a context manager around the run. ``before`` and ``after`` may be called
    by any thread, the two of one request by the same thread.

    While a session with jobs was not yet seen running, its wall clock is counted from
    the last moment at which it is known not to have run. Code under test that polls
    keeps that moment fresh; for code that sleeps, a thread of the guard asks instead,
    at most once in 10 s for each session or job, and more often as the budget nears
    its end. Counting from the submission alone would be as safe, but would cancel
    every session that queues for longer than its budget, which is most of them.

    Args:
        budget_seconds: QPU seconds that were agreed to.
        folder: Folder such as ``.qsession``; notes of open sessions go to its ``open``.
        clock: What time it is.
        send: Sends a request to the service outside the recording.
        reaper: Whether to start the watcher process before the first session.
        look_seconds: How often the thread looks at the sum, in seconds of real time.
        purse: What the budget paid for besides: other runs of this process, and other
            processes. By default one that knows nothing else.
        pace: Spaces submissions; by default the purse does, for everybody who works in the
            folder, since the service counts a user's submissions, whatever run they belong to.
    """

    def __init__(
        self,
        *,
        budget_seconds: float,
        folder: Path,
        clock: Clock,
        send: Send,
        reaper: bool = True,
        look_seconds: float = 1.0,
        purse: Purse | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._clock, self._send = clock, send
        self._look_seconds = look_seconds
        self._watcher = Watcher() if reaper else None
        self._book = Book(folder, self._watcher)
        self._errands = Errands(self._book, clock, send)
        self._purse = purse or Purse(folder)
        self._count = Count(budget_seconds, self._book, self._purse, self._enforce)
        self._pace: Pace | Purse = pace or self._purse
        self._flights: dict[int, Flight] = {}
        self._stopped = False
        self._exceeded: BudgetError | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._termination = Termination(self._errands.cancel_before_death)
        self._owner = 0

    @property
    def exceeded(self) -> BudgetError | None:
        """Why the run was stopped, once its sessions were cancelled for it."""
        return self._exceeded

    def __enter__(self) -> Self:
        self._owner = os.getpid()
        self._purse.opened(self._count)
        self._termination.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owner != os.getpid():
            return  # A forked child: the sessions are its parent's.
        try:
            self._over.set()
            self._close_at_end(error)
        finally:
            # Whatever interrupted the cancelling, the watcher goes on from here.
            self._book.leave()
            self._termination.remove()
            self._count.ended = self._clock.now()
            self._purse.closed(self._count, self.spent(self._count.ended))
            if self._thread is not None:
                self._thread.join(_JOIN_SECONDS)

    def before(self, call: Call, request: Request, at: Instant) -> None:
        """Let a request pass, make it wait, or refuse it.

        Args:
            call: What the request asks for.
            request: The request as the service will see it.
            at: The present moment.

        Raises:
            BudgetError: QS601 or QS602 when the rest of the budget does not cover it,
                QS603 when the run was stopped, QS605 or QS606 when a session could
                not be cleaned up after the death of this process, QS630 or QS631 when
                nobody could tell what other processes spend.
        """
        name, flight = call.endpoint.name, Flight(at)
        if name in _SPENDING:
            # Others may have used up the budget since.
            self._enforce(at)
        if call.endpoint.family == "runtime" and name not in _ENDINGS:
            self._refuse_when_stopped(at)
        if name == "sessions.create":
            flight = self._admit_session(request, at)
        elif name == "jobs.create":
            flight = self._admit_job(call, request, at)
        self._flights[threading.get_ident()] = flight

    def after(self, call: Call, request: Request, response: Response, at: Instant) -> None:
        """Enter an answer; a session that it created is noted when this returns.

        Args:
            call: What the request asked for.
            request: The request as the service saw it.
            response: The answer.
            at: The moment of the answer.

        Raises:
            BudgetError: QS603 when the budget is used up; the sessions of the run
                are cancelled by then. QS605 or QS606 when an open session cannot
                be noted; it is cancelled by then.
        """
        flight = self._flights.pop(threading.get_ident(), Flight(at))
        self._enter(flight, call, request, response, at)
        if call.endpoint.family != "runtime":
            return
        self._enforce(at)
        self._purse.lowered(at)
        if self._stopped and call.endpoint.name not in _ENDINGS:
            # This answer may have brought a session that the stop did not know of.
            self._errands.cancel_open("limit reached")
            self._refuse_when_stopped(at)

    def resumed(self, call: Call, request: Request, response: Response, sent: Instant, at: Instant) -> None:
        """Enter an exchange of an earlier process, whose run goes on here.

        What it opened is this run's from here on: watched, counted, cancelled at the end.

        Args:
            call: What the request asked for.
            request: The request as the service would see it now.
            response: The answer that it had.
            sent: When it was sent.
            at: When it was answered.

        Raises:
            BudgetError: QS605 or QS606 when an open session cannot be noted.
        """
        name, flight = call.endpoint.name, Flight(sent)
        if name == "sessions.create":
            self._book.prepare()
            flight = self._book.session_asked(sent)
        elif name == "jobs.create":
            flight = self._count.job_asked(call, request, sent)
        self._enter(flight, call, request, response, at)
        if name == "jobs.create" and is_success(response):
            self._book.taken_up(text(read_object(response.body), "id"))
        elif name in _GIVEN_UP:
            self._count.given_up |= set(call.ids.values())

    def catch_up(self) -> tuple[str, ...]:
        """Ask what became of everything meanwhile, before it is counted by the wall clock.

        Returns:
            What the run waits for in vain, line by line.
        """
        given_up = self._count.given_up
        problems = self._errands.gone(given_up=given_up)
        for other in self._count.beside():
            # A job in a session of theirs is entered with them.
            errands = Errands(other.book, self._clock, self._send)
            problems += errands.gone(given_up=given_up | other.given_up)
        self._start_thread()
        return problems

    def may_be_left(self, job_id: str) -> bool:
        """Whether a run that waits for a job can be parked: nothing goes on costing meanwhile."""
        ledger = self._book.ledger
        job, dedicated = ledger.jobs.get(job_id), [s for s in ledger.open_sessions() if s.mode != "batch"]
        session = ledger.sessions.get(job.session) if job is not None else None
        return job is not None and not dedicated and (session is None or session.mode == "batch")

    def park(self, command: str) -> None:
        """Leave what is queued: note it as parked, and let neither this process nor the watcher cancel it.

        Args:
            command: Collects it.

        Raises:
            BudgetError: QS606 if that cannot be noted; then it is cancelled at the end, as ever.
        """
        self._book.park(command)

    def close_all(self, reason: str) -> None:
        """Cancel every session and batch of this run that is not known to be closed.

        Args:
            reason: Why, for the message.

        Raises:
            BudgetError: QS604, after all were tried, naming those that may be open.
        """
        if problems := self._errands.cancel_open(reason):
            raise _messages.not_cancelled(problems, watched=self._watcher is not None)

    def spent(self, at: Instant) -> float:
        """Upper bound of what the run has cost by a moment, in QPU seconds."""
        return self._count.spent(at)

    def ledger(self, at: Instant) -> tuple[str, ...]:
        """The bound, line by line, with what others spent of the budget."""
        return self._count.lines(at)

    def look(self) -> None:
        """Ask about what nobody asked about lately, and stop the run at the limit.

        The guard's thread calls this about once a second.
        """
        try:
            for item in self._book.ledger.stale(self._clock.now(), self._patience())[:_LOOKS_AT_ONCE]:
                self._errands.ask_about(item)
            for estate in self._purse.inherited(self._clock.now()):
                estate.look(self._clock, self._send, self._access_to)
            self._enforce(self._clock.now())
            self._purse.lowered(self._clock.now())
        except BudgetError as error:
            # Nobody stands above the thread to catch it, so the run raises it.
            self._errands.cancel_open("not noted")
            self._exceeded, self._stopped = error, True

    def _enter(self, flight: Flight, call: Call, request: Request, response: Response, at: Instant) -> None:
        own = flight if flight.book is None else Flight(flight.sent)
        try:
            self._book.answered(own, call, request, response, at)
            if flight.book is not None:
                flight.book.answered(flight, call, request, response, at)
            for other in self._count.beside():
                # What is asked here may be about what was opened there.
                other.book.seen(call, response, Sighting(flight.sent, at))
        except BudgetError:
            self._errands.cancel_open("not noted")
            raise

    def _admit_session(self, request: Request, at: Instant) -> Flight:
        self._count.afford_session(request, at)
        self._book.prepare()
        self._start_thread()
        return self._book.session_asked(at)

    def _admit_job(self, call: Call, request: Request, at: Instant) -> Flight:
        self._count.afford_job(request, at)
        self._start_thread()
        free = self._pace.claim(at)
        if free > at:
            self._clock.wait(free - at)
            at = self._clock.now()
            self._refuse_when_stopped(at)
        with self._purse.turn(at):
            # Once more in a turn: other threads and processes may have taken the rest.
            self._count.afford_job(request, at)
            flight = self._count.job_asked(call, request, at)
            try:
                self._purse.reserved(at)
            except BudgetError:
                (flight.book or self._book).withdrawn(flight)
                raise
        return flight

    def _refuse_when_stopped(self, at: Instant) -> None:
        if self._stopped:
            # While another thread is still cancelling, there is no final word yet.
            raise self._exceeded or self._limit_reached(at)(())

    def _enforce(self, at: Instant) -> None:
        # The book's lock is not held meanwhile: a handler of signals needs it, and may have interrupted
        # somebody who holds the purse's.
        if self._stopped or self._count.left(at) >= 0:
            return
        reached = self._limit_reached(at)
        if not self._stop():
            return
        left = (*self._errands.cancel_open("limit reached"), *self._errands.cancel_jobs())
        self._exceeded = reached(left)
        for other in self._count.beside():
            # They spend from the same purse, and would find out within a second.
            other.alarm(at)

    def _stop(self) -> bool:
        """Stop the run; of several that find out at once, one is told to act."""
        with self._book.lock:
            first, self._stopped = not self._stopped, True
        return first

    def _limit_reached(self, at: Instant) -> Callable[[Sequence[str]], BudgetError]:
        spent, lines = self._count.total(at), self._count.lines(at)
        return lambda left: _messages.limit_reached(spent, self._count.budget, lines, left)

    def _access_to(self, place: Place) -> Access | None:
        return self._book.access_to(place.base, lambda crn: self._purse.mark(crn) == place.instance)

    def _close_at_end(self, error: BaseException | None) -> None:
        try:
            self.close_all("teardown")
        except BudgetError as problem:
            # What is under way already, Ctrl-C above all, must not turn into this.
            if error is None:
                raise
            error.add_note(str(problem))

    def _patience(self) -> int:
        left = self._count.left(self._clock.now())
        return int(min(_OLD, max(_FRESH, left / 4)) * SECOND)

    def _start_thread(self) -> None:
        with self._book.lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._keep_looking, name="qsession money guard", daemon=True
                )
                self._thread.start()

    def _keep_looking(self) -> None:
        while not self._over.wait(self._pause()):
            self.look()

    def _pause(self) -> float:
        """How long to wait for the next look, in seconds of real time: the limit is found when it is reached.

        However many sessions of however many processes run, each a second a second.
        """
        at = self._clock.now()
        try:
            left, pace = self._count.left(at), self._count.total(at + SECOND) - self._count.total(at)
        except BudgetError:
            return self._look_seconds  # the next look says so
        if self._stopped or pace <= 0:
            return self._look_seconds
        return min(self._look_seconds, max(_SHORTEST_PAUSE, left / pace))

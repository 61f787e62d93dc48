"""What one run counts of its budget: its own book, and what others spend from the same purse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from qsession._bodies import read_object
from qsession._endpoints import Call
from qsession._model import Instant, Request
from qsession._money import _messages
from qsession._money._book import Book, Flight
from qsession._money._ledger import DEFAULT_JOB_SECONDS, Entry, Ledger
from qsession._money._observe import number, text
from qsession._money._purse import Purse
from qsession._money._shares import Place

SMALLEST_CHARGE = 1.0
"""QPU seconds a job needs at least, since charges come in whole seconds (observed by
others). What one without ``cost`` in a dedicated session is held against: such a job
is charged through the wall clock of its session, which is watched."""


@dataclass(slots=True, eq=False)
class Count:
    """The bound of one run, beside those of the others.

    Attributes:
        budget: QPU seconds that were agreed to, for all of them together.
        book: What this run knows.
        purse: What everybody else spends.
        alarm: Called when the budget may be used up, by whoever found out.
        given_up: Jobs and sessions that the code under test cancelled itself.
        ended: When the run ended; from then on its bound stands still, since what may
            still run is not ours to watch.
    """

    budget: float
    book: Book
    purse: Purse
    alarm: Callable[[Instant], None]
    given_up: set[str] = field(default_factory=set)
    ended: Instant | None = None

    @property
    def counted(self) -> Ledger:
        """What this run may have spent."""
        return self.book.ledger

    def places(self, mark: Callable[[str], str]) -> Mapping[str, Place]:
        """Where its sessions and jobs live, by id, without anything that identifies an instance."""
        return {
            name: Place(address.base, mark(address.instance))
            for name, address in self.book.addresses().items()
        }

    def entries(self, at: Instant) -> Iterable[Entry]:
        """The bound of this run, item by item."""
        return self.book.ledger.entries(at)

    def spent(self, at: Instant) -> float:
        """Upper bound of what this run has cost by a moment, in QPU seconds."""
        return self.book.ledger.spent(at if self.ended is None else min(at, self.ended))

    def total(self, at: Instant) -> float:
        """The same for everybody who spends from the purse.

        Raises:
            BudgetError: QS631 if nobody can tell what another process spent.
        """
        # What ended the purse keeps itself.
        own = self.spent(at) if self.ended is None else 0.0
        return own + self.purse.spent_elsewhere(self, at)

    def left(self, at: Instant) -> float:
        """QPU seconds that nobody has used for certain."""
        return self.budget - self.total(at)

    def lines(self, at: Instant) -> tuple[str, ...]:
        """The bound, line by line, with what others spent after what this run did."""
        total = f"budget {self.budget:g} s, counted {self.total(at):.1f} s"
        entries = (*self.entries(at), *self.purse.entries_elsewhere(self, at))
        return (total, *(str(entry) for entry in entries), *self.book.unanswered())

    def beside(self) -> tuple[Count, ...]:
        """Those of the other runs of this process, which pause."""
        return tuple(each for each in self.purse.beside(self) if isinstance(each, Count))

    def afford_session(self, request: Request, at: Instant) -> None:
        """Refuse a session that may live for longer than the budget reaches.

        Raises:
            BudgetError: QS601.
        """
        asked, left = number(read_object(request.body), "max_ttl"), self.left(at)
        if asked is not None and asked > left:
            raise _messages.max_time_above(asked, left, self.budget, self.lines(at))

    def afford_job(self, request: Request, at: Instant) -> None:
        """Refuse a job that may need more than is left.

        Raises:
            BudgetError: QS602.
        """
        fields, left = read_object(request.body), self.left(at)
        cost, session_id = number(fields, "cost"), text(fields, "session_id")
        session = self._host(session_id).book.ledger.sessions.get(session_id)
        alone = session is None or session.mode == "batch"
        needed = cost if cost is not None else DEFAULT_JOB_SECONDS if alone else SMALLEST_CHARGE
        if needed > left:
            raise _messages.cost_above(needed, left, self.budget, self.lines(at), given=cost is not None)

    def job_asked(self, call: Call, request: Request, at: Instant) -> Flight:
        """Reserve what a job may need, where its session is counted."""
        host = self._host(text(read_object(request.body), "session_id"))
        flight = host.book.job_asked(call, request, at)
        return flight if host is self else replace(flight, book=host.book)

    def _host(self, session_id: str) -> Count:
        """The run that opened a session, if that only pauses: its wall clock is counted there."""
        if not session_id or session_id in self.counted.sessions:
            return self
        return next((each for each in self.beside() if session_id in each.counted.sessions), self)

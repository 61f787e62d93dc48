"""What a process of the run left that died: asked about by the living, until it is settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from qsession._clock import Clock
from qsession._model import SECOND, Instant
from qsession._money._access import Access, Send, ask
from qsession._money._errands import question
from qsession._money._ledger import Entry, Ledger
from qsession._money._observe import Sighting, observe
from qsession._money._shares import Place

_PATIENCE = 10 * SECOND
_LOOKS_AT_ONCE = 5


class Estate:
    """The ledger of a process that died. Its watcher cancels what it left open; here it is only counted.

    Args:
        ledger: What it had under way.
        places: Where that lives, by id.
    """

    def __init__(self, ledger: Ledger, places: Mapping[str, Place]) -> None:
        self.counted = ledger
        known = {*ledger.sessions, *ledger.jobs}
        self._places = {name: place for name, place in places.items() if name in known}

    def places(self, mark: Callable[[str], str]) -> Mapping[str, Place]:
        """Where its things live, by id."""
        return self._places

    def entries(self, at: Instant) -> Iterable[Entry]:
        """Its bound, item by item."""
        left = self.counted.entries(at)
        return (replace(entry, why=f"left by a worker that died; {entry.why}") for entry in left)

    def look(self, clock: Clock, send: Send, access_to: Callable[[Place], Access | None]) -> None:
        """Ask about what nobody asked about lately. No answer is no news.

        Args:
            clock: What time it is.
            send: Sends a request to the service.
            access_to: Credentials for a place; None where this process has none.
        """
        for item in self.counted.stale(clock.now(), _PATIENCE)[:_LOOKS_AT_ONCE]:
            sent, place = clock.now(), self._places.get(item.id)
            self.counted = self.counted.looked(item, sent)
            access = access_to(place) if place is not None else None
            if place is None or access is None:
                continue
            call, url = question(item, place.base)
            try:
                response, _ = ask(access, "GET", url, send)
            except Exception:  # noqa: BLE001, S112 - a transport may raise anything
                continue
            self.counted = observe(self.counted, call, response, Sighting(sent, clock.now()))

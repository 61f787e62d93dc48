"""The requests of a run: answered or refused, and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit

from qsession import _explain, _guard, _setup, _wire
from qsession._config import Settings
from qsession._endpoints import Call, identify
from qsession._model import Place, Request, Response
from qsession._run._replaying import Replaying
from qsession._run._way import Way
from qsession._tally import Tally
from qsession.errors import BudgetError, CassetteError, QSessionError, ReplayMismatch, UsageError

_OK = 300


class Requests:
    """Answers the requests of a run, or refuses them. Safe for concurrent use.

    Args:
        settings: What the run is made of.
        way: How they are answered.
        is_on: Whether the run is on.
        look_at: Looks at each before it is answered; may refuse it.
        owner: Says what fixture made what a request is about, and has ended.

    Attributes:
        refusals: What had no answer.
        answered: How many were answered.
        sessions: How many sessions and batches they opened.
    """

    def __init__(
        self,
        settings: Settings,
        way: Way,
        *,
        is_on: Callable[[], bool],
        look_at: Callable[[Call, Request], None],
        owner: Callable[[Call], str],
    ) -> None:
        self._settings, self._way, self._is_on, self._look_at = settings, way, is_on, look_at
        self._owner = owner
        self._lock = threading.Lock()
        self.refusals = Tally()
        self.answered = self.sessions = 0

    def handle(self, request: Request, send: _wire.Send) -> Response:
        """Answer a request of this process, or refuse it.

        Args:
            request: The request.
            send: Sends it to the real network.

        Raises:
            QSessionError: If it has no answer.
        """
        call = identify(request)
        if not self._is_on():
            # What is none of the service's was let through before, and still is.
            return send(request) if call is None else self._too_late(call, request, send)
        if call is None:
            if not self._may_pass(urlsplit(request.url).hostname or ""):
                self._refuse(_explain.stranger(request, self.place()))
            return send(request)
        if self._way.parked is not None:
            raise self._way.parked
        try:
            assert self._way.answers is not None
            self._look_at(call, request)
            if isinstance(self._way, Replaying):
                self._way.check_version(request.headers.get("ibm-api-version", ""))
            answer = self._way.answers.answer(call, request, send)
        except (ReplayMismatch, BudgetError, CassetteError, UsageError) as refusal:
            self._refuse(refusal, call)
        self._count(call, answer)
        return answer

    def _count(self, call: Call, answer: Response) -> None:
        with self._lock:
            self.answered += 1
            made = call.endpoint.name == "sessions.create" and answer.status < _OK
            self.sessions += made and self._settings.mode != "replay"

    def refuse_host(self, host: str) -> NoReturn:
        """Refuse a connection to a host.

        Raises:
            ReplayMismatch: Always.
        """
        self._refuse(_explain.way_out(host, self.place()))

    def note_child(self, note: str) -> None:
        """Take up what a child process was refused."""
        self.refusals.add(_explain.child_refused(note, self.place()))

    def place(self) -> Place:
        """Where the run stands, for messages."""
        return _setup.place(self._settings, self._way.origin)

    def _too_late(self, call: Call, request: Request, send: _wire.Send) -> Response:
        # A connection of this run lives on in a pool. Where the run had the service,
        # reading goes on; what costs money does not, nor does anything else.
        if self._settings.reaches_the_service and request.method == "GET":
            return send(request)
        where = self._settings.test or str(self._settings.path or "")
        raise _explain.too_late(call, request, where=where, owner=self._owner(call))

    def _refuse(self, refusal: QSessionError, call: Call | None = None) -> NoReturn:
        self.refusals.add(refusal, call)
        raise refusal

    def _may_pass(self, host: str) -> bool:
        settings = self._settings
        is_allowed = _guard.is_loopback(host) or host.lower() in settings.allowed_hosts
        return settings.reaches_the_service or is_allowed

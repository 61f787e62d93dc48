"""A server on a socket: connections, threads, and one answer after the other.

Each connection has its own thread, from its first byte on: a client that says nothing, or
shakes no hand, keeps nobody waiting. Head and body of an answer go out in one piece, since
apart they cost a client 42 ms (Nagle's algorithm against delayed acknowledgements).
"""

from __future__ import annotations

import socket
import ssl
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

from qsession._clock import Clock, SystemClock
from qsession._loopback._gate import admit
from qsession._loopback._http import Gone, Limits, Peer, Unreadable
from qsession._loopback._request_log import Entry, RequestLog
from qsession._model import SECOND, Instant, Request, Response
from qsession._refusals import Refused, refusal

_TLS_HELLO = 0x16
_LOOK_ROUND_SECONDS = 0.05
_FAREWELL = 5 * SECOND
_PARTING_SECONDS = 1.0
_PARTING_PIECES = 64


Answer: TypeAlias = Callable[[Request, Instant], Response]
"""Answers a request at its moment. It may raise: the client is told then that it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a server serves, and how.

    Attributes:
        answer: What answers.
        clock: Where the moments of requests come from.
        context: TLS for those who speak it; None where nobody can.
        log: Where answered requests are noted; None for nowhere.
        limits: Bounds of requests.
    """

    answer: Answer
    clock: Clock
    context: ssl.SSLContext | None = None
    log: RequestLog | None = None
    limits: Limits = field(default_factory=Limits)


class LoopbackServer:
    """Takes connections until told to stop, and then says goodbye.

    Args:
        listener: A listening socket, which the server closes.
        service: What it serves.
    """

    def __init__(self, listener: socket.socket, service: Service) -> None:
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        self._service = service
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._accepting = threading.Thread(target=self._accept, name="qsession-server", daemon=True)

    def start(self) -> None:
        """Begin to accept connections."""
        self._accepting.start()

    def stop(self) -> None:
        """Take no more requests, finish the answers that are under way, close everything."""
        self._stopping.set()
        if self._accepting.is_alive():
            self._accepting.join()
        self._listener.close()
        with self._lock:
            remaining = dict(self._open)
        for connection in remaining.values():
            _no_more_requests(connection)
        machine = SystemClock()
        until = machine.now() + _FAREWELL
        for thread in remaining:
            thread.join(max(0, until - machine.now()) / SECOND)

    def _accept(self) -> None:
        self._listener.settimeout(_LOOK_ROUND_SECONDS)
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                # Too many open files, or a client that left the queue: later, then.
                self._stopping.wait(_LOOK_ROUND_SECONDS)
                continue
            self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        thread = threading.Thread(
            target=self._attend, args=(connection,), name="qsession-connection", daemon=True
        )
        with self._lock:
            self._open[thread] = connection
        try:
            thread.start()
        except RuntimeError:
            # No more threads: this client is told nothing, the others are served.
            self._forget(thread)

    def _attend(self, connection: socket.socket) -> None:
        own = threading.current_thread()
        # A client that is gone, or shakes hands wrongly, is nobody's concern.
        with suppress(OSError):
            connection.settimeout(self._service.limits.idle)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            secured = self._secured(connection)
            with self._lock:
                self._open[own] = secured
            if self._stopping.is_set():
                _no_more_requests(secured)
            _Conversation(secured, self._service, self._stopping).run()
        self._forget(own)

    def _forget(self, thread: threading.Thread) -> None:
        with self._lock:
            connection = self._open.pop(thread)
        connection.close()

    def _secured(self, connection: socket.socket) -> socket.socket:
        context = self._service.context
        first = connection.recv(1, socket.MSG_PEEK)
        if context is None or not first or first[0] != _TLS_HELLO:
            return connection
        connection.settimeout(self._service.limits.head)
        return context.wrap_socket(connection, server_side=True)


class _Conversation:
    """The requests of one connection, one after the other."""

    def __init__(self, connection: socket.socket, service: Service, stopping: threading.Event) -> None:
        self._connection = connection
        self._service = service
        self._stopping = stopping
        self._machine = SystemClock()
        self._peer = Peer(connection, service.limits, self._machine.now)
        self._scheme = "https" if isinstance(connection, ssl.SSLSocket) else "http"

    def run(self) -> None:
        """Answer until one side has had enough."""
        with suppress(Gone):
            while self._answer_next():
                pass
            self._part()

    def _answer_next(self) -> bool:
        """Answer one request, and say whether there may be another."""
        request = None
        try:
            head = self._peer.head()
            request = replace(head, url=admit(head, scheme=self._scheme))
            request = replace(request, body=self._peer.body())
        except Refused as refused:
            return self._turn_away(refusal(refused, _trace()), request)
        except Unreadable as problem:
            return self._turn_away(_unreadable(problem), request)
        response = self._ask(request)
        # Only now: the server may have been told to stop while this was answered.
        return self._peer.answer(response, closes=self._stopping.is_set())

    def _ask(self, request: Request) -> Response:
        """What is answered, and a line of the log."""
        began, problem = self._machine.now(), ""
        try:
            response = self._service.answer(request, self._service.clock.now())
        except Exception as failure:  # noqa: BLE001 - whatever it is, the client gets an answer
            response, problem = refusal(Refused("broken"), _trace()), _place(failure)
        self._note(request, response, began, problem)
        return response

    def _turn_away(self, response: Response, request: Request | None) -> bool:
        """Refuse a request whose body was not read, and so end the connection."""
        self._note(request, response, self._machine.now(), "")
        return self._peer.answer(response, closes=True)

    def _part(self) -> None:
        # Closed with something unread, the system would take the answer back from the client.
        with suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_WR)
            self._connection.settimeout(_PARTING_SECONDS)
            for _ in range(_PARTING_PIECES):
                if not self._connection.recv(65_536):
                    return

    def _note(self, request: Request | None, response: Response, began: int, problem: str) -> None:
        if self._service.log is not None:
            took = self._machine.now() - began
            self._service.log.note(Entry(began, request, response.status, took, problem))


def _unreadable(problem: Unreadable) -> Response:
    told = refusal(Refused("unreadable", problem.why), _trace())
    return replace(told, status=problem.status, reason=HTTPStatus(problem.status).phrase)


def _trace() -> str:
    return str(uuid.uuid4())


def _place(failure: Exception) -> str:
    """Kind and place of a failure. Its words may hold what a client sent."""
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return type(failure).__name__ + where


def _no_more_requests(connection: socket.socket) -> None:
    # Past ssl.SSLSocket, which would forget its keys and finish an answer in clear.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RD)

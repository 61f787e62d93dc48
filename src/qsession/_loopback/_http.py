"""HTTP/1.1 with one client, within bounds of time and size; h11 reads it and writes it.

Nothing here knows what is asked. Everything that a client can do wrong ends as
`Unreadable`, with the status to answer, or as `Gone`, when nobody is left to answer.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import h11

from qsession._model import SECOND, Instant, Request, Response

_ONCE = frozenset({"content-type", "authorization"})
_PIECE = 4_096


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large a request may be.

    Attributes:
        idle: Seconds that a connection may say nothing between two requests.
        head: Seconds that a head, or a handshake, may take from its first byte on.
        body: Seconds that a body may take, and an answer to be taken.
        head_size: Bytes of a head that is not whole yet, and of what frames a chunk. Small,
            because h11 0.16 takes the square of a run of blanks in time to refuse a header.
        headers: Lines of a head.
        body_size: Bytes of a body.
    """

    idle: float = 120
    head: float = 20
    body: float = 300
    head_size: int = 16_384
    headers: int = 128
    body_size: int = 64_000_000


class Gone(Exception):
    """The client is gone, or said nothing for too long. Nobody waits for an answer."""


class Unreadable(Exception):
    """What came is no request that can be answered.

    Args:
        status: HTTP status to answer with.
        why: What is wrong, in words.
    """

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(status, why)


class Peer:
    """The client at the other end of a connection: what it asks, and how it is answered.

    Args:
        connection: The socket.
        limits: Bounds.
        now: The present moment; the machine's.
    """

    def __init__(self, connection: socket.socket, limits: Limits, now: Callable[[], Instant]) -> None:
        self._connection = connection
        self._limits = limits
        self._now = now
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_size)
        self._wants_body = True

    def head(self) -> Request:
        """The next request, without its body; its URL is the target, as it came.

        Raises:
            Gone: If the connection ends or stays silent before one begins.
            Unreadable: If what comes is none.
        """
        self._wants_body = True
        if not self._http.trailing_data[0]:
            try:
                self._receive(self._until(self._limits.idle))
            except Unreadable as silent:
                raise Gone from silent
        event = self._next(self._until(self._limits.head))
        if not isinstance(event, h11.Request):
            raise Gone
        self._wants_body = event.method != b"HEAD"
        return _head(event, self._limits)

    def body(self) -> bytes:
        """The body that belongs to the head, asked for if the client waits for a word.

        Raises:
            Gone: If the connection ends.
            Unreadable: If it is too large, ends early or is framed wrongly.
        """
        until = self._until(self._limits.body)
        body = bytearray()
        while isinstance(event := self._next(until), h11.Data):
            body += event.data
            if len(body) > self._limits.body_size:
                raise Unreadable(413, "the body is too large")
        return bytes(body)

    def answer(self, response: Response, *, closes: bool) -> bool:
        """Answer in one piece, and say whether another request may follow.

        Args:
            response: The answer; to CONNECT a refusal.
            closes: Whether the connection ends with it whatever the client wants.

        Raises:
            Gone: If the client does not take it.
        """
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items()]
        if response.status != HTTPStatus.NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(response.body)))
        if closes:
            headers.append((b"connection", b"close"))
        reason = response.reason.encode("latin-1")
        said = self._http.send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        said += self._http.send(h11.Data(data=response.body if self._wants_body else b""))
        self._say(said + self._http.send(h11.EndOfMessage()))
        if (self._http.our_state, self._http.their_state) != (h11.DONE, h11.DONE):
            return False
        self._http.start_next_cycle()
        return True

    def _next(self, until: Instant) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    word = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    self._say(self._http.send(word))
                self._receive(until)
        except h11.RemoteProtocolError as problem:
            # Without the bytes that it shows: they may be all that was sent.
            raise Unreadable(self._status(problem), str(problem).partition(": b")[0]) from problem
        return event

    def _status(self, problem: h11.RemoteProtocolError) -> int:
        is_line = self._http.our_state is h11.IDLE and b"\n" not in self._http.trailing_data[0]
        return 414 if is_line and problem.error_status_hint == 431 else problem.error_status_hint

    def _say(self, said: bytes) -> None:
        self._connection.settimeout(self._limits.body)
        try:
            self._connection.sendall(said)
        except OSError as problem:
            raise Gone from problem

    def _until(self, seconds: float) -> Instant:
        return self._now() + round(seconds * SECOND)

    def _receive(self, until: Instant) -> None:
        left = (until - self._now()) / SECOND
        if left <= 0:
            raise Unreadable(408, "the request takes too long")
        self._connection.settimeout(left)
        try:
            self._http.receive_data(self._connection.recv(_PIECE))
        except TimeoutError as problem:
            raise Unreadable(408, "the request takes too long") from problem
        except (OSError, ValueError) as problem:
            raise Gone from problem


def _head(said: h11.Request, limits: Limits) -> Request:
    """What h11 has found to be a head, if it is within limits. Repeated headers are joined by commas."""
    if not said.http_version.startswith(b"1."):
        raise Unreadable(505, "HTTP/1.1 is spoken here")
    if len(said.headers) > limits.headers:
        raise Unreadable(431, "there are too many headers")
    headers: dict[str, str] = {}
    for name, value in said.headers:
        key, told = name.decode(), value.decode("latin-1")
        if key in headers and key in _ONCE:
            raise Unreadable(400, f"there are two headers {key}")
        headers[key] = f"{headers[key]}, {told}" if key in headers else told
    _check_body(headers, limits.body_size)
    return Request(said.method.decode(), said.target.decode(), headers)


def _check_body(headers: dict[str, str], most: int) -> None:
    # h11 believes the chunks, others on the way may believe the length: two readings of one request.
    if "transfer-encoding" in headers and "content-length" in headers:
        raise Unreadable(400, "the end of the body is told in two ways")
    if int(headers.get("content-length", "0")) > most:
        raise Unreadable(413, "the body is too large")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise Unreadable(417, "only 100-continue can be expected")

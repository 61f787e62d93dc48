"""HTTP/1.1 off a socket, strictly and within bounds of time and size.

Nothing here knows what is asked. Everything that a client can do wrong ends as
`Unreadable`, with the status to answer, or as `Gone`, when nobody is left to answer.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from qsession._model import SECOND, Instant

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_END = re.compile(rb"\r?\n\r?\n")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,12}")
_ONCE = frozenset({"host", "content-length", "transfer-encoding", "content-type", "authorization"})
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large a request may be.

    Attributes:
        idle: Seconds that a connection may say nothing between two requests.
        head: Seconds that a head, or a handshake, may take from its first byte on.
        body: Seconds that a body may take, and an answer to be taken.
        head_size: Bytes of a head.
        headers: Lines of a head.
        body_size: Bytes of a body.
    """

    idle: float = 120
    head: float = 20
    body: float = 300
    head_size: int = 65_536
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


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request.

    Attributes:
        method: As it was sent.
        target: Path and query, a whole URL, ``*`` or ``host:port``.
        is_old: Whether the client speaks HTTP/1.0.
        headers: Values by lower-case name; those of repeated names joined by commas.
    """

    method: str
    target: str
    is_old: bool
    headers: dict[str, str]

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the answer."""
        return self.is_old or "close" in self.headers.get("connection", "").lower()


class Inbox:
    """What comes over a connection, piece by piece, each part within its time.

    Args:
        connection: The socket.
        limits: Bounds.
        now: The present moment; the machine's.
    """

    def __init__(self, connection: socket.socket, limits: Limits, now: Callable[[], Instant]) -> None:
        self._connection = connection
        self._limits = limits
        self._now = now
        self._held = bytearray()

    def head(self) -> Head:
        """The next head.

        Raises:
            Gone: If the connection ends or stays silent before one begins.
            Unreadable: If what comes is none.
        """
        self._first()
        until = self._until(self._limits.head)
        while not (end := _END.search(self._held)):
            self._check_beginning()
            self._more(until)
        if end.start() > self._limits.head_size:
            raise Unreadable(431, "the head is too large")
        head = bytes(self._held[: end.start()])
        del self._held[: end.end()]
        return parse_head(head, self._limits.headers)

    def body(self, head: Head) -> bytes:
        """The body that belongs to a head.

        Raises:
            Unreadable: If it is too large, ends early or is framed wrongly.
        """
        until = self._until(self._limits.body)
        if "transfer-encoding" in head.headers:
            return self._chunks(until)
        return self._exactly(declared_length(head, self._limits.body_size), until)

    @property
    def has_more(self) -> bool:
        """Whether something came already that was not read."""
        return bool(self._held)

    def _first(self) -> None:
        # A client may end a body with a line too many (RFC 9112, 2.2).
        while True:
            del self._held[: len(self._held) - len(self._held.lstrip(b"\r\n"))]
            if self._held:
                return
            try:
                self._more(self._until(self._limits.idle))
            except Unreadable as silent:
                raise Gone from silent

    def _check_beginning(self) -> None:
        line = bytes(self._held.partition(b"\n")[0])
        if not _METHOD.fullmatch(line.partition(b" ")[0].rstrip(b"\r")):
            raise Unreadable(400, "this is not HTTP")
        if len(self._held) > self._limits.head_size:
            raise Unreadable(414 if len(line) > self._limits.head_size else 431, "the head is too large")

    def _chunks(self, until: Instant) -> bytes:
        body = bytearray()
        while size := self._size_of_chunk(until):
            if len(body) + size > self._limits.body_size:
                raise Unreadable(413, "the body is too large")
            body += self._exactly(size, until)
            if self._line(until):
                raise Unreadable(400, "a chunk is longer than it says")
        # Trailers tell nothing that is needed here.
        for _ in range(self._limits.headers):
            if not self._line(until):
                return bytes(body)
        raise Unreadable(431, "there are too many trailers")

    def _size_of_chunk(self, until: Instant) -> int:
        size = self._line(until).partition(b";")[0].strip()
        if not _SIZE.fullmatch(size):
            raise Unreadable(400, "a chunk has no size")
        return int(size, 16)

    def _line(self, until: Instant) -> bytes:
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > self._limits.head_size:
                raise Unreadable(400, "a line is too long")
            self._more(until)
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        return line.removesuffix(b"\r")

    def _exactly(self, length: int, until: Instant) -> bytes:
        while len(self._held) < length:
            self._more(until)
        found = bytes(self._held[:length])
        del self._held[:length]
        return found

    def _until(self, seconds: float) -> Instant:
        return self._now() + round(seconds * SECOND)

    def _more(self, until: Instant) -> None:
        left = (until - self._now()) / SECOND
        if left <= 0:
            raise Unreadable(408, "the request takes too long")
        self._connection.settimeout(left)
        try:
            piece = self._connection.recv(_PIECE)
        except TimeoutError as problem:
            raise Unreadable(408, "the request takes too long") from problem
        except (OSError, ValueError) as problem:
            raise Gone from problem
        if not piece:
            # Nothing at all is how a connection ends; a part of something is a mistake.
            raise Unreadable(400, "the request ends early") if self._held else Gone
        self._held += piece


def parse_head(head: bytes, most: int) -> Head:
    """A head from its bytes, without the blank line at its end.

    Args:
        head: Request line and headers.
        most: How many headers there may be.

    Raises:
        Unreadable: If it is none.
    """
    first, *lines = [line.removesuffix(b"\r") for line in head.split(b"\n")]
    if len(lines) > most:
        raise Unreadable(431, "there are too many headers")
    words = first.split(b" ")
    if len(words) != 3 or not _METHOD.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise Unreadable(400, "the request line is none")
    if words[2] not in {b"HTTP/1.1", b"HTTP/1.0"}:
        known = words[2].startswith(b"HTTP/")
        raise Unreadable(505 if known else 400, "HTTP/1.1 is spoken here")
    found = Head(words[0].decode(), words[1].decode(), words[2].endswith(b"0"), _headers(lines))
    _check_framing(found)
    return found


def declared_length(head: Head, most: int) -> int:
    """How long the body of a request says that it is; 0 when it says nothing.

    Raises:
        Unreadable: If that is no number, or more than ``most``.
    """
    length = head.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Unreadable(400, "the content-length is no number")
    if len(length) > 18 or int(length) > most:
        raise Unreadable(413, "the body is too large")
    return int(length)


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, rest = line.partition(b":")
        value = rest.strip(b" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Unreadable(400, "a header is none")
        key = name.decode().lower()
        if key in headers and key in _ONCE:
            raise Unreadable(400, f"there are two headers {key}")
        said = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {said}" if key in headers else said
    return headers


def _check_framing(head: Head) -> None:
    coding = head.headers.get("transfer-encoding")
    if coding is None:
        return
    # Two ways to say where a body ends, or one that the client's HTTP does not have.
    if "content-length" in head.headers or head.is_old:
        raise Unreadable(400, "the end of the body is told in two ways")
    if coding.lower() != "chunked":
        raise Unreadable(501, "this transfer coding is not spoken here")

"""Requests and responses of a recording: bodies read when asked for, meanings known before.

To everybody they are a `Request` and a `Response`: equal to plain ones with the same
content, and copied and pickled as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from qsession._model import NO_HEADERS, Interaction, Request, Response


@dataclass(frozen=True, slots=True)
class Late:
    """A body that is read when it is asked for.

    Attributes:
        reference: Names the content: ``sha256:<hex>``.
        fetch: Gives the content, verified, or raises.
    """

    reference: str
    fetch: Callable[[str], bytes]

    def read(self) -> bytes:
        """The content."""
        return self.fetch(self.reference)


@dataclass(frozen=True, slots=True)
class Known:
    """What a request means, found out when its recording was first opened.

    A wrong one could let another job pass for the recorded one. So it is believed only
    where the recording itself is: in a file that is whole, made from these bytes of the
    cassette by this code with this qiskit. What is asked in a replay is looked up by its
    own bytes or decoded, and every difference that is told is decoded on both sides.

    Attributes:
        body: SHA-256 of the raw body, hexadecimal.
        digest: Digest of the meaning.
        session: The session a job is submitted to, or None.
    """

    body: str
    digest: str
    session: str | None


class StoredRequest(Request):
    """A request of a recording.

    Args:
        method: As in `Request`.
        url: As in `Request`.
        headers: As in `Request`.
        body: The body, or where it comes from.
        known: What it means, if that is known already.
    """

    __slots__ = ("_body", "known")

    _body: bytes | Late
    known: Known | None

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Late = b"",
        *,
        known: Known | None = None,
    ) -> None:
        _fill(self, method=method, url=url, headers=headers, _body=body, known=known)

    @property
    def body(self) -> bytes:
        """The body, read now if it was not before."""
        return _read(self._body)

    @property
    def source(self) -> bytes | Late:
        """The body, or where it comes from."""
        return self._body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and _plain_request(self) == _plain_request(other)

    __hash__ = Request.__hash__

    def __reduce__(self) -> tuple[object, ...]:
        return Request, (self.method, self.url, self.headers, self.body)


class StoredResponse(Response):
    """A response of a recording.

    Args:
        status: As in `Response`.
        reason: As in `Response`.
        headers: As in `Response`.
        body: The body, or where it comes from.
    """

    __slots__ = ("_body",)

    _body: bytes | Late

    def __init__(
        self,
        status: int,
        reason: str = "OK",
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Late = b"",
    ) -> None:
        _fill(self, status=status, reason=reason, headers=headers, _body=body)

    @property
    def body(self) -> bytes:
        """The body, read now if it was not before."""
        return _read(self._body)

    @property
    def source(self) -> bytes | Late:
        """The body, or where it comes from."""
        return self._body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and _plain_response(self) == _plain_response(other)

    __hash__ = Response.__hash__

    def __reduce__(self) -> tuple[object, ...]:
        return Response, (self.status, self.reason, self.headers, self.body)


def references(interactions: Iterable[Interaction]) -> set[str]:
    """The references of all bodies that are read late."""
    parts = (part for each in interactions for part in (each.request, each.response))
    sources = (part.source for part in parts if isinstance(part, StoredRequest | StoredResponse))
    return {source.reference for source in sources if isinstance(source, Late)}


def _fill(target: object, **values: object) -> None:
    # The classes above are frozen.
    for name, value in values.items():
        object.__setattr__(target, name, value)


def _read(body: bytes | Late) -> bytes:
    return body.read() if isinstance(body, Late) else body


def _plain_request(request: Request) -> tuple[object, ...]:
    return request.method, request.url, request.headers, request.body


def _plain_response(response: Response) -> tuple[object, ...]:
    return response.status, response.reason, response.headers, response.body

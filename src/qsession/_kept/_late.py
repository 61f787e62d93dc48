"""Requests and responses of a recording: bodies read when asked for, meanings known before.

To everybody they are a `Request` and a `Response`: equal to plain ones with the same
content, and copied and pickled as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

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


class _Stored:
    """What both have in common. Their body has a slot of its own: that of a frozen base cannot give way."""

    __slots__ = ()

    _body: bytes | Late

    @property
    def body(self) -> bytes:
        """The body, read now if it was not before."""
        return self._body.read() if isinstance(self._body, Late) else self._body

    @property
    def source(self) -> bytes | Late:
        """The body, or where it comes from."""
        return self._body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request | Response) and self.__reduce__() == _plain(other)

    def __hash__(self) -> int:
        return hash(_plain(self)[1])

    def __reduce__(self) -> tuple[type[Request | Response], tuple[object, ...]]:
        return _plain(self)


class StoredRequest(_Stored, Request):
    """A request of a recording.

    Args:
        method: As in `Request`.
        url: As in `Request`.
        headers: As in `Request`.
        body: The body, or where it comes from.
        known: What it means, if that is known already.
    """

    __slots__ = ("_body", "known")

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


class StoredResponse(_Stored, Response):
    """A response of a recording.

    Args:
        status: As in `Response`.
        reason: As in `Response`.
        headers: As in `Response`.
        body: The body, or where it comes from.
    """

    __slots__ = ("_body",)

    def __init__(
        self,
        status: int,
        reason: str = "OK",
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Late = b"",
    ) -> None:
        _fill(self, status=status, reason=reason, headers=headers, _body=body)


def source_of(part: Request | Response) -> bytes | Late:
    """The body of a request or an answer, or where it comes from."""
    return part.source if isinstance(part, StoredRequest | StoredResponse) else part.body


def references(interactions: Iterable[Interaction]) -> set[str]:
    """The references of all bodies that are read late."""
    sources = (source_of(part) for each in interactions for part in (each.request, each.response))
    return {source.reference for source in sources if isinstance(source, Late)}


def _fill(target: object, **values: object) -> None:
    # The classes above are frozen.
    for name, value in values.items():
        object.__setattr__(target, name, value)


def _plain(part: object) -> tuple[type[Request | Response], tuple[object, ...]]:
    base = Request if isinstance(part, Request) else Response
    return base, tuple(getattr(part, each.name) for each in fields(base))

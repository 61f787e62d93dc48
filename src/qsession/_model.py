"""Frozen values that every room speaks, and the Source protocol.

Nothing here does anything: no I/O, no clock, no knowledge of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeAlias

Instant: TypeAlias = int
"""A moment in integer microseconds since the Unix epoch (UTC)."""

Micros: TypeAlias = int
"""A length of time in integer microseconds."""

SECOND: Micros = 1_000_000

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the client handed it to its connection.

    Attributes:
        method: Upper-case HTTP method.
        url: Absolute URL, query included.
        headers: Header values by lower-case name.
        body: Raw body, empty when there is none.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Attributes:
        status: HTTP status code.
        reason: HTTP reason phrase.
        headers: Header values by lower-case name.
        body: Raw body after transfer and content encoding were undone.
    """

    status: int
    reason: str = "OK"
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    body: bytes = b""


class Source(Protocol):
    """Whatever answers the client: the service, the emulator, a recording, a scenario."""

    def answer(self, request: Request, at: Instant) -> Response:
        """Answer one request.

        Args:
            request: What the client sent.
            at: The moment of the request on the clock of the run.

        Returns:
            The response, error statuses included. A source never raises for a
            status; it raises for what is no HTTP answer at all.
        """
        ...

"""The sources that are no recording: the service, and the emulator behind discovery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from qsession._discovery import Discovery
from qsession._endpoints import identify
from qsession._model import Instant, Request, Response, Source


@dataclass(frozen=True, slots=True)
class Service:
    """The real service, over the connection that the client opened for the request.

    Attributes:
        send: Sends a request over that connection.
    """

    send: Callable[[Request], Response]

    def answer(self, request: Request, at: Instant) -> Response:
        """Send the request and give back what comes."""
        return self.send(request)


class Foresighted(Source, Protocol):
    """A source that knows what will happen by itself."""

    def next_change(self, at: Instant) -> Instant | None:
        """When a job or session next changes after a moment; None for never."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """The emulator in this process.

    Attributes:
        emulator: Answers what is the quantum service's own.
        discovery: Answers what belongs to an account, made to fit whoever asks; None where the
            emulator was given an account of its own.
    """

    emulator: Foresighted
    discovery: Discovery | None

    def answer(self, request: Request, at: Instant) -> Response:
        """Answer from discovery where it can, from the emulator else."""
        call = identify(request)
        account = self.discovery.answer(call, at) if self.discovery and call is not None else None
        return account or self.emulator.answer(request, at)

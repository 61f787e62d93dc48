"""The machine's clock behind one protocol: the only room that reads the time or waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from qsession._model import SECOND, Instant, Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What time it is, and waiting."""

    def now(self) -> Instant:
        """The present moment."""
        ...

    def wait(self, length: Micros) -> None:
        """Let a length of time pass; zero or less returns at once."""
        ...


class SystemClock:
    """The machine's own time, in UTC."""

    def now(self) -> Instant:
        """The present moment, in microseconds since the epoch."""
        return time.time_ns() // 1000

    def wait(self, length: Micros) -> None:
        """Sleep for real."""
        if length > 0:
            time.sleep(length / SECOND)


def to_datetime(moment: Instant) -> datetime:
    """The moment as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=moment)


def from_datetime(moment: datetime) -> Instant:
    """The moment of an aware datetime.

    Raises:
        ValueError: If the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def isoformat(moment: Instant) -> str:
    """The moment as the service writes it: UTC, milliseconds, ``Z``.

    Source: examples in the service's OpenAPI document (documented).
    """
    return to_datetime(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Moments and lengths of time, as we keep them and as others write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from qsession._model import SECOND, Instant, Micros
from qsession.errors import UsageError

Length: TypeAlias = "float | str | timedelta"
"""A length of time: seconds, a text such as ``1h 30m``, or a timedelta."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"d": 86_400 * SECOND, "h": 3_600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": SECOND // 1000}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|d|h|m|s)(?![a-z])", re.IGNORECASE)


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
    return to_micros(moment - _EPOCH)


def to_micros(length: timedelta) -> Micros:
    """A timedelta in microseconds, exactly."""
    return (length.days * 86_400 + length.seconds) * SECOND + length.microseconds


def isoformat(moment: Instant) -> str:
    """The moment as the service writes it: UTC, milliseconds, ``Z``.

    Source: examples in the service's OpenAPI document (documented).
    """
    return to_datetime(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_length(length: Length) -> Micros:
    """A length of time in microseconds.

    Args:
        length: Seconds, a timedelta, or a text of numbers with the units ``d``, ``h``,
            ``m``, ``s`` and ``ms``, such as ``7h 59m``.

    Raises:
        UsageError: If it is none of these, or negative (QS128).
    """
    try:
        micros = _read(length)
    except (ValueError, OverflowError, TypeError):
        micros = -1
    if micros < 0:
        raise UsageError(
            "QS128",
            "This is no length of time by which a clock can be moved on.",
            evidence=[repr(length)],
            fix='advance("1h 30m"), advance(90) for seconds, or advance(timedelta(minutes=90))',
        )
    return micros


def _read(length: Length) -> Micros:
    if isinstance(length, timedelta):
        return to_micros(length)
    if not isinstance(length, str):
        return round(float(length) * SECOND)
    parts = list(_PART.finditer(length))
    if not parts or "".join(part[0] for part in parts).strip() != length.strip():
        raise ValueError(length)
    return sum(round(float(part[1]) * _UNITS[part[2].lower()]) for part in parts)


def spell(length: Micros) -> str:
    """A length of time for messages, such as ``2 h 0 min 0.100 s``."""
    minutes, rest = divmod(length, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / SECOND:.3f} s"
    if hours:
        return f"{hours} h {minutes} min {seconds}"
    return f"{minutes} min {seconds}" if minutes else seconds

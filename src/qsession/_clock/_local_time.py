"""One local time: freezegun's classes, corrected while our clock is on.

freezegun takes local time for a fixed offset, none unless told, and the same one for
``now()`` and for any other date; dateutil and ``localtime`` stay in the machine's zone.
Here all follow the machine's zone, daylight saving included, as the real classes do.

What they make are real moments: those of freezegun fail when they are asked for their
timestamp after the clock is off, lose which of two equal wall clock times is meant, and
are refused by libraries that look at the exact class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import cache
from typing import Any, TypeAlias

from qsession._model import SECOND, Instant

Moment: TypeAlias = Callable[[], "Instant | None"]
"""The moment that it is, or None where freezegun's own answer is due."""


@cache
def pieces(frozen: Any, frozen_date: Any, moment: Moment) -> list[tuple[Any, str, Any]]:
    """Owner, name and stand-in of the corrected methods.

    Args:
        frozen: The class in the place of ``datetime.datetime``; its base is the real one.
        frozen_date: The same for ``datetime.date``.
        moment: Where the time comes from.
    """
    return [
        *_of_moments(frozen, moment),
        *_of_dates(frozen, frozen_date, moment),
        *_making(frozen, frozen_date, moment),
    ]


def _of_moments(frozen: Any, moment: Moment) -> list[tuple[Any, str, Any]]:
    real = frozen.__base__
    names = ("now", "today", "utcnow", "fromtimestamp", "timestamp", "astimezone")
    theirs = {name: inspect.getattr_static(frozen, name) for name in names}

    def at(instant: Instant, tz: tzinfo | None) -> Any:
        return real.fromtimestamp(instant / SECOND, tz)

    def now(cls: Any, tz: tzinfo | None = None) -> Any:
        instant = moment()
        return theirs["now"].__get__(None, cls)(tz) if instant is None else at(instant, tz)

    def today(cls: Any) -> Any:
        instant = moment()
        return theirs["today"].__get__(None, cls)() if instant is None else at(instant, None)

    def utcnow(cls: Any) -> Any:
        instant = moment()
        if instant is None:
            return theirs["utcnow"].__get__(None, cls)()
        return at(instant, UTC).replace(tzinfo=None)

    def fromtimestamp(cls: Any, t: float, tz: tzinfo | None = None) -> Any:
        if moment() is None:
            return theirs["fromtimestamp"].__get__(None, cls)(t, tz)
        return real.fromtimestamp(t, tz)

    def timestamp(self: Any) -> float:
        return float(theirs["timestamp"](self) if moment() is None else real.timestamp(self))

    def astimezone(self: Any, tz: tzinfo | None = None) -> Any:
        return theirs["astimezone"](self, tz) if moment() is None else real.astimezone(self, tz)

    made: list[tuple[Any, str, Any]] = [
        (frozen, function.__name__, classmethod(function)) for function in (now, today, utcnow, fromtimestamp)
    ]
    return [*made, (frozen, "timestamp", timestamp), (frozen, "astimezone", astimezone)]


def _of_dates(frozen: Any, frozen_date: Any, moment: Moment) -> list[tuple[Any, str, Any]]:
    their_today = inspect.getattr_static(frozen_date, "today")

    def today(cls: Any) -> Any:
        instant = moment()
        if instant is None:
            return their_today.__get__(None, cls)()
        return frozen_date.__base__.fromtimestamp(instant / SECOND)

    return [(frozen_date, "today", classmethod(today))]


def _making(frozen: Any, frozen_date: Any, moment: Moment) -> list[tuple[Any, str, Any]]:
    """What is made by calling the classes: ``datetime(2026, 1, 5)``, and all that does so inside."""
    reals = {frozen: frozen.__base__, frozen_date: frozen_date.__base__}

    def make(cls: Any, *args: Any, **kwargs: Any) -> Any:
        real = reals.get(cls)
        if real is None or moment() is None:
            return type.__call__(cls, *args, **kwargs)
        return real(*args, **kwargs)

    kinds = {type(frozen), type(frozen_date)} - {type}
    return [(kind, "__call__", make) for kind in kinds]

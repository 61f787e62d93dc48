"""One local time: freezegun's classes, corrected while our clock is on.

freezegun takes local time for a fixed offset, none unless told, and the same one for
``now()`` and for any other date; dateutil and ``localtime`` stay in the machine's zone.
Here all follow the machine's zone, daylight saving included, as the real classes do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from typing import Any, TypeAlias

from freezegun import api

from qsession._model import SECOND, Instant

Moment: TypeAlias = Callable[[], "Instant | None"]
"""The virtual moment, or None where freezegun's own answer, or the real one, is due."""

_Frozen: Any = api.FakeDatetime
_FrozenDate: Any = api.FakeDate
_real = datetime if datetime is not _Frozen else api.real_datetime
_REPLACED = ("now", "today", "utcnow", "fromtimestamp", "timestamp", "astimezone")


def _frozen(moment: datetime) -> Any:
    # freezegun's own conversion loses which of two equal wall clock times is meant.
    return _Frozen(
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
        moment.tzinfo,
        fold=moment.fold,
    )


def pieces(moment: Moment) -> list[tuple[Any, str, Any]]:
    """Owner, name and stand-in of the corrected methods.

    Args:
        moment: Where the time comes from.
    """
    theirs = {name: _Frozen.__dict__[name] for name in _REPLACED}
    their_today = _FrozenDate.__dict__["today"]

    def at(instant: Instant, tz: tzinfo | None) -> Any:
        return _frozen(_real.fromtimestamp(instant / SECOND, tz))

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
        return _frozen(_real.fromtimestamp(t, tz))

    def timestamp(self: Any) -> float:
        return float(theirs["timestamp"](self) if moment() is None else _real.timestamp(self))

    def astimezone(self: Any, tz: tzinfo | None = None) -> Any:
        if moment() is None:
            return theirs["astimezone"](self, tz)
        return _frozen(_real.astimezone(self, tz))

    def date_today(cls: Any) -> Any:
        instant = moment()
        if instant is None:
            return their_today.__get__(None, cls)()
        local: date = _real.fromtimestamp(instant / SECOND)
        return _FrozenDate(local.year, local.month, local.day)

    made: list[tuple[Any, str, Any]] = [
        (_Frozen, function.__name__, classmethod(function))
        for function in (now, today, utcnow, fromtimestamp)
    ]
    made += [(_Frozen, "timestamp", timestamp), (_Frozen, "astimezone", astimezone)]
    return [*made, (_FrozenDate, "today", classmethod(date_today))]

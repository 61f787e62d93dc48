"""Time: the machine's, and the virtual one of a run. The only room that reads the time or waits."""

from __future__ import annotations

from qsession._clock._members import SHORTEST
from qsession._clock._moments import from_datetime, isoformat, read_length, spell, to_datetime
from qsession._clock._real import Clock, SystemClock
from qsession._clock._schedule import Schedule
from qsession._clock._virtual import (
    VirtualClock,
    begin,
    end,
    findings,
    leaping,
    moved_to,
    no_travel,
    on_first_move,
    schedule_of,
)

__all__ = [
    "SHORTEST",
    "Clock",
    "Schedule",
    "SystemClock",
    "VirtualClock",
    "begin",
    "end",
    "findings",
    "from_datetime",
    "isoformat",
    "leaping",
    "moved_to",
    "no_travel",
    "on_first_move",
    "read_length",
    "schedule_of",
    "spell",
    "to_datetime",
]

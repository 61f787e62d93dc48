"""The machine's own time, out of reach of whoever replaces functions of modules."""

from __future__ import annotations

import queue
import sys
import time
from typing import Any, Protocol

from qsession._model import SECOND, Instant, Micros


class Clock(Protocol):
    """What time it is, and waiting."""

    def now(self) -> Instant:
        """The present moment."""
        ...

    def wait(self, length: Micros) -> None:
        """Let a length of time pass; zero or less returns at once."""
        ...


def _true(name: str) -> Any:
    # Imported inside of somebody's freeze_time, the module holds freezegun's own.
    freezing = sys.modules.get("freezegun.api")
    found = getattr(time, name)
    if freezing is not None and found is getattr(freezing, f"fake_{name}", None):
        return getattr(freezing, f"real_{name}")
    return found


class Real:
    """The real functions. Held by a class: aliases in modules are replaced while time is virtual."""

    asctime = staticmethod(_true("asctime"))
    ctime = staticmethod(_true("ctime"))
    gmtime = staticmethod(_true("gmtime"))
    localtime = staticmethod(_true("localtime"))
    monotonic = staticmethod(_true("monotonic"))
    monotonic_ns = staticmethod(_true("monotonic_ns"))
    perf_counter = staticmethod(_true("perf_counter"))
    perf_counter_ns = staticmethod(_true("perf_counter_ns"))
    process_time = staticmethod(_true("process_time"))
    sleep = staticmethod(_true("sleep"))
    strftime = staticmethod(_true("strftime"))
    time = staticmethod(_true("time"))
    time_ns = staticmethod(_true("time_ns"))
    SimpleQueue: Any = staticmethod(queue.SimpleQueue)


class SystemClock:
    """The machine's own time, in UTC."""

    def now(self) -> Instant:
        """The present moment, in microseconds since the epoch."""
        return int(Real.time_ns()) // 1000

    def wait(self, length: Micros) -> None:
        """Sleep for real."""
        if length > 0:
            Real.sleep(length / SECOND)

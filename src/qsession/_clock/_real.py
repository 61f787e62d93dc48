"""The machine's own time, out of reach of whoever replaces functions of modules."""

from __future__ import annotations

import queue
import sys
import time
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from types import BuiltinFunctionType, ModuleType, SimpleNamespace
from typing import Any, Protocol

from qsession._model import SECOND, Instant, Micros

KEEP_REAL = (
    "_pytest",
    "pluggy",
    "pytest_timeout",
    "xdist",
    "execnet",
    "hypothesis",
    "subprocess",
    "multiprocessing",
)
"""Packages that live in real time: they measure tests, or wait for other processes."""


class Clock(Protocol):
    """What time it is, and waiting."""

    def now(self) -> Instant:
        """The present moment."""
        ...

    def wait(self, length: Micros) -> None:
        """Let a length of time pass; zero or less returns at once."""
        ...


def _true(name: str) -> Any:
    found = getattr(time, name)
    if isinstance(found, BuiltinFunctionType):
        return found
    # Imported inside of somebody's freeze_time or patch, the module holds a stand-in.
    original = getattr(sys.modules.get("freezegun.api"), f"real_{name}", None)
    return original if isinstance(original, BuiltinFunctionType) else getattr(_fresh(), name)


def _fresh() -> ModuleType:
    """The module as the interpreter made it, in a copy that nobody has touched."""
    spec = BuiltinImporter.find_spec("time")
    if spec is None or spec.loader is None:
        return time
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_NAMES = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"),
    *("sleep", "localtime", "gmtime", "strftime", "ctime", "asctime"),
)
Real: Any = SimpleNamespace(SimpleQueue=queue.SimpleQueue, **{name: _true(name) for name in _NAMES})
"""The real functions. Not names of a module, since those are replaced while time is virtual."""


class SystemClock:
    """The machine's own time, in UTC."""

    def now(self) -> Instant:
        """The present moment, in microseconds since the epoch."""
        return int(Real.time_ns()) // 1000

    def wait(self, length: Micros) -> None:
        """Sleep for real."""
        if length > 0:
            Real.sleep(length / SECOND)

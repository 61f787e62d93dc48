"""freezegun at a price one can pay: the clock functions and classes, replaced and put back.

freezegun replaces ``datetime.datetime`` and ``datetime.date`` and keeps the rules for
nested use. Its search through all modules, which takes a second with qiskit loaded and
imports three hundred more, is left out: modules that hold a clock name are found by
looking at their dictionaries, once for each module.
"""

from __future__ import annotations

import datetime
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import freezegun
from freezegun import api

from qsession._clock import _local_time, _loops, _threads
from qsession._clock._moments import to_datetime
from qsession._clock._real import Real
from qsession._clock._schedule import Schedule
from qsession._clock._threads import Slot
from qsession._model import SECOND, Instant

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

_NEVER = ("time", "datetime", "_datetime", "_pydatetime", "freezegun", "qsession")
_WALL = ("time", "time_ns", "localtime", "gmtime", "strftime", "ctime", "asctime")
_LENGTHS = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
_own: Any = None  # what freezegun calls the time of our clock


def _moment() -> Instant | None:
    """The virtual moment; None outside of a run, in the real time, or inside of a test's own freeze_time."""
    schedule = Slot.schedule
    if schedule is None or schedule.is_away() or _is_nested():
        return None
    return schedule.now()


def _is_nested() -> bool:
    return _own is not None and bool(api.freeze_factories) and api.freeze_factories[-1] is not _own


def _wall(name: str, ours: Callable[..., Any]) -> Callable[..., Any]:
    real = getattr(Real, name)
    theirs = getattr(api, f"fake_{name}", real)

    def read(*args: Any) -> Any:
        instant = _moment()
        if instant is not None:
            return ours(instant, *args)
        return theirs(*args) if _is_nested() else real(*args)

    read.__name__ = read.__qualname__ = name
    return read


def _length(name: str, ours: Callable[[Schedule], Any]) -> Callable[[], Any]:
    real = getattr(Real, name)
    theirs = getattr(api, f"fake_{name}", real)

    def read() -> Any:
        # A thread that takes no part waits in real time, so it measures in real time.
        schedule = Slot.schedule
        if schedule is None or schedule.member() is None:
            return real()
        return theirs() if _is_nested() else ours(schedule)

    read.__name__ = read.__qualname__ = name
    return read


def _localtime(now: Instant, seconds: float | None = None) -> Any:
    return Real.localtime(now / SECOND if seconds is None else seconds)


def _gmtime(now: Instant, seconds: float | None = None) -> Any:
    return Real.gmtime(now / SECOND if seconds is None else seconds)


_FAKES: dict[str, Callable[..., Any]] = {
    "sleep": _threads.sleep,
    "time": _wall("time", lambda now: now / SECOND),
    "time_ns": _wall("time_ns", lambda now: now * 1000),
    "localtime": _wall("localtime", _localtime),
    "gmtime": _wall("gmtime", _gmtime),
    "strftime": _wall("strftime", lambda now, text, t=None: Real.strftime(text, t or _localtime(now))),
    "ctime": _wall("ctime", lambda now, t=None: Real.ctime(now / SECOND if t is None else t)),
    "asctime": _wall("asctime", lambda now, t=None: Real.asctime(t or _localtime(now))),
    "monotonic": _length("monotonic", lambda schedule: schedule.monotonic()),
    "monotonic_ns": _length("monotonic_ns", lambda schedule: schedule.monotonic_ns()),
    "perf_counter": _length("perf_counter", lambda schedule: schedule.monotonic()),
    "perf_counter_ns": _length("perf_counter_ns", lambda schedule: schedule.monotonic_ns()),
}
_real_time = SimpleNamespace(**{n: v for n, v in vars(time).items() if n not in _FAKES})
vars(_real_time).update({name: getattr(Real, name) for name in _FAKES})


def _stand_ins() -> dict[int, tuple[Any, Any]]:
    """What stands in for a clock object, and the real one; by the identity of each of the three."""
    found: dict[int, tuple[Any, Any]] = {}
    rows = [(getattr(Real, n), getattr(api, f"fake_{n}", None), fake) for n, fake in _FAKES.items()]
    rows.append((api.real_datetime, api.FakeDatetime, api.FakeDatetime))
    rows.append((api.real_date, api.FakeDate, api.FakeDate))
    rows.append((Real.SimpleQueue, None, queue._PySimpleQueue))  # type: ignore[attr-defined]
    for real, theirs, ours in rows:
        for known in (real, theirs, ours):
            if known is not None:
                found[id(known)] = (ours, real)
    return found


_STAND_INS = _stand_ins()


class _Modules:
    """Which modules hold a clock name. Each is looked at once, by its dictionary: nothing is imported."""

    def __init__(self) -> None:
        self._seen: dict[str, ModuleType] = {}
        self.holders: list[tuple[dict[str, Any], str]] = []
        self.keepers: list[dict[str, Any]] = []

    def look(self) -> list[tuple[dict[str, Any], str]]:
        """Look at modules that are new; says which names they hold."""
        new = [(n, m) for n, m in list(sys.modules.items()) if self._seen.get(n) is not m]
        found: list[tuple[dict[str, Any], str]] = []
        for name, module in new:
            names = getattr(module, "__dict__", None)
            spec = names.get("__spec__") if isinstance(names, dict) else None
            if not getattr(spec, "_initializing", False):
                self._seen[name] = module
            if isinstance(names, dict) and name.partition(".")[0] not in _NEVER:
                found += self._look_at(name, names)
        self.holders += found
        return found

    def _look_at(self, name: str, names: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
        if name.partition(".")[0] in KEEP_REAL:
            if names.get("time") is time:
                self.keepers.append(names)
            return []
        return [(names, key) for key, value in list(names.items()) if id(value) in _STAND_INS]


_modules = _Modules()


class _NoModules:
    """What freezegun may see of ``sys`` while it starts and stops: no modules to search."""

    modules: dict[str, ModuleType] = {}  # noqa: RUF012 - never filled

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


@contextmanager
def _without_a_search() -> Iterator[None]:
    names = vars(api)
    real = names["sys"]
    names["sys"] = _NoModules()
    try:
        yield
    finally:
        names["sys"] = real


@contextmanager
def frozen(schedule: Schedule) -> Iterator[None]:
    """Put a schedule in the place of the machine's clock, for every thread of the process.

    Args:
        schedule: Says what time it is, and waits.

    Yields:
        Nothing. Everything that was replaced is put back at the end.
    """
    global _own  # noqa: PLW0603 - the one slot, set and cleared here
    undo: list[tuple[Any, str, Any]] = []
    before = dict(vars(time))
    freezer = freezegun.freeze_time(to_datetime(schedule.now()))
    with _without_a_search():
        outer, _own = _own, freezer.start()
    try:
        _replace(undo)
        Slot.schedule = schedule
        yield
    finally:
        Slot.schedule = None
        _put_back(undo)
        with _without_a_search():
            freezer.stop()
        _own = outer
        _restore(before)
        _clean_new_modules()


def _replace(undo: list[tuple[Any, str, Any]]) -> None:
    _modules.look()
    for owner, name, stand_in in [*_threads.pieces(), *_loops.pieces(), *_local_time.pieces(_moment)]:
        undo.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, stand_in)
    for names in _modules.keepers:
        names["time"] = _real_time
    for names, key in _modules.holders:
        value = names.get(key)
        pair = _STAND_INS.get(id(value))
        if pair is not None and value is not pair[0]:
            undo.append((names, key, value))
            names[key] = pair[0]
    for name, fake in _FAKES.items():
        setattr(time, name, fake)


def _put_back(undo: list[tuple[Any, str, Any]]) -> None:
    for owner, name, value in reversed(undo):
        if isinstance(owner, dict):
            if id(owner.get(name)) in _STAND_INS:
                owner[name] = value
        else:
            setattr(owner, name, value)
    for names in _modules.keepers:
        names["time"] = time


def _restore(before: dict[str, Any]) -> None:
    # freezegun leaves a name behind that the module did not have.
    for name in vars(time).keys() - before.keys():
        delattr(time, name)
    for name in (*_FAKES, *_WALL, *_LENGTHS):
        setattr(time, name, before[name])


def _clean_new_modules() -> None:
    """Modules that were imported meanwhile took our stand-ins for the real thing."""
    still_frozen = datetime.datetime is api.FakeDatetime
    for names, key in _modules.look():
        ours, real = _STAND_INS[id(names[key])]
        if names[key] is ours and not (still_frozen and ours in (api.FakeDatetime, api.FakeDate)):
            names[key] = real

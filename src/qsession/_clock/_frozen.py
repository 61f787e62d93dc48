"""freezegun at a price one can pay: the clock functions and classes, replaced and put back.

freezegun replaces ``datetime.datetime`` and ``datetime.date`` and keeps the rules for
nested use. Its search through all modules, which takes a second with qiskit loaded and
imports three hundred more, is left out: modules that hold a clock name are found by
looking at their dictionaries, once for each module.
"""

from __future__ import annotations

import datetime
import operator
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from qsession._clock import _freezegun, _local_time, _loops, _threads
from qsession._clock._freezegun import Freezing
from qsession._clock._moments import to_datetime
from qsession._clock._real import KEEP_REAL, Real
from qsession._clock._schedule import Schedule
from qsession._clock._threads import Slot
from qsession._model import SECOND, Instant

_NEVER = ("time", "datetime", "_datetime", "_pydatetime", "freezegun", "qsession")
_ABSENT = object()


class _Use:
    """The use of freezegun under our clock; the last one when it is off."""

    freezing: Freezing | None = None


def _is_nested() -> bool:
    """Whether a test froze the time itself, inside of a run or, with a name taken from a run, after it."""
    return _Use.freezing is not None and _Use.freezing.is_nested()


def _moment() -> Instant | None:
    """The moment that it is, virtual or real; None inside of a test's own freeze_time."""
    schedule = Slot.schedule
    if schedule is not None and schedule.is_away():
        return int(Real.time_ns()) // 1000
    if _is_nested():
        return None
    return int(Real.time_ns()) // 1000 if schedule is None else schedule.now()


def _theirs(name: str) -> Any:
    return getattr(Real, name) if _Use.freezing is None else _Use.freezing.functions[name]


def _wall(name: str, ours: Callable[..., Any]) -> Callable[..., Any]:
    real = getattr(Real, name)

    def read(*args: Any) -> Any:
        schedule = Slot.schedule
        if schedule is not None and schedule.is_away():
            return real(*args)
        if _is_nested():
            return _theirs(name)(*args)
        return real(*args) if schedule is None else ours(schedule.now(), *args)

    return _named(name, read)


def _length(name: str, ours: Callable[[Schedule], Any]) -> Callable[[], Any]:
    real = getattr(Real, name)

    def read() -> Any:
        schedule = Slot.schedule
        # A thread that takes no part waits in real time, so it measures in real time.
        if schedule is not None and schedule.member() is None:
            return real()
        if _is_nested():
            return _theirs(name)()
        return real() if schedule is None else ours(schedule)

    return _named(name, read)


def _named(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
    """So that it is pickled as what it stands for."""
    read.__name__ = read.__qualname__ = name
    read.__module__ = "time"
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


_STAND_INS: dict[int, tuple[Any, Any]] = {}
"""What stands in for a clock, and the real one; by the identity of the real one, freezegun's and ours."""


def _know(freezing: Freezing) -> None:
    """Learn which objects are clocks; freezegun's are known once it is on."""
    rows = [(getattr(Real, name), freezing.functions[name], fake) for name, fake in _FAKES.items()]
    rows.append((freezing.datetime.__base__, freezing.datetime, freezing.datetime))
    rows.append((freezing.date.__base__, freezing.date, freezing.date))
    rows.append((Real.SimpleQueue, Real.SimpleQueue, queue._PySimpleQueue))  # type: ignore[attr-defined]
    for real, theirs, ours in rows:
        _STAND_INS[id(real)] = _STAND_INS[id(ours)] = (ours, real)
        # Not what a test put there with monkeypatch: that goes away, and its identity to something else.
        if str(getattr(theirs, "__module__", "")).startswith("freezegun."):
            _STAND_INS[id(theirs)] = (ours, real)


def _names_of(module: str) -> dict[str, Any] | None:
    try:
        # Not the module's own way to look things up, which may import what it was spared from.
        found: dict[str, Any] = object.__getattribute__(sys.modules.get(module), "__dict__")
    except AttributeError:
        return None
    return found


class _Modules:
    """Which modules hold a clock name.

    Found by their dictionaries, which causes no imports; looked at again when those grow.
    """

    def __init__(self) -> None:
        self._all: list[ModuleType] = []
        self._dicts: list[dict[str, Any]] = []
        self._sizes: list[int] = []
        self._seen: dict[str, tuple[dict[str, Any], int]] = {}
        self._holders: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self.keepers: dict[str, dict[str, Any]] = {}

    def holders(self) -> list[tuple[dict[str, Any], str]]:
        """Each dictionary and name that holds a clock, as far as was looked."""
        return [place for places in self._holders.values() for place in places]

    def look(self) -> list[tuple[dict[str, Any], str]]:
        """Look at modules that are new or changed; says which names they hold."""
        modules = list(sys.modules.values())
        # With thousands of modules a loop in Python would take most of the time of a start.
        if len(modules) == len(self._all) and all(map(operator.is_, modules, self._all)):
            sizes = list(map(len, self._dicts))
            if sizes == self._sizes:
                return []
        found = [place for name in list(sys.modules) for place in self._look_for(name)]
        self._forget(self._seen.keys() - sys.modules.keys())
        self._all, self._dicts = modules, [names for names, _ in self._seen.values()]
        self._sizes = [size for _, size in self._seen.values()]
        return found

    def _look_for(self, name: str) -> list[tuple[dict[str, Any], str]]:
        names = _names_of(name)
        if names is None:
            return []
        known = self._seen.get(name)
        if known is not None and known[0] is names and known[1] == len(names):
            return []
        self._seen[name] = names, len(names)
        return self._look_at(name, names)

    def _look_at(self, name: str, names: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
        package = name.partition(".")[0]
        if package in KEEP_REAL and names.get("time") is time:
            self.keepers[name] = names
        if package in _NEVER or package in KEEP_REAL:
            return []
        found = [(names, key) for key, value in list(names.items()) if id(value) in _STAND_INS]
        if found:
            self._holders[name] = found
        return found

    def _forget(self, gone: set[str]) -> None:
        for name in gone:
            del self._seen[name]
            self._holders.pop(name, None)
            self.keepers.pop(name, None)


_modules = _Modules()


@contextmanager
def frozen(schedule: Schedule) -> Iterator[None]:
    """Put a schedule in the place of the machine's clock, for every thread of the process.

    Args:
        schedule: Says what time it is, and waits.

    Yields:
        Nothing. Everything that was replaced is put back at the end.
    """
    names: list[tuple[Any, str, Any]] = []
    classes: list[tuple[Any, str, Any]] = []
    # Each step back is taken, also if one before it fails or is interrupted.
    with ExitStack() as undo:
        undo.callback(_loops.give_back, schedule)
        undo.callback(_clean_after_another, _is_frozen())
        undo.callback(_clean_new_modules)
        # First and last: a thread that is inside of freezegun's own methods when it stops finds
        # its lists empty; one that is inside of ours does not ask them.
        undo.callback(_put_back, classes)
        _Use.freezing = None
        _replace(_local_time.pieces(*_freezegun.classes(), _moment), classes)
        undo.callback(_restore, dict(vars(time)))
        freezing = _freezegun.start(to_datetime(schedule.now()), (*KEEP_REAL, "qsession"))
        undo.callback(freezing.stop)
        undo.callback(_put_back, names)
        undo.callback(setattr, Slot, "schedule", None)
        if not _STAND_INS:
            _know(freezing)
        _Use.freezing = freezing
        _replace([*_threads.pieces(), *_loops.pieces()], names)
        _replace_names(names)
        Slot.schedule = schedule
        yield


def _replace(pieces: list[tuple[Any, str, Any]], undo: list[tuple[Any, str, Any]]) -> None:
    for owner, name, stand_in in pieces:
        undo.append((owner, name, owner.__dict__.get(name, _ABSENT)))
        setattr(owner, name, stand_in)


def _replace_names(undo: list[tuple[Any, str, Any]]) -> None:
    _modules.look()
    for names in _modules.keepers.values():
        names["time"] = _real_time
    for names, key in _modules.holders():
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
        elif value is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
    for names in _modules.keepers.values():
        names["time"] = time


def _is_frozen() -> bool:
    return datetime.datetime is _freezegun.classes()[0]


def _restore(before: dict[str, Any]) -> None:
    over = not _is_frozen()
    for name in _FAKES:
        # A freeze from before may have ended meanwhile.
        value = _STAND_INS.get(id(before[name]), (None, before[name]))[1] if over else before[name]
        setattr(time, name, value)


def _clean_new_modules() -> None:
    """Modules that were imported meanwhile took our stand-ins for the real thing."""
    frozen = datetime.datetime, datetime.date
    for names, key in _modules.look():
        ours, real = _STAND_INS[id(names[key])]
        if names[key] is ours and ours not in frozen:
            names[key] = real


def _clean_after_another(was_frozen: bool) -> None:
    """A freeze that began and ended before us left its stand-ins in all modules: the last takes them away."""
    if not was_frozen or _is_frozen():
        return
    for module in list(sys.modules):
        if module.partition(".")[0] in {"freezegun", "qsession"}:
            continue
        names = _names_of(module) or {}
        for key, value in list(names.items()):
            _, real = _STAND_INS.get(id(value), (None, value))
            # Who imported a stand-in by its own name wants it.
            if value is not real and key != value.__name__:
                names[key] = real

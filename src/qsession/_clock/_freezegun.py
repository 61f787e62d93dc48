"""freezegun through one door: what of it is private is tried out, and done without where it is not as known.

Private names that are used: ``freezegun.api.sys`` and ``freezegun.api.time`` are shadowed while it
starts and stops. So it finds no modules to search, and its functions, which fail in a thread
that is in one of them when it stops, never stand in ``time``. Without the first it searches all
modules, which is slow and correct. ``freezegun.api.freeze_factories`` tells whether a test froze the time
itself; without it, a moment that nobody else freezes at does. ``FakeDatetime`` and ``FakeDate``
are otherwise found by freezing for a moment.
"""

from __future__ import annotations

import copyreg
import datetime
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import BuiltinFunctionType, ModuleType
from typing import Any

import freezegun
from freezegun import api

_NOBODYS = datetime.datetime(1971, 3, 7, 11, 13, 17, 190_019, datetime.UTC)
_PROBE = "_whether_freezegun_searches"
_SLOW = "its search through all modules cannot be left out: the virtual clock is correct, and slow to begin"
_BY_VALUE = "its list of nested uses is not where it was: the virtual clock tells them by the frozen moment"


class _Shadow:
    """What freezegun may see of a module while it starts and stops: what it sets stays here."""

    def __init__(self, module: ModuleType, **instead: Any) -> None:
        self._module = module
        vars(self).update(instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@dataclass(slots=True)
class _Found:
    """What came out when the private names were tried.

    Attributes:
        searches: Whether it searched although it was shown no modules; None for not tried.
        by_value: Whether nested use had to be told by the frozen moment.
        classes: Its classes of moments and days.
    """

    searches: bool | None = None
    by_value: bool = False
    classes: tuple[Any, Any] | tuple[()] = ()


_found = _Found()
_asking = threading.local()


@dataclass(slots=True, eq=False)
class Freezing:
    """One use of freezegun.

    Attributes:
        datetime: Its class in the place of ``datetime.datetime``; its base is the real one.
        date: The same for ``datetime.date``.
        functions: Its functions, or the real ones, by their names in ``time``.
        own: The frozen moment of this use.
    """

    datetime: Any
    date: Any
    functions: dict[str, Callable[..., Any]]
    own: Any
    _freezer: Any
    _stack: list[Any] | None
    _outer: list[Any]
    _last_uuid: Any
    _reducers: dict[Any, Any] = field(default_factory=dict)

    def is_nested(self) -> bool:
        """Whether a test froze the time itself, inside of this use or after it."""
        if self._stack is not None:
            newest = self._stack[-1:]  # in one step: another thread may end the last use meanwhile
            return bool(newest) and newest[0] is not self.own and not self._takes_back(newest[0])
        if getattr(_asking, "on", False):
            return True  # asked by the question itself: freezegun's own answer is wanted
        _asking.on = True
        try:
            return bool(self.datetime.utcnow() != self.own())
        finally:
            _asking.on = False

    def _takes_back(self, newest: Any) -> bool:
        """Whether the newest use is another's from before: that ended, and took ours away for its own."""
        if self._stack is None or self.own in self._stack or newest not in self._outer:
            return False
        self._stack[-1:] = [self.own]
        return True

    def stop(self) -> None:
        """Put back what freezegun replaced."""
        copyreg.dispatch_table.update(self._reducers)
        if self._stack is not None and self.own in self._stack:
            # It takes the newest for its own, but a test may end its freeze later than we do.
            self._stack.remove(self.own)
            self._stack.append(self.own)
        if self._stack is None or self._stack:
            with _shadowed():
                self._freezer.stop()
        vars(uuid)["_last_timestamp"] = self._last_uuid
        # It leaves one behind that the module did not have.
        for name in vars(time).keys() - self.functions.keys():
            delattr(time, name)


def _private(name: str) -> Any:
    return vars(api).get(name)


def classes() -> tuple[Any, Any]:
    """Freezegun's stand-ins for ``datetime.datetime`` and ``datetime.date``."""
    if not _found.classes:
        names = [_private(name) for name in ("FakeDatetime", "FakeDate")]
        _found.classes = (names[0], names[1]) if all(names) else _frozen_for_a_moment()
    return _found.classes


def _frozen_for_a_moment() -> tuple[Any, Any]:
    with freezegun.freeze_time(_NOBODYS):
        return datetime.datetime, datetime.date


def start(moment: datetime.datetime, keep_real: Sequence[str]) -> Freezing:
    """Freeze the time.

    Args:
        moment: Where, for whoever asks freezegun itself.
        keep_real: Packages that a search, if there is one, leaves alone.

    Returns:
        What stops it.
    """
    functions = dict(vars(time))
    last_uuid = vars(uuid).get("_last_timestamp")
    freezer = freezegun.freeze_time(moment, ignore=list(keep_real))
    with _probing(), _shadowed() as shadow:
        own: Any = freezer.start()
    functions.update((name, value) for name, value in {**vars(time), **shadow}.items() if name in functions)
    stack = _private("freeze_factories")
    _found.by_value = not (isinstance(stack, list) and bool(stack) and stack[-1] is own)
    if _found.by_value:
        stack = None
        own.move_to(_NOBODYS)
    frozen, frozen_date = classes()
    return Freezing(
        datetime=frozen,
        date=frozen_date,
        functions=functions,
        own=own,
        _freezer=freezer,
        _stack=stack,
        _outer=[] if stack is None else stack[:-1],
        _last_uuid=last_uuid,
        _reducers=_reduce_to_real(frozen.__base__, frozen_date.__base__),
    )


def _reduce_to_real(*kinds: Any) -> dict[Any, Any]:
    """Let moments be pickled as what they are; gives freezegun's own reducers, which make them its own."""
    theirs = {kind: copyreg.dispatch_table[kind] for kind in kinds if kind in copyreg.dispatch_table}
    for kind in theirs:
        # The class cannot be found by its name now.
        copyreg.dispatch_table[kind] = _pack
    return theirs


def _pack(moment: Any) -> tuple[Any, ...]:
    return _unpack, (type(moment).__name__, *moment.__reduce_ex__(4)[1])


def _unpack(name: str, *state: Any) -> Any:
    kind = vars(datetime)[name]
    return (kind.__base__ if kind.__module__.startswith("freezegun.") else kind)(*state)


def findings() -> list[str]:
    """What is slower than it could be with the installed freezegun; empty when all is as known.

    Tries it out if no clock has been on yet.
    """
    if _found.searches is None:
        start(_NOBODYS, ()).stop()
    lines = []
    if _found.searches:
        lines.append(_SLOW)
    if _found.by_value:
        lines.append(_BY_VALUE)
    return [f"freezegun {freezegun.__version__}: {line}" for line in lines]


@contextmanager
def _probing() -> Iterator[None]:
    """Find out whether freezegun searches: only a search finds the module that stands here for a moment."""
    real = time.time
    if _found.searches is not None or not isinstance(real, BuiltinFunctionType):
        yield
        return
    probe = ModuleType(_PROBE)
    vars(probe)["clock"] = real
    sys.modules[_PROBE] = probe
    try:
        yield
    finally:
        del sys.modules[_PROBE]
    _found.searches = vars(probe)["clock"] is not real


@contextmanager
def _shadowed() -> Iterator[dict[str, Any]]:
    """Show freezegun no modules to search, nor the one whose functions other threads call meanwhile."""
    names = vars(api)
    shadows = {"sys": _Shadow(sys, modules={}), "time": _Shadow(time)}
    real = {name: names[name] for name in shadows if isinstance(_private(name), ModuleType)}
    names.update((name, shadows[name]) for name in real)
    try:
        yield vars(shadows["time"])
    finally:
        names.update(real)

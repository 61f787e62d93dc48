"""What the client made of an answer, kept by the bytes of the answer."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any, cast

from requests import Response

from qsession._wire._copies import recipes
from qsession._wire._late import Original, Unread, late

CAPACITY = 16
"""How many are kept: of eight devices the configuration and the properties.

The properties of 156 qubits take about 5 MB twice, to read and to copy from (measured).
"""


class _Asked(threading.local):
    by_the_client = False


_asked = _Asked()


@contextmanager
def asked_by_the_client() -> Iterator[None]:
    """What the calling thread asks for, a method of the client asks for that knows what to do with it."""
    before = _asked.by_the_client
    _asked.by_the_client = True
    try:
        yield
    finally:
        _asked.by_the_client = before


def is_asked_by_the_client() -> bool:
    """Whether the calling thread is inside of such a method."""
    return _asked.by_the_client


class _Raw(Unread):
    """An answer that the client keeps, and copies each time that it is asked for."""

    def copy(self) -> dict[str, Any]:
        if self.untouched and is_asked_by_the_client():
            return _Raw(self.digest, self._parse, self.given)
        return super().copy()


def parsed_late(answer: Response) -> Any:
    """The JSON of an answer, not parsed before somebody looks at it where it is known already."""
    # The same bytes are another text in another encoding.
    named = repr(answer.encoding).encode() + b"\0"
    digest = hashlib.sha256(named + answer.content).digest()
    if _known.has_body(digest):
        return _Raw(digest, answer.json)
    parsed = answer.json()
    # What is no object, or an empty one, is for the client to judge.
    return _Raw(digest, lambda: parsed) if type(parsed) is dict and parsed else parsed


def keeping(original: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of the client that makes a model of an answer do so once for each content.

    Args:
        original: Its first argument is the answer, which it may change; ``instance``
            is for its messages only, and any other an option.
    """

    @wraps(original)
    def from_server_data(*args: Any, **kwargs: Any) -> Any:
        key = _key(original.__name__, args, kwargs)
        if key is None:
            return original(*args, **kwargs)
        known = _known.get(key)
        if known is None:
            made = original(*args, **kwargs)
            if (parts := recipes(made)) is None:
                return made
            _known.put(key, known := Original(type(made), parts))
        return late(known)

    return from_server_data


def _key(maker: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Hashable, ...] | None:
    named = dict(kwargs)
    raw = args[0] if args else named.pop(next(iter(named), ""), None)
    if not (isinstance(raw, Unread) and raw.untouched):
        return None
    named.pop("instance", None)
    # By identity, since 1 and True are equal; any other option is not known here.
    options = (*args[1:], *named.values())
    if any(value is not None and value is not True and value is not False for value in options):
        return None
    return (raw.digest, maker, tuple(raw.given.items()), args[1:], tuple(named.items()), *_dates())


def _dates() -> tuple[Hashable, ...]:
    """What decides which dates the client makes of a text.

    The class, since a frozen clock has its own, and the zone, since it makes them local.
    """
    parser: Any = import_module("dateutil.parser")
    zones: Any = import_module("dateutil.tz")
    made = parser.isoparse("2020-01-01T00:00:00Z").astimezone(zones.tzlocal())
    return cast(Hashable, type(made)), time.tzname, time.timezone, time.altzone, os.environ.get("TZ")


class _Known:
    """Originals by key, the least recently used leaving first. Of one process, on no disk."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Hashable, ...], Original] = OrderedDict()

    def has_body(self, digest: bytes) -> bool:
        with self._lock:
            return any(key[0] == digest for key in self._kept)

    def get(self, key: tuple[Hashable, ...]) -> Original | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[Hashable, ...], original: Original) -> None:
        with self._lock:
            self._kept[key] = original
            self._kept.move_to_end(key)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)


_known = _Known(CAPACITY)

"""What the client works out anew in every test, kept in the process, by content.

With a 156-qubit backend (client 0.51, measured) the client spends 97 ms on the dates of
the properties, 35 ms on reading certificates for connections that a replay never opens,
and 4 ms on copying the configuration; ``requests`` looks through the whole environment for
proxies at every request, 0.1 ms each. ``shared`` pays for each of these once. Whatever
is handed out is made for that caller alone, so that no test can change what another gets.

The ``Target`` stays the client's own work: it is built from objects that a test may have
changed, and building it (3 ms) is cheaper than proving that none did.

Each name of the client that is replaced here is looked up by itself. Where one is missing,
or where something is met that cannot be copied exactly, the client's own way is taken.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from unittest import mock

import requests.sessions
import requests.utils
from requests import Response

from qsession._kept import uncollected
from qsession._wire._copies import Make, quick_deepcopy, recipe

CAPACITY = 8
"""How many parsed properties are kept; about 5 MB each with 156 qubits (measured)."""


@contextmanager
def shared() -> Iterator[None]:
    """Let the client reuse what it worked out before, in this run or in an earlier one.

    Yields:
        Nothing. The client is as it was at the end; what was kept stays in the process.
    """
    from qiskit_ibm_runtime import ibm_backend

    with ExitStack() as undo:
        cloud = _module("qiskit_ibm_runtime.api.rest.cloud_backend")
        _replace(undo, getattr(cloud, "CloudBackend", None), "properties", _unread_properties)
        _replace(undo, ibm_backend.IBMBackend, "properties", _asking)
        _replace(undo, ibm_backend, "properties_from_server_data", _kept_properties)
        _replace(undo, ibm_backend, "deepcopy", quick_deepcopy)
        for module in (requests.sessions, requests.utils):
            _replace(undo, module, "get_environ_proxies", _no_proxies_unless_named)
        _replace(undo, _module("ibm_cloud_sdk_core.http_adapter"), "create_urllib3_context", _late_context)
        yield


def _module(name: str) -> ModuleType | None:
    try:
        found = find_spec(name)
    except ModuleNotFoundError:  # one of its parents
        return None
    return import_module(name) if found else None


def _replace(
    undo: ExitStack, holder: object, name: str, by: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    original = getattr(holder, name, None)
    if callable(original):
        undo.enter_context(mock.patch.object(holder, name, by(original)))


# --- properties -----------------------------------------------------------------------


_asked_by = threading.local()


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    """Only the client's own ``IBMBackend.properties`` is given what nobody has parsed."""

    @wraps(original)
    def properties(*args: Any, **kwargs: Any) -> Any:
        before = getattr(_asked_by, "backend", False)
        _asked_by.backend = True
        try:
            return original(*args, **kwargs)
        finally:
            _asked_by.backend = before

    return properties


def _unread_properties(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def properties(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not getattr(_asked_by, "backend", False) or "session" not in vars(self):
            return original(self, *args, **kwargs)
        # The client's own method on an object like its own, whose answers are not parsed.
        reader = object.__new__(type(self))
        vars(reader).update(vars(self))
        reader.session = _Reader(self.session)
        return original(reader, *args, **kwargs)

    return properties


class _Reader:
    """A session of the client whose answers are parsed when they are looked at."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        answer = self._session.get(*args, **kwargs)
        return _Answer(answer) if type(answer) is Response else answer


class _Answer:
    def __init__(self, answer: Response) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)

    def json(self, **options: Any) -> Any:
        if options:
            return self._answer.json(**options)
        # The same bytes are another text in another encoding.
        named = repr(self._answer.encoding).encode() + b"\0"
        digest = hashlib.sha256(named + self._answer.content).digest()
        if not _known.has_body(digest):
            parsed = self._answer.json()
            # What is no object, or an empty one, is for the client to judge.
            return Unread(digest, lambda: parsed) if type(parsed) is dict and parsed else parsed
        return Unread(digest, self._answer.json)


class Unread(dict[str, Any]):
    """A JSON object that is not empty, parsed when anybody looks into it.

    Attributes:
        digest: Digest of the JSON text.
        given: Texts that were set before anybody looked.
        untouched: Whether nobody looked yet: the content is the text and what was given.
    """

    def __init__(self, digest: bytes, parse: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self.digest = digest
        self.given: dict[str, str] = {}
        self.untouched = True
        self._parse = parse

    def read(self) -> None:
        """Become the object itself."""
        if self.untouched:
            self.untouched = False
            super().update(self._parse())
            super().update(self.given)

    def __bool__(self) -> bool:
        return self.untouched or len(self) > 0

    def __setitem__(self, name: str, value: Any) -> None:
        if self.untouched and type(value) is str:
            self.given[name] = value
        else:
            self.read()
            super().__setitem__(name, value)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return dict, (dict(self),)


def _read_before(kind: type, base: type, *names: str) -> None:
    """Make methods of a base class call ``read`` of the derived one before they begin."""

    def reading(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.read()
            return original(self, *args, **kwargs)

        return method

    for name in names:
        setattr(kind, name, reading(getattr(base, name)))


_read_before(
    *(Unread, dict),
    *("__contains__", "__delitem__", "__eq__", "__getitem__", "__ior__", "__iter__", "__len__", "__ne__"),
    *("__or__", "__repr__", "__reversed__", "__ror__"),
    *("clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"),
)


def _kept_properties(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def properties_from_server_data(properties: Any, *args: Any, **kwargs: Any) -> Any:
        key = _key(properties, args, kwargs)
        if key is None:
            return original(properties, *args, **kwargs)
        make = _known.get(key)
        if make is not None:
            with uncollected():
                return make()
        made = original(properties, *args, **kwargs)
        make = recipe(made)
        if make is not None:
            _known.put(key, make)
        return made

    return properties_from_server_data


def _key(properties: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Hashable, ...] | None:
    if not (isinstance(properties, Unread) and properties.untouched):
        return None
    options = (*args, *kwargs.values())
    # By identity, since 1 and True are equal; any other option is not known here.
    if any(option is not None and option is not True and option is not False for option in options):
        return None
    given = tuple(properties.given.items())
    return (properties.digest, given, args, tuple(kwargs.items()), *_dates())


def _dates() -> tuple[Hashable, ...]:
    """What decides which dates the client makes of a text.

    The class, since a frozen clock has its own, and the zone, since it makes them local.
    """
    parser: Any = import_module("dateutil.parser")
    zones: Any = import_module("dateutil.tz")
    made = parser.isoparse("2020-01-01T00:00:00Z").astimezone(zones.tzlocal())
    return cast(Hashable, type(made)), time.tzname, time.timezone, time.altzone, os.environ.get("TZ")


class _Known:
    """Recipes by key, the least recently used leaving first. Of one process, on no disk."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Hashable, ...], Make] = OrderedDict()

    def has_body(self, digest: bytes) -> bool:
        with self._lock:
            return any(key[0] == digest for key in self._kept)

    def get(self, key: tuple[Hashable, ...]) -> Make | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[Hashable, ...], make: Make) -> None:
        with self._lock:
            self._kept[key] = make
            self._kept.move_to_end(key)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)


_known = _Known(CAPACITY)


# --- proxies --------------------------------------------------------------------------

_PROXIES = tuple(
    name for each in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy") for name in (each, each.upper())
)


def _no_proxies_unless_named(original: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    @wraps(original)
    def get_environ_proxies(*args: Any, **kwargs: Any) -> dict[str, str]:
        # Where the system keeps proxies elsewhere too, they are looked up there.
        if os.name == "posix" and sys.platform != "darwin" and not any(map(os.environ.get, _PROXIES)):
            return {}
        return original(*args, **kwargs)

    return get_environ_proxies


# --- certificates ---------------------------------------------------------------------


def _late_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        context = original(*args, **kwargs)
        # Others may have put a class of their own in the place of this one.
        if type(context) is ssl.SSLContext:
            context.__class__ = LateContext
        return context

    return create


class LateContext(ssl.SSLContext):
    """A TLS context that reads its file of certificates when it is first needed."""

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """Remember a file that is there; all else is done at once."""
        if capath is None and cadata is None and _is_file(cafile):
            vars(self).setdefault("_files", []).append(cafile)
        else:
            super().load_verify_locations(cafile, capath, cadata)

    def read(self) -> None:
        """Read what was put off."""
        for file in vars(self).pop("_files", ()):
            super().load_verify_locations(file)


def _is_file(name: object) -> bool:
    # By its whole name, since the working folder may be another one when it is read.
    return isinstance(name, str) and Path(name).is_absolute() and Path(name).is_file()


_read_before(
    *(LateContext, ssl.SSLContext),
    *("wrap_socket", "wrap_bio", "get_ca_certs", "cert_store_stats", "load_default_certs"),
)

"""What the client works out anew in every test, kept in the process, by content.

With a 156-qubit backend (client 0.51, measured) the client spends 97 ms on the dates of
the properties, 35 ms on reading certificates for connections that a replay never opens,
and 10 ms on parsing and copying the configuration; ``requests`` looks through the whole
environment for proxies at every request, 0.1 ms each. ``shared`` pays for each of these once.
Whatever is handed out is made for that caller alone, so that no test can change what another
gets, and only if that caller looks at it.

The ``Target`` stays the client's own work: it is built from a configuration that a test may
have changed, and building it (4 ms) is no dearer than copying one.

Each name of the client that is replaced here is looked up by itself. Where one is missing,
or where something is met that cannot be copied exactly, the client's own way is taken.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest import mock

import requests.sessions
import requests.utils
from requests import Response

from qsession._wire._known import asked_by_the_client, is_asked_by_the_client, keeping, parsed_late
from qsession._wire._late import LateContext, late, original_of


@contextmanager
def shared() -> Iterator[None]:
    """Let the client reuse what it worked out before, in this run or in an earlier one.

    Yields:
        Nothing. The client is as it was at the end; what was kept stays in the process.
    """
    from qiskit_ibm_runtime import ibm_backend, qiskit_runtime_service

    with ExitStack() as undo:
        cloud = _module("qiskit_ibm_runtime.api.rest.cloud_backend")
        for name in ("configuration", "properties"):
            _replace(undo, getattr(cloud, "CloudBackend", None), name, _unread)
        for holder, name in _askers(ibm_backend, qiskit_runtime_service):
            _replace(undo, holder, name, _asking)
        for module in (ibm_backend, qiskit_runtime_service):
            _replace(undo, module, "configuration_from_server_data", keeping)
        _replace(undo, ibm_backend, "properties_from_server_data", keeping)
        _replace(undo, ibm_backend, "convert_to_target", _reading_originals)
        _replace(undo, ibm_backend, "deepcopy", _copying)
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


# --- configuration and properties -------------------------------------------------------


def _askers(backend: Any, service: Any) -> list[tuple[object, str]]:
    """Only these of the client's own methods are given what nobody has parsed."""
    ours = backend.IBMBackend
    return [(ours, "properties"), (ours, "refresh"), (service.QiskitRuntimeService, "_create_backend_obj")]


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        with asked_by_the_client():
            return original(*args, **kwargs)

    return method


def _unread(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_asked_by_the_client() or "session" not in vars(self):
            return original(self, *args, **kwargs)
        # The client's own method on an object like its own, whose answers are not parsed.
        reader = object.__new__(type(self))
        vars(reader).update(vars(self))
        reader.session = _Reader(self.session)
        return original(reader, *args, **kwargs)

    return method


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
        return self._answer.json(**options) if options else parsed_late(self._answer)


def _reading_originals(original: Callable[..., Any]) -> Callable[..., Any]:
    """The client only reads these to build a ``Target``: nobody needs some of his own for that."""

    @wraps(original)
    def convert_to_target(*args: Any, **kwargs: Any) -> Any:
        for name in ("configuration", "properties"):
            if (kept := original_of(kwargs.get(name))) is not None:
                kwargs[name] = kept.model
        return original(*args, **kwargs)

    return convert_to_target


def _copying(original: Callable[..., Any]) -> Callable[..., Any]:
    """The client copies the configuration of every backend that it makes."""

    @wraps(original)
    def deepcopy(value: Any, *memo: Any) -> Any:
        kept = None if memo else original_of(value)
        return original(value, *memo) if kept is None else late(kept)

    return deepcopy


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

"""A line for each request that the server answered, without anything secret."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from qsession._clock import isoformat
from qsession._endpoints import ENDPOINTS, Call, identify
from qsession._model import SECOND, Instant, Micros, Request

_METHODS = frozenset({endpoint.method for endpoint in ENDPOINTS} | {"HEAD", "OPTIONS", "CONNECT", "TRACE"})
# Ids as the service makes them (observed). Keys, tokens, CRNs and account ids have another
# form, so that one that strays into a path is not written.
_ID = r"[0-9a-v]{20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SHOWN = {
    "job": re.compile(_ID),
    "session": re.compile(_ID),
    "backend": re.compile(r"[a-z]{2,8}_[a-z0-9_]{1,16}"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request.

    Attributes:
        at: When it had been read.
        request: The request; None when it could not be read.
        status: The status of the answer.
        took: How long the answer took.
        problem: Where the emulator failed, if it did.
    """

    at: Instant
    request: Request | None
    status: int
    took: Micros
    problem: str = ""


class RequestLog:
    """Writes entries as they come. Safe for concurrent use.

    Args:
        stream: Where to; it is flushed after each line.
        as_json: Lines of JSON instead of words.
    """

    def __init__(self, stream: TextIO, *, as_json: bool = False) -> None:
        self._stream = stream
        self._as_json = as_json
        self._lock = threading.Lock()

    def note(self, entry: Entry) -> None:
        """Write one line. A log that cannot be written to keeps nobody from an answer."""
        told = _told(entry)
        line = json.dumps(told) if self._as_json else _line(told)
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                return  # the disk is full, or whoever read it is gone


def _told(entry: Entry) -> dict[str, object]:
    call = identify(entry.request) if entry.request is not None else None
    told: dict[str, object] = {
        "at": isoformat(entry.at),
        "method": _method(entry.request),
        "call": "unknown" if call is None else call.endpoint.name,
        "path": "?" if call is None else _path(call),
        "status": entry.status,
        "milliseconds": round(entry.took / (SECOND / 1000), 1),
    }
    return told | ({"problem": entry.problem} if entry.problem else {})


def _line(told: Mapping[str, object]) -> str:
    line = f"{told['at']} {told['method']} {told['path']} {told['status']} {told['milliseconds']}ms"
    return f"{line} {told['problem']}" if "problem" in told else line


def _method(request: Request | None) -> str:
    return request.method if request is not None and request.method in _METHODS else "?"


def _path(call: Call) -> str:
    """The path with those ids that are no secrets; a query may hold anything and is left out."""
    if call.endpoint.name == "unknown":
        return "?"
    path = call.endpoint.template
    for name, value in call.ids.items():
        if name in _SHOWN and _SHOWN[name].fullmatch(value):
            path = path.replace("{" + name + "}", value)
    return path

"""Tracebacks that end where the user's code does: what lies below only buries a message of ours."""

from __future__ import annotations

import sys
from itertools import islice
from types import FrameType, TracebackType
from typing import Any

_PLUMBING = frozenset(
    {"qsession", "qiskit_ibm_runtime", "requests", "urllib3", "vcr", "_pytest", "pluggy", "contextlib"}
)


def shorten(told: Any) -> None:
    """Show nothing after the last frame of the user's; where none is, the first of ours.

    Args:
        told: What pytest knows of an exception.
    """
    ours = (entry for entry in told.traceback if _package(entry.frame.raw) == "qsession")
    kept = _shortened(told.tb) or [entry.with_repr_style("short") for entry in islice(ours, 1)]
    told.traceback = type(told.traceback)(kept)


def _shortened(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames after the last one of the user's; None if there is none of his."""
    links: list[TracebackType] = []
    while trace is not None:
        links.append(trace)
        trace = trace.tb_next
    while links and _package(links[-1].tb_frame) in _PLUMBING:
        links.pop()
    short: TracebackType | None = None
    for one in reversed(links):
        short = TracebackType(short, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return short


def _package(frame: FrameType) -> str:
    """The package that a frame's code belongs to."""
    return str(frame.f_globals.get("__name__", "")).split(".")[0]


def asking() -> str:
    """Where the user's code is that led here: file, line and function; empty if there is none.

    Without the line itself, which may hold a key.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_foreign(frame):
        frame = frame.f_back
    if frame is None:
        return ""
    name = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{name}:{frame.f_lineno}, in {frame.f_code.co_qualname}"


def _is_foreign(frame: FrameType) -> bool:
    parts = frame.f_code.co_filename.replace("\\", "/").split("/")
    return (
        _package(frame) in _PLUMBING | sys.stdlib_module_names
        or not {"site-packages", "dist-packages"}.isdisjoint(parts)
        or parts[0].startswith("<")
    )

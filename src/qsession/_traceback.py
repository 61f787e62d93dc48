"""Tracebacks that end where the user's code does: what lies below only buries a message of ours."""

from __future__ import annotations

from types import FrameType, TracebackType

_PLUMBING = frozenset(
    {"qsession", "qiskit_ibm_runtime", "requests", "urllib3", "vcr", "_pytest", "pluggy", "contextlib"}
)


def shortened(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames after the last one of the user's; None if there is none of his."""
    links: list[TracebackType] = []
    while trace is not None:
        links.append(trace)
        trace = trace.tb_next
    while links and package(links[-1].tb_frame) in _PLUMBING:
        links.pop()
    short: TracebackType | None = None
    for one in reversed(links):
        short = TracebackType(short, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return short


def package(frame: FrameType) -> str:
    """The package that a frame's code belongs to."""
    return str(frame.f_globals.get("__name__", "")).split(".")[0]

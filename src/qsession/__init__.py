"""Record, replay and check IBM Quantum sessions.

The public names load lazily, so that ``import qsession`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # children of a replay load this, and typing takes them 5 ms
if TYPE_CHECKING:
    from qsession._api import record, replay
    from qsession._clock import VirtualClock
    from qsession._run import Run
    from qsession.emulator import Emulator
    from qsession.session import Batch, Session

__all__ = ["Batch", "Emulator", "Run", "Session", "VirtualClock", "record", "replay"]

_HOMES = {
    "Batch": "qsession.session",
    "Emulator": "qsession.emulator",
    "Run": "qsession._run",
    "Session": "qsession.session",
    "VirtualClock": "qsession._clock",
    "record": "qsession._api",
    "replay": "qsession._api",
}


_PARTS = ("emulator", "errors", "session")


def __getattr__(name: str) -> object:
    if name in _PARTS:
        return import_module(f"qsession.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PARTS})

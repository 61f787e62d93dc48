"""What the runs of one run of pytest have in common: fixtures of wide scope, shared sessions, imports.

No pytest here: the plugin says what is set up and torn down, and this room what that means.
"""

from __future__ import annotations

from qsession._suite._sessions import (
    Opened,
    backend_for,
    close,
    ident_of,
    numbered,
    opened,
    session_for,
    wide_for,
)
from qsession._suite._suite import Suite
from qsession._suite._wide import Wide

__all__ = [
    "Opened",
    "Suite",
    "Wide",
    "backend_for",
    "close",
    "ident_of",
    "numbered",
    "opened",
    "session_for",
    "wide_for",
]

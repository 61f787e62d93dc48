"""What a test wants of its run: options, marker and place, turned into settings. No pytest here."""

from __future__ import annotations

from qsession._plan._marks import Item, parameters
from qsession._plan._messages import no_backend, too_wide, unknown_backend
from qsession._plan._plan import DEFAULT_BACKEND, Plan
from qsession._plan._reading import plan

__all__ = [
    "DEFAULT_BACKEND",
    "Item",
    "Plan",
    "no_backend",
    "parameters",
    "plan",
    "too_wide",
    "unknown_backend",
]

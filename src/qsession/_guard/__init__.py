"""The guard: what of this process may leave the machine, and by which ways.

A child process loads this at its start, maybe with a Python older than ours: the whole room
imports the standard library only, and has no dataclasses with slots.
"""

from __future__ import annotations

from qsession._guard._fence import Border, Fence
from qsession._guard._late import once_imported, replaced
from qsession._guard._sockets import LED_ADDRESS, Lead, guarded, is_loopback
from qsession._guard._tunnels import no_detours

__all__ = [
    "LED_ADDRESS",
    "Border",
    "Fence",
    "Lead",
    "guarded",
    "is_loopback",
    "no_detours",
    "once_imported",
    "replaced",
]

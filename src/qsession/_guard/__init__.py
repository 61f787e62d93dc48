"""The guard: what of this process may leave the machine, and by which ways.

A child process loads this at its start, maybe with a Python older than ours: the whole room
imports the standard library only, and has no dataclasses with slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qsession._guard._bounds import Border, Bounds, Fence
from qsession._guard._late import once_imported, replaced
from qsession._guard._sockets import Lead, guarded_sockets, is_loopback
from qsession._guard._tunnels import no_detours

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not imported: typing takes a child 5 ms.
    from typing import NoReturn

__all__ = ["Border", "Bounds", "Fence", "Lead", "guarded", "is_loopback", "once_imported", "replaced"]


@contextmanager
def guarded(bounds: Bounds, refuse: Callable[[str], NoReturn], *, lead: Lead | None = None) -> Iterator[None]:
    """Keep this process within bounds: its sockets, its look-ups, what it asks of proxies, its TLS.

    Args:
        bounds: Say who may be reached.
        refuse: Raises for a host that may not, with its port where that is what is refused.
        lead: Names that are led elsewhere, whatever the bounds say of them.

    Yields:
        Nothing. Everything is put back at the end.
    """
    with guarded_sockets(bounds, refuse, lead), no_detours(bounds, refuse):
        yield

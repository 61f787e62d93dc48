"""What a process of a replay may reach: itself, what it started, and whom the user allowed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from qsession._guard._listeners import Listeners
from qsession._guard._sockets import is_loopback
from qsession._hosts import is_service

_ANY = -1


class Fence:
    """Says of hosts and ports whether they lie within.

    Args:
        allowed: Hosts that may be reached, such as ``example.org``, and ports of this machine
            at which somebody else may be asked, such as ``localhost:5432``; ``localhost``
            alone stands for all of them.
        root: The process with which the tree begins whose ports are its own; this one when None.
    """

    def __init__(self, allowed: Collection[str], *, root: int | None = None) -> None:
        named = [_parted(text.lower()) for text in allowed if text]
        self._hosts = frozenset(host for host, _ in named)
        self._ports = frozenset(port for host, port in named if is_loopback(host))
        self._listeners = Listeners(os.getpid() if root is None else root)

    def may_pass(self, host: str) -> bool:
        """Whether a host may be reached or looked up."""
        return is_loopback(host) or self.names(host)

    def names(self, host: str) -> bool:
        """Whether a host was allowed by its name."""
        return host.lower().rstrip(".") in self._hosts

    def may_proxy(self, host: str, _port: int | None) -> bool:
        """Whether a proxy may be asked for a host: nobody knows what a proxy on this machine does."""
        return self.may_pass(host)

    def may_speak(self, host: str, _port: int | None) -> bool:
        """Whether TLS may be spoken under a name: under the service's with nobody."""
        return not is_service(host) or self.names(host)

    def may_ask(self, port: int, is_stream: bool) -> bool:
        """Whether a port of this machine may be asked."""
        return not self._ports.isdisjoint((_ANY, port)) or self._listeners.may_ask(port, is_stream)


def _parted(text: str) -> tuple[str, int]:
    """A host and its port, or any."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or (":" in host and not host.endswith("]")):
        return text.strip("[]"), _ANY
    return host.strip("[]"), int(port)


class Border:
    """Says of hosts whether they lie outside of what a whole run of tests keeps off.

    Args:
        is_barred: Says whether nobody may reach a host.
        root: As for `Fence`.
    """

    def __init__(self, is_barred: Callable[[str], bool], *, root: int | None = None) -> None:
        self._is_barred = is_barred
        self._listeners = Listeners(os.getpid() if root is None else root)

    def may_pass(self, host: str) -> bool:
        """Whether a host may be reached or looked up."""
        return not self._is_barred(host)

    def may_speak(self, host: str, port: int | None) -> bool:
        """Whether to speak under a name with somebody: a test may have a server that has a barred one."""
        return not self._is_barred(host) or (port is not None and self._listeners.may_ask(port, True))

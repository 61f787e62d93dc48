"""What a process may reach: a run its own process tree, and the tests round it all but the service."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from qsession._guard._listeners import Listeners
from qsession._guard._sockets import is_loopback
from qsession._hosts import is_service

_ANY = -1


class Bounds(ABC):
    """What the guard asks, and what holds where nobody says otherwise."""

    @abstractmethod
    def may_pass(self, host: str) -> bool:
        """Whether a host may be reached or looked up."""

    def may_proxy(self, host: str, _port: int | None) -> bool:
        """Whether a proxy may be asked for a host.

        Args:
            host: A name.
            _port: That of the proxy, if it is on this machine.
        """
        return self.may_pass(host)

    def may_speak(self, _host: str, _port: int | None) -> bool:
        """Whether TLS may be spoken under a name: any may be that of a server of this machine.

        Args:
            _host: The name.
            _port: The port at the other end, if that is this machine.
        """
        return True

    def may_ask(self, _port: int, _is_stream: bool) -> bool:
        """Whether a port of this machine may be asked.

        Args:
            _port: The port.
            _is_stream: Whether by TCP; else by UDP.
        """
        return True


class Fence(Bounds):
    """Round a run: nobody but this machine's own, and whom the user allowed.

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
        """This machine, and what was allowed."""
        return is_loopback(host) or self._names(host)

    def may_speak(self, host: str, _port: int | None) -> bool:
        """Under the service's names with nobody."""
        return not is_service(host) or self._names(host)

    def may_ask(self, port: int, is_stream: bool) -> bool:
        """Those of the tree, and what was allowed."""
        return not self._ports.isdisjoint((_ANY, port)) or self._listeners.may_ask(port, is_stream)

    def _names(self, host: str) -> bool:
        return host.lower().rstrip(".") in self._hosts


def _parted(text: str) -> tuple[str, int]:
    """A host and its port, or any."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or (":" in host and not host.endswith("]")):
        return text.strip("[]"), _ANY
    return host.strip("[]"), int(port)


class Border(Bounds):
    """Round a whole run of tests: everybody but a few.

    Args:
        is_barred: Says whether nobody may reach a host.
        root: As for `Fence`.
    """

    def __init__(self, is_barred: Callable[[str], bool], *, root: int | None = None) -> None:
        self._is_barred = is_barred
        self._listeners = Listeners(os.getpid() if root is None else root)

    def may_pass(self, host: str) -> bool:
        """Whoever is not barred."""
        return not self._is_barred(host)

    def may_speak(self, host: str, port: int | None) -> bool:
        """With a server of the tree also under a barred name: a test may have one of its own."""
        return not self._is_barred(host) or (port is not None and self._listeners.may_ask(port, True))

    def may_proxy(self, host: str, port: int | None) -> bool:
        """The same of a proxy: one of the tree knows no way that is barred."""
        return self.may_speak(host, port)

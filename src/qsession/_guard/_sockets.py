"""Nothing of this process opens a connection or looks up a name that may not be reached.

Replaces the entry points of Python's ``socket`` module. Code that opens sockets in
C without it (gRPC, libcurl, uvloop) is not seen; the client and its SDK do not.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from qsession._guard._late import replaced
from qsession._hosts import as_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not imported: typing takes a child 5 ms.
    from typing import Any, NoReturn

    from qsession._guard._bounds import Bounds

_CONNECTS = ("connect", "connect_ex", "sendto", "sendmsg")
_LOOKUPS = ("gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo", "getaddrinfo")
_SENDMSG_ADDRESS = 3
_KEPT_BY = {
    "pytest_socket": {
        "_true_connect": "connect",
        "_true_getaddrinfo": "getaddrinfo",
        "_true_gethostbyname": "gethostbyname",
    },
    "pytest_recording.network": {"_original_connect": "connect", "_original_connect_ex": "connect_ex"},
}
"""Who keeps the functions as they were before us, and puts them back after every test (pytest-socket
0.7 to 0.8) or where it blocks the network (pytest-recording 0.13 to 0.14): by module, name and what it
keeps. Unless they keep ours, they take the guard away."""
LED_ADDRESS = "127.81.83.1"
"""What a look-up of a led name gives. Of its own, so that a connection that is made to it
afterwards is known, whatever its port; it never leaves this machine (127.0.0.0/8)."""


class Lead:
    """Names that lead to a port of this machine instead of where they belong.

    Attributes:
        names: Says whether a host name is led.
        port: Where to, on 127.0.0.1, whatever port was asked.
    """

    __slots__ = ("names", "port")

    def __init__(self, names: Callable[[str], bool], port: int) -> None:
        self.names = names
        self.port = port


@contextmanager
def guarded_sockets(bounds: Bounds, refuse: Callable[[str], NoReturn], lead: Lead | None) -> Iterator[None]:
    """Refuse connections and look-ups, or lead them elsewhere, whatever the bounds say of them."""
    ways = _Ways(bounds, refuse, lead or Lead(lambda name: False, 0))
    kind = _plain_class()
    guards: dict[str, Any] = {name: ways.lookup(name, getattr(socket, name)) for name in _LOOKUPS}
    # Not every system has sendmsg.
    connects = {n: ways.connect(n, getattr(kind, n)) for n in _CONNECTS if hasattr(kind, n)}
    with ExitStack() as undo:
        undo.callback(ways.end)
        for owner, names in ((socket, dict(guards)), (kind, connects)):
            for name, guard in names.items():
                undo.enter_context(replaced(owner, name, guard))
        guards.update(connects)
        for module, kept in _KEPT_BY.items():
            for name, what in kept.items():
                # Not by import: who is not there keeps nothing.
                if hasattr(sys.modules.get(module), name):
                    undo.enter_context(replaced(sys.modules[module], name, guards[what]))
        yield


def _plain_class() -> Any:
    """The class of sockets as Python made it: somebody may have put another in its place, or a function."""
    return next(kind for kind in socket.SocketType.__subclasses__() if kind.__module__ == "socket")


def is_loopback(host: str) -> bool:
    """Whether a name or address stays on this machine, whose own name does."""
    name = host.lower().rstrip(".")
    # Its own name is looked up by every server of the standard library that listens.
    if name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost"):
        return True
    import ipaddress  # few children ask anybody

    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    # A connection of version 6 may mean an address of version 4.
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


class _Ways:
    def __init__(self, bounds: Bounds, refuse: Callable[[str], NoReturn], lead: Lead) -> None:
        self.bounds = bounds
        self.refuse = refuse
        self.lead = lead
        self.is_over = False

    def end(self) -> None:
        """From here on a function that somebody took meanwhile and still holds does what it did before."""
        self.is_over = True

    def leads(self, host: object) -> bool:
        """Whether a host is led; raises if it may not be reached either."""
        text = as_text(host)
        if text == LED_ADDRESS and self.lead.port:
            return True
        if self.lead.names(text):
            return True
        if text and not self.bounds.may_pass(text):
            self.refuse(text)
        return False

    def lookup(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """A look-up that knows led names."""

        def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
            if self.is_over:
                return original(host, *args, **kwargs)
            # getnameinfo takes a whole address.
            led = self.leads(host[0] if isinstance(host, tuple) else host)
            if not led or isinstance(host, tuple):
                return original(host, *args, **kwargs)
            if name in ("gethostbyname_ex", "gethostbyaddr"):
                return (host, [], [LED_ADDRESS])
            return original(LED_ADDRESS, *args, **kwargs)

        return look_up

    def connect(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """A way to connect that takes led names, and what a look-up gave for them, to the port."""
        # sendmsg is called with and without an address, the others always with one, last.
        place = _SENDMSG_ADDRESS if name == "sendmsg" else -1

        def connect(own: socket.socket, *args: Any) -> Any:
            address = args[place] if len(args) > place else None
            # Other families (unix, netlink, vsock) cannot leave the machine.
            is_inet = own.family in (socket.AF_INET, socket.AF_INET6)
            if self.is_over or not is_inet or not isinstance(address, tuple):
                return original(own, *args)
            if not self.leads(address[0]):
                self._check_port(own, address)
                return original(own, *args)
            return original(own, *args[:place], self._instead(own, address), *args[len(args) + place + 1 :])

        return connect

    def _check_port(self, own: socket.socket, address: tuple[Any, ...]) -> None:
        host, port = str(address[0]), address[1]
        if not isinstance(port, int) or not is_loopback(host):
            return
        if not self.bounds.may_ask(port, own.type == socket.SOCK_STREAM):
            self.refuse(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    def _instead(self, own: socket.socket, address: tuple[Any, ...]) -> tuple[Any, ...]:
        if own.type != socket.SOCK_STREAM:
            self.refuse(str(address[0]))  # nobody answers datagrams here
        if own.family == socket.AF_INET6:
            return ("::ffff:127.0.0.1", self.lead.port, 0, 0)
        return ("127.0.0.1", self.lead.port)

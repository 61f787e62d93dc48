"""The guard: nothing of this process opens a connection or looks up a name.

Replaces the entry points of Python's ``socket`` module. Code that opens sockets in
C without it (gRPC, libcurl) is not seen; the client and its SDK do not.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest import mock

_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")
_CONNECTS = ("connect", "connect_ex", "sendto", "sendmsg")
_SENDMSG_ADDRESS = 3


@contextmanager
def guarded(may_pass: Callable[[str], bool], refuse: Callable[[str], NoReturn]) -> Iterator[None]:
    """Refuse connections and look-ups.

    Args:
        may_pass: Says whether a host name or address may be reached.
        refuse: Raises for one that may not.

    Yields:
        Nothing. The entry points are put back at the end.
    """

    def check(host: object) -> None:
        text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if text and not may_pass(text):
            refuse(text)

    with ExitStack() as undo:
        for name in _LOOKUPS:
            wrapped = _lookup(getattr(socket, name), check)
            undo.enter_context(mock.patch.object(socket, name, wrapped))
        # Not every system has sendmsg.
        for name in (name for name in _CONNECTS if hasattr(socket.socket, name)):
            wrapped = _connect(getattr(socket.socket, name), check)
            undo.enter_context(mock.patch.object(socket.socket, name, wrapped))
        yield


def is_loopback(host: str) -> bool:
    """Whether a name or address stays on this machine, whose own name does."""
    name = host.lower().rstrip(".")
    # Its own name is looked up by every server of the standard library that listens.
    if name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _lookup(original: Callable[..., Any], check: Callable[[object], None]) -> Callable[..., Any]:
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        # getnameinfo takes a whole address.
        check(host[0] if isinstance(host, tuple) else host)
        return original(host, *args, **kwargs)

    return look_up


def _connect(original: Callable[..., Any], check: Callable[[object], None]) -> Callable[..., Any]:
    # sendmsg is called with and without an address, the others always with one, last.
    place = _SENDMSG_ADDRESS if original.__name__ == "sendmsg" else -1

    def connect(self: socket.socket, *args: Any) -> Any:
        address = args[place] if len(args) > place else None
        # Other families (unix, netlink, vsock) cannot leave the machine.
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            check(address[0])
        return original(self, *args)

    return connect

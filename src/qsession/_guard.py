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

_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")
_CONNECTS = ("connect", "connect_ex", "sendto")


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
        for name in _CONNECTS:
            wrapped = _connect(getattr(socket.socket, name), check)
            undo.enter_context(mock.patch.object(socket.socket, name, wrapped))
        yield


def is_loopback(host: str) -> bool:
    """Whether a name or address stays on this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _lookup(original: Callable[..., Any], check: Callable[[object], None]) -> Callable[..., Any]:
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        check(host)
        return original(host, *args, **kwargs)

    return look_up


def _connect(original: Callable[..., Any], check: Callable[[object], None]) -> Callable[..., Any]:
    def connect(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if args else None
        # Other families (unix, netlink, vsock) cannot leave the machine.
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            check(address[0])
        return original(self, *args)

    return connect

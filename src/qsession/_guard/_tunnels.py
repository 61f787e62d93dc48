"""Ways round the guard on names: a proxy that looks the name up itself.

Such a proxy is asked by its own address, which may be this machine's. So what is said to it
is looked at, and, for whatever else carries a connection, under which name TLS begins.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from qsession._guard._late import once_imported, replaced
from qsession._guard._sockets import is_loopback
from qsession._hosts import as_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not imported: typing takes a child 5 ms.
    from typing import Any, NoReturn

    from qsession._guard._bounds import Bounds

_NAME_AT = {"wrap_socket": 5, "wrap_bio": 4}
"""Where the name of a server stands among the arguments, counted with self."""


@contextmanager
def no_detours(bounds: Bounds, refuse: Callable[[str], NoReturn]) -> Iterator[None]:
    """Ask no proxy, and speak no TLS, where the bounds say that it leads out."""

    def check_proxy(host: str, proxy: Any) -> None:
        port = proxy.port if is_loopback(str(proxy.host)) else None
        if host and not bounds.may_proxy(host, port):
            refuse(host)

    def check_name(host: object, connection: object) -> None:
        name = as_text(host)
        if name and not bounds.may_speak(name, _port_here(connection)):
            refuse(name)

    with (
        once_imported("http.client", partial(_silent, check_proxy)),
        once_imported("ssl", partial(_plain, check_name)),
    ):
        yield


def _port_here(connection: object) -> int | None:
    """The port at the other end of a connection, if that is this machine."""
    if not isinstance(connection, socket.socket):
        return None  # from memory to memory, as event loops do
    try:
        peer = connection.getpeername()
    except OSError:
        return None
    if isinstance(peer, tuple):
        return int(peer[1]) if is_loopback(str(peer[0])) else None
    return None if peer else 0  # of a pair, whose other end is in this process too


@contextmanager
def _silent(check: Callable[[str, Any], None], client: Any) -> Iterator[None]:
    """No CONNECT, and no request for a whole URL: of the standard library, urllib3 and requests."""
    # Inside of a cassette of vcrpy a stub stands there.
    connection = getattr(client.HTTPConnection, "_baseclass", client.HTTPConnection)
    say, ask = connection.send, connection.putrequest

    def send(own: Any, data: Any) -> None:
        # Here, not where a tunnel is agreed on: most of those are never dug in a replay.
        if isinstance(data, bytes) and data.startswith(b"CONNECT "):
            check(data.split(b" ", 2)[1].rpartition(b":")[0].decode("ascii", "replace"), own)
        say(own, data)

    def putrequest(own: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if "://" in url and not url.startswith("/"):
            check(url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0], own)
        ask(own, method, url, *args, **kwargs)

    with replaced(connection, "send", send), replaced(connection, "putrequest", putrequest):
        yield


@contextmanager
def _plain(check: Callable[[object, object], None], ssl: Any) -> Iterator[None]:
    """No TLS, before a word of it is said: whatever the library and however it connected."""
    with ExitStack() as undo:
        for name, place in _NAME_AT.items():
            begin = _checked(getattr(ssl.SSLContext, name), place, check)
            undo.enter_context(replaced(ssl.SSLContext, name, begin))
        yield


def _checked(
    original: Callable[..., Any], place: int, check: Callable[[object, object], None]
) -> Callable[..., Any]:
    def begin(*args: Any, **kwargs: Any) -> Any:
        name = args[place] if len(args) > place else kwargs.get("server_hostname")
        check(name, args[1] if len(args) > 1 else kwargs.get("sock"))
        return original(*args, **kwargs)

    return begin

"""Ways round the guard on names: a proxy that looks the name up itself.

Such a proxy is asked by its own address, which may be this machine's. So what is said to it
is looked at, and, for whatever else carries a connection, under which name TLS begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NoReturn

from qsession._guard._late import once_imported, replaced

_NAME_AT = {"wrap_socket": 5, "wrap_bio": 4}
"""Where the name of a server stands among the arguments, counted with self."""


@contextmanager
def no_detours(
    may_pass: Callable[[str], bool],
    refuse: Callable[[str], NoReturn],
    *,
    may_speak: Callable[[str], bool],
) -> Iterator[None]:
    """Ask no proxy for a host that may not be reached, and speak no TLS under its name.

    Args:
        may_pass: Says whether a proxy may be asked for a host name.
        refuse: Raises for one that may not be reached.
        may_speak: Says whether TLS may be spoken under a name. Somebody of this machine may be
            meant by any name but those that are known to belong elsewhere.

    Yields:
        Nothing. Everything is put back at the end.
    """

    def check(may: Callable[[str], bool], host: object) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if name and not may(name):
            refuse(name)

    with (
        once_imported("http.client", partial(_silent, partial(check, may_pass))),
        once_imported("ssl", partial(_plain, partial(check, may_speak))),
    ):
        yield


@contextmanager
def _silent(check: Callable[[object], None], client: Any) -> Iterator[None]:
    """No CONNECT, and no request for a whole URL: of the standard library, urllib3 and requests."""
    connection = client.HTTPConnection
    say, ask = connection.send, connection.putrequest

    def send(own: Any, data: Any) -> None:
        # Here, not where a tunnel is agreed on: most of those are never dug in a replay.
        if isinstance(data, bytes) and data.startswith(b"CONNECT "):
            check(data.split(b" ", 2)[1].rpartition(b":")[0])
        say(own, data)

    def putrequest(own: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if "://" in url and not url.startswith("/"):
            check(url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0])
        ask(own, method, url, *args, **kwargs)

    with replaced(connection, "send", send), replaced(connection, "putrequest", putrequest):
        yield


@contextmanager
def _plain(check: Callable[[object], None], ssl: Any) -> Iterator[None]:
    """No TLS, before a word of it is said: whatever the library and however it connected."""
    with ExitStack() as undo:
        for name, place in _NAME_AT.items():
            begin = _checked(getattr(ssl.SSLContext, name), place, check)
            undo.enter_context(replaced(ssl.SSLContext, name, begin))
        yield


def _checked(original: Callable[..., Any], place: int, check: Callable[[object], None]) -> Callable[..., Any]:
    def begin(*args: Any, **kwargs: Any) -> Any:
        check(args[place] if len(args) > place else kwargs.get("server_hostname"))
        return original(*args, **kwargs)

    return begin

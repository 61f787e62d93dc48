"""Somebody who would answer under IBM's names, and a proxy that would ask him; both count who comes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qsession._loopback._authority import Authority

_ANSWER = b'{"id": "live", "state": "open", "status": "active"}'
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
)

_SITE = """
import _socket
import socket

_look_up = _socket.getaddrinfo


def _mapped(host, port, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if name == "cloud.ibm.com" or name.endswith(".cloud.ibm.com"):
        host, port = "127.0.0.1", {port}
    elif not name.startswith("127.") and name not in ("", "localhost", "::1", socket.gethostname()):
        raise socket.gaierror(socket.EAI_NONAME, "no network here: " + name)
    return _look_up(host, port, *args, **kwargs)


# Not in the module socket: whatever guard is put there later, or was before, stands above.
_socket.getaddrinfo = _mapped
"""
_LEFT_OUT = ("QISKIT_IBM", "IAM_", "GLOBAL_", "RESOURCE_CONTROLLER", "PYTEST_", "PYTHONPATH", "QSESSION_")
_LEFT_OUT_NAMES = frozenset({"CI", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})


class _Counting:
    """Takes connections on a port of 127.0.0.1, each in a thread, and counts them."""

    def __init__(self, attend: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._attend = attend
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            self.accepted += 1
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            self._attend(connection)


def listener(authority: Authority) -> _Counting:
    """A TLS server with certificates for IBM's names, which says 200 to everybody."""

    def attend(connection: socket.socket) -> None:
        with authority.context.wrap_socket(connection, server_side=True) as secured:
            said = b""
            while b"\r\n\r\n" not in said and (more := secured.recv(65_536)):
                said += more
            # Then it hangs up: who asks again comes again, and is counted again.
            secured.sendall(_HEAD % len(_ANSWER) + _ANSWER)

    return _Counting(attend)


def proxy(to: int) -> _Counting:
    """A proxy that takes CONNECT for any name to one port of this machine.

    Only requests for a tunnel are counted: who connects and says nothing goes nowhere.
    """
    counted: _Counting

    def attend(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (more := connection.recv(4_096)):
            head += more
        if not head.startswith(b"CONNECT"):
            counted.accepted -= 1
            return
        with socket.create_connection(("127.0.0.1", to)) as other:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_carry, args=(other, connection), daemon=True)
            back.start()
            _carry(connection, other)
            back.join(20)

    counted = _Counting(attend)
    return counted


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while said := one.recv(65_536):
            other.sendall(said)
        other.shutdown(socket.SHUT_WR)


def mapped(folder: Path, *, port: int, authority: Authority, **more: str) -> dict[str, str]:
    """The environment of a process in which IBM's names lead to a port, below whatever guard there is.

    Args:
        folder: A folder of its own; it becomes the home as well: no saved accounts.
        port: Where the names lead.
        authority: Whom the process trusts.
        more: Variables to add.
    """
    (folder / "sitecustomize.py").write_text(_SITE.format(port=port))
    (folder / "trusted.pem").write_bytes(authority.certificate)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_LEFT_OUT) and name.upper() not in _LEFT_OUT_NAMES
    }
    paths = os.pathsep.join((str(folder), str(Path(__file__).parents[1])))
    own = {"HOME": str(folder), "PYTHONPATH": paths, "REQUESTS_CA_BUNDLE": str(folder / "trusted.pem")}
    return {**kept, **own, "PYTHONDONTWRITEBYTECODE": "1", **more}

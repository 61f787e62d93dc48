"""IBM's host names, led to a port of this machine in a Python process and in all its children.

A ``sitecustomize`` on ``PYTHONPATH`` does it, so that a child process which a library
starts by itself, with few environment variables, is led there as well. Every other
name but this machine's is refused: these tests never reach a network.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

_SITE = """
import _socket
import socket

_look_up = _socket.getaddrinfo


def _mapped(host, port, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if name == "cloud.ibm.com" or name.endswith(".cloud.ibm.com"):
        host, port = "127.0.0.1", {port}
    elif not name.startswith("127.") and name not in ("", "localhost", "127.0.0.1", "::1"):
        raise socket.gaierror(socket.EAI_NONAME, "no network in this test: " + name)
    return _look_up(host, port, *args, **kwargs)


# Not in the module socket: whatever guard is put there later, or was before, stands above.
_socket.getaddrinfo = _mapped
"""

# What would lead the client elsewhere, give it an account, or run it differently.
_LEFT_OUT = ("QISKIT_IBM", "IAM_", "GLOBAL_", "RESOURCE_CONTROLLER", "PYTEST_", "COV_", "PYTHONPATH")
_LEFT_OUT_NAMES = frozenset(
    {"CI", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "USAGE_DATA_OPT_OUT"}
)


def mapped_environment(folder: Path, *, port: int, bundle: Path, **more: str) -> dict[str, str]:
    """The environment of a process in which IBM's names lead to a port.

    Args:
        folder: A folder of its own, which becomes the home as well: no saved accounts.
        port: Where the names lead.
        bundle: The authority that is trusted, and no other.
        more: Variables to add.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE.format(port=port))
    home = {"HOME": str(folder), "PYTHONPATH": str(folder), "REQUESTS_CA_BUNDLE": str(bundle)}
    return {**_plain(os.environ), **home, "PYTHONDONTWRITEBYTECODE": "1", **more}


def unused_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_LEFT_OUT) and name.upper() not in _LEFT_OUT_NAMES
    }

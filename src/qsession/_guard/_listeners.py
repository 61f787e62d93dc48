"""Who listens on a port of this machine: a process of this tree, or somebody else.

Somebody else may be a tunnel or a proxy that leads off the machine. Linux says which sockets
listen and which process holds which; where nobody says, any port of this machine may be asked.
"""

# pathlib takes a child 10 ms to import.
# ruff: noqa: PTH110, PTH115, PTH123, PTH208

from __future__ import annotations

import os
from collections.abc import Iterator

_PROC = "/proc"
# Of /proc/net/tcp: the state of a socket that listens; datagrams have none such.
_LISTENS = "0A"


class Listeners:
    """Knows which ports of this machine are those of a process and of what it started.

    Args:
        root: The process; this one is asked first, since most servers of a test are in it.
        proc: Where Linux tells of processes.
    """

    def __init__(self, root: int, *, proc: str = _PROC) -> None:
        self._root = root
        self._proc = proc
        self._known: set[str] = set()

    def may_ask(self, port: int, is_stream: bool) -> bool:
        """Whether a port is this tree's; one at which nobody listens leads nowhere, and may be asked.

        Args:
            port: The port.
            is_stream: Whether by TCP; else by UDP.
        """
        try:
            sockets = set(self._listening(port, "tcp" if is_stream else "udp"))
        except OSError:
            return True  # no Linux
        if not sockets or not sockets.isdisjoint(self._known):
            return True
        is_ours = self._holds(os.getpid(), sockets) or self._tree_holds(sockets)
        if is_ours:
            self._known |= sockets  # an inode is no other socket's while this one listens
        return is_ours

    def _listening(self, port: int, kind: str) -> Iterator[str]:
        """The inodes of the sockets that take what comes to a port."""
        for name in (kind, kind + "6"):
            table = f"{self._proc}/net/{name}"
            if name.endswith("6") and not os.path.exists(table):
                continue  # a kernel without version 6
            for line in _read(table).splitlines()[1:]:
                words = line.split()
                own = int(words[1].rpartition(":")[2], 16)
                if own == port and (kind == "udp" or words[3] == _LISTENS):
                    yield words[9]

    def _tree_holds(self, sockets: set[str]) -> bool:
        children: dict[int, list[int]] = {}
        for name in os.listdir(self._proc):
            if name.isdigit() and (parent := _parent(f"{self._proc}/{name}/stat")) is not None:
                children.setdefault(parent, []).append(int(name))
        # What is left of a tree whose root has ended goes on under this process.
        waiting = [self._root, os.getpid()]
        while waiting:
            process = waiting.pop()
            if self._holds(process, sockets):
                return True
            waiting += children.pop(process, [])
        return False

    def _holds(self, process: int, sockets: set[str]) -> bool:
        wanted = {f"socket:[{inode}]" for inode in sockets}
        try:
            handles = f"{self._proc}/{process}/fd"
            for handle in os.listdir(handles):
                try:
                    if os.readlink(f"{handles}/{handle}") in wanted:
                        return True
                except OSError:
                    continue  # closed meanwhile
        except OSError:
            pass  # gone, or somebody else's
        return False


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _parent(stat: str) -> int | None:
    try:
        # The name of a program stands in brackets, and may hold anything.
        return int(_read(stat).rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None

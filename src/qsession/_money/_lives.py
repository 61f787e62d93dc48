"""Which process is which, and whether it lives: numbers of processes are given out again."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Life:
    """A process, told from a later one with the same number.

    Attributes:
        pid: Its number.
        born: Its start in the system's own count; empty where the system does not say.
        place: Where its number means something: a machine, or a container on it.
    """

    pid: int
    born: str
    place: str

    def is_over(self) -> bool:
        """Whether it is dead for certain: of a process of another place, or on Windows, nobody knows."""
        return sys.platform != "win32" and self.place == _place() and not is_alive(self.pid, self.born)


def this_life() -> Life:
    """This process."""
    pid = os.getpid()
    return Life(pid, born(pid), _place())


def born(pid: int) -> str:
    """Start time of a process in clock ticks since boot.

    Empty where the system does not say, and for one that is dead but not yet
    collected by its parent.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the program stands in brackets and may hold anything; the start
    # time is the 22nd field, the 20th after them.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def is_alive(pid: int, born_at: str) -> bool:
    """Whether a process that was born at a time lives; False on Windows for any but this one.

    On Windows a process cannot be asked about without harm.
    """
    if pid == os.getpid():
        return born_at == born(pid)
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return born_at == born(pid)


def _place() -> str:
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - not a path, the name of a space
    except OSError:
        space = ""
    return sha256(f"{platform.node()} {space}".encode()).hexdigest()[:12]

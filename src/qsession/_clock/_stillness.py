"""Whether this process computes, or all of its threads are blocked."""

from __future__ import annotations

import threading
from pathlib import Path

from qsession._clock._real import Real

_TASKS = Path("/proc/self/task")
_ASLEEP = frozenset("SIt")


class Watch:
    """For how long nothing happened, as one waiting thread saw it that was just asleep itself.

    A thread that is ready but has no processor counts as computing, also on a busy
    machine: Linux tells the two apart. Elsewhere the processor time is compared.
    """

    def __init__(self) -> None:
        self.turns, self._since, self._still = -1, 0.0, 0
        self._used = Real.process_time()

    def look(self, turns: int) -> tuple[int, float]:
        """How many times in a row the process was still, and real seconds without an event."""
        if turns != self.turns:
            self.turns, self._since, self._still = turns, Real.monotonic(), 0
        self._still = self._still + 1 if self._is_still() else 0
        return self._still, Real.monotonic() - self._since

    def _is_still(self) -> bool:
        """Whether nothing but the calling thread computed at this moment, or since the last look."""
        if _TASKS.is_dir():
            own = str(threading.get_native_id())
            return all(_is_asleep(task) for task in _TASKS.iterdir() if task.name != own)
        before, self._used = self._used, Real.process_time()
        return bool(self._used - before < 0.001)


def _is_asleep(task: Path) -> bool:
    try:
        stat = (task / "stat").read_text()
    except OSError:
        return True  # it has ended
    # The name, in parentheses, may hold spaces; the state follows it.
    return stat.rpartition(")")[2].split()[0] in _ASLEEP

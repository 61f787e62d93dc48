"""The one slot of a process: the run that is on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from qsession import _setup

if TYPE_CHECKING:
    from qsession._run._run import Run

_lock = threading.Lock()
_active: Run | None = None


def active() -> Run | None:
    """The run that is on in this process, or None."""
    return _active


def take(run: Run) -> None:
    """Let a run be on.

    Raises:
        UsageError: If another one is (QS103).
    """
    global _active  # noqa: PLW0603 - the one slot, set and cleared here
    with _lock:
        if _active is not None:
            raise _setup.nested(_active.mode, _active.path)
        _active = run


def leave(run: Run) -> None:
    """Let it be on no more; nothing happens where it was not."""
    global _active  # noqa: PLW0603 - as above
    with _lock:
        if _active is run:
            _active = None

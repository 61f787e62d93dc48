"""What the tests of the clock share: a watchdog that is real, and clocks."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable, Iterator
from typing import IO

import pytest
from clock_start import START

from qsession import VirtualClock

LONGEST = 60.0


@pytest.fixture(scope="session")
def terminal(pytestconfig: pytest.Config) -> Iterator[IO[str]]:
    """The error output that is not captured."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        number = os.dup(2)
    with os.fdopen(number, "w") as stream:
        yield stream


@pytest.fixture(autouse=True)
def _watchdog(terminal: IO[str]) -> Iterator[None]:
    """End the whole process with the stacks of all threads: a C thread that no clock of ours can stop."""
    faulthandler.dump_traceback_later(LONGEST, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    with VirtualClock(START) as running:
        yield running


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Move the machine to another time zone."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()

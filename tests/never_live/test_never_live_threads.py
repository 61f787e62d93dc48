"""Many threads in a replay, with a server listening under each of IBM's names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from trap import Trap

THREADS, ROUNDS = 16, 50


@pytest.mark.parametrize("way", ["sessions", "client"])
def test_replay_polled_by_16_threads_opens_no_connection(
    make_trap: Callable[[], Trap], recorded: Path, way: str
) -> None:
    """800 polls, connections built all at once: none is accepted, none is even tried."""
    trap = make_trap()
    seen = trap.run("polling.py", way, THREADS, ROUNDS, recorded)
    assert trap.listener.accepted == 0
    assert seen == {"answers": {"200": THREADS * ROUNDS}, "problems": [], "events": {}}


def test_stock_vcrpy_polled_by_16_threads_goes_live(
    make_trap: Callable[[], Trap], recorded: Path, tmp_path: Path
) -> None:
    """The evidence that the test above would notice: stock vcrpy connects from its mode none."""
    trap = make_trap()
    addresses = shutil.copy(recorded, tmp_path / "addresses.yaml")
    seen = trap.run("polling.py", "stock", THREADS, ROUNDS, addresses)
    events = seen["events"]
    assert isinstance(events, dict)
    assert events["socket.connect"] > 0
    assert events["socket.getaddrinfo"] > 0
    # Its cassette was recorded from the same server, over one connection an address.
    assert trap.listener.accepted > events["socket.connect"] / 2

"""However a recording ends, no session stays open on the service."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated_service import SECRETS, EmulatedService
from planted import found_below

_PATIENCE_SECONDS = 30


def _left(service: EmulatedService, folder: Path) -> list[str]:
    """What stays open on the service, or noted as open on disk, when there was time to end it."""
    turns = iter(range(_PATIENCE_SECONDS * 10))
    while (left := _open(service, folder)) and next(turns, None) is not None:
        threading.Event().wait(0.1)
    return left


def _open(service: EmulatedService, folder: Path) -> list[str]:
    return service.open_sessions() + [path.name for path in (folder / ".qsession" / "open").iterdir()]


@pytest.fixture
def waiting(service: EmulatedService, tmp_path: Path) -> Iterator:
    """A recording that has a session with a job and a batch open, and waits."""
    process = service.start(tmp_path, [{"steps": "waiting", "cassette": "cassettes/waiting.yaml"}])
    try:
        said = process.stdout.readline()
        assert said.startswith("open "), said + process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_recording_ended_by_a_signal_leaves_no_session_open(
    service: EmulatedService, waiting, tmp_path: Path, ending: signal.Signals
) -> None:
    """Killed, terminated or interrupted: session and batch are cancelled, if need be by the watcher."""
    assert len(service.open_sessions()) == 2
    waiting.send_signal(ending)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode != 0
    assert _left(service, tmp_path) == [], said


def test_recording_under_way_has_written_no_secret(service: EmulatedService, waiting, tmp_path: Path) -> None:
    """The notes of what is open hold neither key, token, instance nor account."""
    tokens = {f"token {n}": token for n, token in enumerate(service.handed_out()["token"])}
    notes = tmp_path / ".qsession"
    assert len(list((notes / "open").glob("*.json"))) == 2
    assert found_below(notes, {**SECRETS, **tokens}) == []
    waiting.communicate("", timeout=60)
    assert _left(service, tmp_path) == []


def test_recording_over_its_budget_is_stopped_and_leaves_no_session_open(
    service: EmulatedService, tmp_path: Path
) -> None:
    """A session held open beyond the budget is cancelled, and the error tells what was counted."""
    runs = [{"steps": "overspending", "cassette": "cassettes/over.yaml", "budget": 2}]
    outcome = service.run(tmp_path, "record", runs)
    (run,) = outcome.runs
    assert run["error"].startswith("This run may have used "), outcome.stderr
    assert " of QPU time, its budget is 2 s. Its sessions were cancelled. [QS603]\n" in run["error"]
    assert service.open_sessions() == []
    assert not (tmp_path / "cassettes").exists()

"""Against the service the clock is the machine's, until the test moves it."""

from __future__ import annotations

from pathlib import Path

from emulated_service import EmulatedService


def test_moved_clock_ends_the_recorded_part_and_the_model_answers_on(
    service: EmulatedService, tmp_path: Path
) -> None:
    """The session is closed there at once and lives on here; the replay sees the same."""
    runs = [{"steps": "moving", "cassette": "cassettes/moving.yaml"}]
    (recorded,) = service.run(tmp_path, "record", runs).runs
    assert recorded["error"] == ""
    assert recorded["seen"] == {
        "moved": 39.0,
        "early": "In progress, accepting new jobs",
        "late": "Closed",
        "job": "DONE",
        "refused": True,
    }
    assert service.open_sessions() == []
    (replayed,) = service.run(tmp_path, "replay", runs).runs
    assert (replayed["error"], replayed["seen"], replayed["live"]) == ("", recorded["seen"], 0)


def test_what_the_account_refused_stays_refused_when_the_clock_has_moved(
    service: EmulatedService, tmp_path: Path
) -> None:
    """What it has is there all the same: in the recording, past its end, and in the replay."""
    runs = [{"steps": "refusing", "cassette": "cassettes/refusing.yaml"}]
    (recorded,) = service.run(tmp_path, "record", runs).runs
    assert recorded["error"] == ""
    before = recorded["seen"]["before"]
    assert before[1:] == ["refused", "refused"]
    assert "ibm_fez" in before[0]
    assert recorded["seen"]["after"] == before
    (replayed,) = service.run(tmp_path, "replay", runs).runs
    assert (replayed["error"], replayed["seen"], replayed["live"]) == ("", recorded["seen"], 0)
    assert "no-such-team" not in (tmp_path / "cassettes" / "refusing.yaml").read_text("utf-8")

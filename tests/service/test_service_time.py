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

"""A recording that was cut off goes on, and nothing is submitted twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulated_service import EmulatedService, Outcome

CASSETTE = "cassettes/queued.yaml"


def _cut_off(service: EmulatedService, folder: Path, **arguments: object) -> None:
    """Run the steps up to where they stop, and kill them there."""
    process = service.start(folder, [{"steps": "queued", "cassette": CASSETTE, **arguments}])
    try:
        said = process.stdout.readline().strip()
        assert said == arguments["stop"], said + process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def _resume(service: EmulatedService, folder: Path, **arguments: object) -> Outcome:
    run = {"steps": "queued", "cassette": CASSETTE, "resume": True, **arguments}
    return service.run(folder, "record", [run])


def _journals(folder: Path) -> list[Path]:
    return sorted((folder / ".qsession" / "journal").glob("*.jsonl"))


@pytest.mark.parametrize("stop", ["submitted", "asked", "done"])
def test_recording_killed_goes_on_with_the_same_job(
    service: EmulatedService, tmp_path: Path, stop: str
) -> None:
    """Wherever it was killed after its submission: one job, and a cassette that replays."""
    before = len(service.handed_out()["job"])
    _cut_off(service, tmp_path, stop=stop)
    assert not (tmp_path / CASSETTE).exists()
    outcome = _resume(service, tmp_path)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert sum(outcome.seen["counts"].values()) == 100
    assert len(service.handed_out()["job"]) == before + 1
    assert _journals(tmp_path) == []
    replayed = service.run_alone(tmp_path, [{"steps": "queued", "cassette": CASSETTE}])
    assert replayed.seen == outcome.seen

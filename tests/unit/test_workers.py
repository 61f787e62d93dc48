"""Processes that write into one folder at once; the campaign is ``python -m benchmarks.workers``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.workers import ours, recording

from qsession._redaction import Redactor
from qsession._store import Store


def test_workers_lose_nothing_and_write_the_shared_body_once(tmp_path):
    """Two workers record the same body at the same time."""
    assert ours(tmp_path / "cassettes", 2, 5) == []


def test_many_recordings_on_one_backend_hold_one_copy_of_its_properties(tmp_path):
    """Large bodies lie under their content."""
    store = Store(tmp_path, tmp_path / ".q")
    for number in range(50):
        store.save(tmp_path / f"test_{number}.yaml", recording(number), Redactor())
    (body,) = tmp_path.rglob("*.gz")
    assert body.stat().st_size < len(recording(0).interactions[0].response.body) / 2
    assert len(list(tmp_path.glob("*.yaml"))) == 50

"""A circuit that each process transpiles anew; the whole campaign is ``python -m benchmarks.routed``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tally(tmp_path_factory):
    """One process that records, one that replays, two with a changed gate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        from benchmarks import routed

    folder = tmp_path_factory.mktemp("routed")
    counts = routed.record(folder)
    python = Path(sys.executable)
    same = [routed.replay(python, folder, routed.NOTHING)]
    changed = [routed.replay(python, folder, gate) for gate in (9, 40)]
    return routed.Tally("installed", same, changed, counts)


def test_circuit_of_8_qubits_transpiled_anew_matches(tally):
    """It gets the counts that were recorded, whatever layout and routing chance gave it."""
    (seen,) = tally.same
    assert (seen["outcome"], seen["counts"]) == ("answered", tally.counts)
    assert seen["vcrpy"] == {"default": True, "body": False}


def test_circuit_with_another_gate_is_refused(tally):
    """Stock vcrpy answers it, unless it compares bodies; then it refuses the right one as well."""
    assert [seen["outcome"] for seen in tally.changed] == ["QS302", "QS302"]
    assert [seen["vcrpy"] for seen in tally.changed] == [{"default": True, "body": False}] * 2
    assert tally.is_right

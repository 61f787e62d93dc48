"""A transpiled circuit is recognised in other processes; the full campaign is ``entangled_campaign.py``."""

from __future__ import annotations

import json
from pathlib import Path

import entangled_campaign
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("entangled")


@pytest.fixture(scope="module")
def recorded(folder: Path) -> str:
    return entangled_campaign.record(folder)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replay_of_8_entangled_qubits_in_a_fresh_process_sees_the_same(
    folder: Path, recorded: str, seed: int
) -> None:
    """The same job id, circuit size and counts, in a process with other hashes."""
    assert json.loads(entangled_campaign.replay(folder, seed)) == json.loads(recorded)

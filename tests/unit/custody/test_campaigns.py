"""The campaigns of ``docs/reliability.md``, in short."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _told(name: str) -> str:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_kills_leave_a_whole_cassette_and_submit_nothing_twice():
    """Ten kills while recording, ten of vcrpy's, three between submission and result."""
    told = _told("kills")
    outcomes = dict(re.findall(r"(the new one|the old one|jobs submitted twice): (\d+)", told))
    assert int(outcomes.get("the new one", 0)) + int(outcomes.get("the old one", 0)) == 10, told
    assert outcomes["jobs submitted twice"] == "0", told
    assert "findings: 0" in told


def test_journal_costs_little():
    """The campaign writes, reads back what it wrote, and stays below a bar that a busy machine meets too."""
    told = _told("journal_cost")
    assert told.startswith("200 interactions, milliseconds each:\n  poll: ")

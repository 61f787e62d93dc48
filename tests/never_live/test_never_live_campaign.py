"""The campaign ``benchmarks/never_live.py``, with few requests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.never_live import Finding, campaign


def test_campaign_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Every way with the guard up: no connection, all answered right or refused; without it, there are."""
    found, wrong = campaign(requests=320, few=96)
    assert wrong == []
    assert [each.way for each in found if "no guard" not in each.way] == [
        "threads", "stock", "spawn", "fork", "forkserver", "import", "thread", "proxy",
    ]  # fmt: skip
    threads = next(each for each in found if each.way == "threads")
    assert threads.told == {"answered": 323}
    assert len(capsys.readouterr().out.splitlines()) == len(found)


@pytest.mark.parametrize(
    ("connections", "told", "expected"),
    [
        (0, {"answered": 3, "refused": 1}, True),
        (1, {"answered": 3}, False),
        (0, {"by somebody else": 1}, False),
        (0, {"failed: ConnectionError": 1}, False),
    ],
)
def test_finding_is_clean_without_connections_and_strangers(
    connections: int, told: dict[str, int], expected: bool
) -> None:
    """What failed otherwise is no refusal."""
    assert Finding("threads", connections, told).is_clean is expected

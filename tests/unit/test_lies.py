"""Replays of changed programs, and that the campaign sees a lie; the whole of it is ``python -m benchmarks.lies``."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsession._timeline import Timeline

ROOT = Path(__file__).parents[2]
SEEDS = range(40, 54)

_FINDING = """# seed 1: lie
# tags(j0): replayed ['x'], true is []
from benchmarks import lies

lies.show(
    recorded='''
j0 = sample(here, 1)
status(j0)
mark(j0, 'x')
tags(j0)
    ''',
    changed='''
j0 = sample(here, 1)
status(j0)
wait(0.5)
tags(j0)
mark(j0, 'x')
    ''',
    queue=0.2, run=0.3, match='meaning', beyond='error',
)
"""


@pytest.fixture(scope="module")
def lies():
    """The campaign, which is no package that is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        from benchmarks import lies

        return lies


def test_changed_programs_of_fixed_seeds_are_refused_or_told_the_truth(lies):
    """Every fourth is unchanged, and green."""
    tally = lies.campaign(SEEDS)
    assert tally.findings == []
    assert {seen for seen, outcome in tally.outcomes if outcome == "right"} == {True, False}
    assert (False, "refused") in tally.outcomes


@pytest.fixture
def case(lies):
    """A program whose replay is right, and would not be if it showed what was not written yet."""
    recorded = "usage()\nj0 = sample(here, 1)\nstatus(j0)\nmark(j0, 'x')\ntags(j0)"
    changed = "usage()\nj0 = sample(here, 1)\nstatus(j0)\nwait(0.5)\ntags(j0)\nmark(j0, 'x')"
    return lies.Case(lies.parsed(recorded), lies.parsed(changed))


def test_replay_that_shows_what_was_not_written_yet_is_found_and_shrunk(lies, case, monkeypatch, capsys):
    """What is printed is a program to paste, without what has nothing to do with it."""
    monkeypatch.setattr(lies, "case", lambda _seed, *, unchanged: case)
    assert lies.main(["1", "--seed", "1"]) == 0

    monkeypatch.setattr("benchmarks._lies_shrinking._MOST_TRIES", 1)
    monkeypatch.setattr(Timeline, "_last_before", lambda self, _write: len(self.states) - 1)
    capsys.readouterr()
    assert lies.main(["1", "--seed", "1"]) == 1
    shown = capsys.readouterr().out
    assert "  lies:                             1\n" in shown
    assert shown.startswith(_FINDING)


def test_shrinking_leaves_what_makes_the_finding(lies, case):
    """Steps are left out of both programs, or of the changed one alone."""
    kept = {"wait(0.5)", "tags(j0)"}
    small = lies.shrunk(case, lambda each: kept <= {*map(str, each.changed)})
    assert [*map(str, small.recorded)] == ["j0 = sample(here, 1)", "tags(j0)"]
    assert [*map(str, small.changed)] == ["j0 = sample(here, 1)", "wait(0.5)", "tags(j0)"]

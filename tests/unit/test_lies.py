"""Replays of changed programs, and that the campaign sees a lie; the whole of it is ``python -m benchmarks.lies``."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsession._timeline import Timeline

ROOT = Path(__file__).parents[2]
SEEDS = range(40, 54)

_FINDING = """from benchmarks import lies

lies.show(
    recorded='''
j0 = sample(here, 1)
status(j0)
mark(j0, 'x')
tags(j0)
    ''',
    changed='''
j0 = sample(here, 1)
wait(0.5)
tags(j0)
mark(j0, 'x')
    ''',
    queue=0.2, run=0.3, match='meaning', beyond='error',
)"""


@pytest.fixture(scope="module")
def lies():
    """The campaign, which is no package that is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        from benchmarks import lies

        return lies


@pytest.fixture
def judged(lies, tmp_path):
    """What came of a program that is replayed with a change."""

    def judge(recorded, changed, **how):
        return lies.judge(lies.Case(lies.parsed(recorded), lies.parsed(changed), **how), tmp_path)

    return judge


def test_changed_programs_of_fixed_seeds_are_refused_or_told_the_truth(lies):
    """Every fourth is unchanged, and green."""
    tally = lies.campaign(SEEDS)
    assert tally.findings == []
    assert {seen for seen, outcome in tally.outcomes if outcome == "right"} == {True, False}
    assert (False, "refused") in tally.outcomes


def test_replay_that_shows_what_was_not_written_yet_is_found_and_shrunk(lies, judged, tmp_path, monkeypatch):
    """A finding is a program to paste, without what has nothing to do with it."""
    recorded = "j0 = sample(here, 1)\nstatus(j0)\nmark(j0, 'x')\ntags(j0)"
    changed = "j0 = sample(here, 1)\nstatus(j0)\nwait(0.5)\ntags(j0)\nmark(j0, 'x')"
    assert judged(recorded, changed).outcome == "right"

    monkeypatch.setattr(Timeline, "_last_before", lambda self, _write: len(self.states) - 1)
    broken = judged(recorded, changed)
    assert (broken.outcome, broken.why) == ("lie", ("tags(j0): replayed ['x'], true is []",))
    case = lies.Case(lies.parsed(recorded), lies.parsed(changed))
    small = lies.shrunk(case, lambda each: lies.judge(each, tmp_path).outcome == "lie")
    assert str(small) == _FINDING

"""comparison.md: its tests exist, its rows are those of the list, and a handful of its experiments is done."""

import ast
import re
import subprocess
import sys
from datetime import date

import pytest
from blocks import ROOT, text

sys.path.insert(0, str(ROOT))

from benchmarks.failures._lab import Seen
from benchmarks.failures._page import page
from benchmarks.failures._rows import Row, groups, rows
from benchmarks.failures._side import experiments

PAGE = "docs/comparison.md"
FAST = (
    "file-encoding", "file-cut", "file-boundary", "file-future", "file-empty", "missing-made", "nested",
    "repeated-read", "scrub-differs", "secrets-filters", "secrets-base64", "connection-broke", "binary-body",
)  # fmt: skip
FAILED, FINE = Seen("lost", shows=True), Seen("kept", shows=False)


def names_in(path):
    """Names of the tests of a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_of_the_comparison_exists():
    """A test that is renamed takes its row along."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text(PAGE)))
    assert named >= {tuple(test.split("::")) for row in rows() for test in row.tests}
    missing = [f"{path}::{test}" for path, test in named if test not in names_in(path)]
    assert missing == []


def test_every_row_has_a_test_and_an_experiment_or_says_how_things_stand():
    """And no experiment is left without its row."""
    assert [row.name for row in rows() if not row.tests] == []
    assert {row.name for row in rows() if row.is_shown} == set(experiments())
    assert [row.name for row in rows() if bool(row.stock) != bool(row.ours)] == []
    assert len({row.name for row in rows()}) == len(rows())


def test_every_row_is_on_the_page():
    """Measured, with where it was told."""
    written = text(PAGE)
    for row in rows():
        assert f"| {row.what}<br>" in written, row.name
    assert "not measured" not in written
    assert [title for title in groups() if f"## {title}\n" not in written] == []


def test_page_shows_both_sides_with_the_thread_that_told_of_it():
    """One line a row; what has to be said to be fair stands beside stock's side."""
    found = {"nested": (Seen("outer has 0", shows=True), Seen("refused", shows=False))}
    lines = page(found, quick=False, day=date(2026, 1, 2)).splitlines()
    assert (
        "| A cassette inside of a cassette"
        "<br>[vcrpy#585](https://github.com/kevin1024/vcrpy/issues/585)"
        ", [vcrpy#487](https://github.com/kevin1024/vcrpy/issues/487) "
        "| outer has 0<br>*Nesting is a feature of vcrpy that some projects use; here it is refused.* "
        "| refused | `tests/unit/test_run.py::test_run_inside_a_run_is_refused` |"
    ) in lines
    assert any(line.startswith("Done on 2026-01-02: vcrpy ") for line in lines)


@pytest.mark.parametrize(
    ("alike", "stock", "ours", "said"),
    [
        (False, FAILED, FINE, []),
        (False, FAILED, FAILED, ["it: qsession is wrong: lost"]),
        (False, FINE, FINE, ["it: stock does not show it any more (kept): drop the row"]),
        (True, FAILED, FAILED, []),
        (True, FAILED, FINE, ["it: qsession is better than it says (kept): drop `alike`"]),
    ],
)
def test_findings_of_an_experiment(alike, stock, ours, said):
    """Ours must be right, and stock must still fail: else the row has no reason."""
    assert list(Row("it", "It", (), (), alike=alike).findings(stock, ours)) == said


def test_a_handful_of_experiments_shows_what_the_page_says():
    """Both sides of each, in one process; ``python -m benchmarks.failures`` does all."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.failures", "--quick", "--here", *FAST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == f"{len(FAST)} experiments, 0 findings", done.stdout + done.stderr


def test_unknown_experiment_is_a_usage_error():
    """With the names that there are."""
    command = [sys.executable, "-m", "benchmarks.failures", "nestde"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no experiment nestde; there are threads-live, " in done.stderr

"""The example whose tests share things: as it is committed, in any order, and what a change of it changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from blocks import ROOT

from qsession.cli import main

QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:randomly", "-W", "ignore")
RECORD = "--qsession-record"
SIZES = "tests/test_parity.py::test_qubits_are_alike"


@pytest.fixture
def example(pytester):
    """A copy of it, as a reader makes one."""
    shutil.copytree(
        ROOT / "examples" / "parity",
        pytester.path,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".*cache"),
    )
    return pytester


def run(example, *options):
    return example.runpytest_inprocess(*QUIET, *options)


def held(example):
    """Content of each cassette, by its name."""
    folder = example.path / "cassettes"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.yaml")}


def changed(before, after):
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def test_example_replays_as_committed(example):
    """Who copies it has green tests without an account."""
    result = run(example)
    result.assert_outcomes(passed=9)
    assert "live requests: 0" in result.outlines
    assert "sessions opened: 0, cassettes written: 0" in result.outlines


def test_example_records_the_same_again(example):
    """Also backwards: no file depends on what ran before its test."""
    before = held(example)
    run(example, RECORD, "tests/test_batch.py", "tests/test_parity.py").assert_outcomes(passed=9)
    assert changed(before, held(example)) == []
    files = ("tests/test_parity.py::TestSession", f"{SIZES}[5]", f"{SIZES}[2]", "tests/test_batch.py")
    run(example, RECORD, *files).assert_outcomes(passed=7)
    assert changed(before, held(example)) == []


@pytest.mark.parametrize(
    "test",
    [
        f"{SIZES}[3]",
        "tests/test_parity.py::TestSession::test_it_is_busy_once_a_job_ran",
        "tests/test_batch.py::test_batch_takes_jobs[300]",
        "tests/test_batch.py::test_batch_closes_after_eight_hours",
    ],
)
def test_each_test_of_the_example_replays_alone(example, test):
    """Its fixtures replay with it."""
    run(example, test).assert_outcomes(passed=1)


def test_recording_one_test_anew_changes_one_file(example):
    """Of all the cassettes, those of the fixtures and of all tests included."""
    before = held(example)
    path: Path = example.path / "tests" / "test_batch.py"
    path.write_text(path.read_text("utf-8").replace("[100, 300]", "[100, 300, 500]"), "utf-8")
    run(example, RECORD, "tests/test_batch.py::test_batch_takes_jobs[500]").assert_outcomes(passed=1)
    [name] = changed(before, held(example))
    assert name.startswith("tests/test_batch/test_batch_takes_jobs[500-")

    before = held(example)
    path = example.path / "parity.py"
    path.write_text(path.read_text("utf-8").replace("shots=shots)", "shots=shots + 1)"), "utf-8")
    path = example.path / "tests" / "test_parity.py"
    path.write_text(path.read_text("utf-8").replace("(qubits, 400)", "(qubits, 401)"), "utf-8")
    run(example, RECORD, f"{SIZES}[3]").assert_outcomes(passed=1)
    [name] = changed(before, held(example))
    assert name.startswith("tests/test_parity/test_qubits_are_alike[3-")
    assert before[name] != held(example)[name]


def test_renaming_one_test_changes_its_name_and_no_other_file(example, capsys):
    """It takes its recording over, and replays as before."""
    before = held(example)
    path = example.path / "tests" / "test_parity.py"
    path.write_text(path.read_text("utf-8").replace("test_it_is_dedicated", "test_it_is_no_batch"), "utf-8")
    [old] = [name for name in before if "test_it_is_dedicated" in name]
    test = "tests/test_parity.py::TestSession::test_it_is_no_batch"
    assert main(["prune", "--take", f"cassettes/{old}", test]) == 0
    after = held(example)
    gone, new = sorted(changed(before, after))
    assert gone == old
    moved = after[new].decode().splitlines()
    lines = [line for line in before[old].decode().splitlines() if line not in moved]
    assert [line.split(":")[0].strip() for line in lines] == ["test", "digest"]
    run(example).assert_outcomes(passed=9)
    assert "moved to" in capsys.readouterr().out

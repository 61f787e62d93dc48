"""pytest-rerunfailures: each repetition is a run of its own."""

from __future__ import annotations

from plugin_project import EMULATOR, block

OURS = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

tries = []

@pytest.mark.qsession
def test_ours(qsession_run):
    tries.append(qsession_run)
    assert QiskitRuntimeService().usage()
    assert len(tries) > 2

@pytest.mark.qsession
def test_ours_too():
    assert QiskitRuntimeService().usage()
"""
THEIRS = """
tries = []

def test_theirs():
    tries.append(1)
    assert len(tries) > 1
"""


def test_repeated_tests_of_ours_and_theirs(suite):
    """Recorded and replayed, in both orders."""
    suite.holds(THEIRS, OURS)
    suite.in_any_order("rerunfailures", "--reruns=2", theirs=1)


def test_block_counts_tests_and_runs(suite):
    """Two tests, one of which ran three times; one cassette each."""
    suite.holds(THEIRS, OURS)
    for options, mode, written in (
        (EMULATOR, "record (emulator)", 2), ((), "replay (recording)", 0),
    ):  # fmt: skip
        result = suite.beside("rerunfailures", "--reruns=2", *options)
        assert block(result) == [
            f"mode: {mode}, tests: 2 in 4 runs, requests answered: N",
            "live requests: 0",
            "QPU seconds used: 0.0 (on the service these tests would use 0.0)",
            f"sessions opened: 0, cassettes written: {written}",
        ]


def test_failed_recording_replaces_nothing(suite):
    """The cassette of before stays while repetitions fail, and what they recorded is kept aside."""
    suite.holds(THEIRS, OURS)
    suite.beside("rerunfailures", *EMULATOR, "--reruns=2")
    before = suite.bytes()
    suite.holds(
        THEIRS, OURS.replace("assert len(tries)", "qsession_run.service().backends()\n    assert len(tries)")
    )
    suite.beside("rerunfailures", *EMULATOR, "--reruns=1").assert_outcomes(passed=2, failed=1)
    assert suite.bytes() == before
    aside = suite.files(".qsession/rejected")
    assert "test_ours/test_ours.yaml" in aside


def test_recording_of_the_last_repetition_is_the_cassette(suite):
    """What an earlier one recorded is outdated by it: it is not taken for the cassette any more."""
    from qsession._custody._rejected import listed

    suite.holds(THEIRS, OURS)
    suite.beside("rerunfailures", *EMULATOR, "--reruns=2").assert_outcomes(passed=3)
    assert [(r.note.test, r.is_outdated) for r in listed(suite.folder / ".qsession")] == [
        ("test_ours.py::test_ours", True)
    ]


def test_refusal_is_repeated_and_told(suite):
    """A replay that has no answer has none the next time either."""
    suite.holds(THEIRS, OURS)
    suite.beside("rerunfailures", *EMULATOR, "--reruns=2")
    suite.holds(THEIRS, OURS.replace("QiskitRuntimeService().usage()", "QiskitRuntimeService().jobs()"))
    result = suite.beside("rerunfailures", "--reruns=1", "test_ours.py::test_ours_too")
    result.assert_outcomes(failed=1)
    assert block(result)[-1] == "recorded writes not sent: 0, requests refused: 2"

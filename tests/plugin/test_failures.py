"""What a failing test says, and that nothing that was refused goes unnoticed."""

import pytest
from plugin_project import BELL, USAGE, block, message

SECTION = "qsession: the first refusal of this run"


def section(result):
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if SECTION in line)
    return lines[start + 1]


def test_failing_test_in_a_replay_is_reported_once(recorded):
    """The writes that it left out are no second error."""
    recorded.write(BELL.replace("job = ", "assert qsession is None\n    job = "))
    result = recorded.run()
    result.assert_outcomes(failed=1)
    assert "recorded writes not sent: 1, requests refused: 0" in block(result)


def test_changed_circuit_fails_where_it_is_submitted(recorded):
    """The report is the line of the test and the message, without the client's frames."""
    recorded.write(BELL.replace("circuit.h(0)", "circuit.h(0)\n    circuit.h(0)").replace("100)", "64)"))
    result = recorded.run()
    result.assert_outcomes(failed=1)
    text = message(result, "QS302")
    assert text.startswith(
        "The code under test submits a job that was not recorded. Nothing was sent. [QS302]\n"
        "  asked: POST /jobs (sampler, 1 PUB: 2 qubits used of 156, "
    )
    assert "\n    PUB 0: shots: asked 64, recorded 100\n" in text
    assert text.endswith(
        "To fix: pytest 'test_it.py::test_bell' --qsession-record --qsession-target=emulator\n"
        "If this is intended: the command above records the new behaviour; review the difference "
        "before you commit it\n"
        "Where: cassettes/test_it/test_bell.yaml, test_it.py::test_bell"
    )
    frames = [line for line in result.outlines if line.endswith((": ReplayMismatch", ": in request"))]
    assert frames == ["test_it.py:14: ReplayMismatch"]


def test_full_trace_shows_every_frame(recorded):
    """For those who look for a fault of ours."""
    recorded.write(BELL.replace("bell(qsession_isa, 100)", "bell(qsession_isa, 64)"))
    result = recorded.run("--full-trace")
    assert any("connectionpool.py" in line for line in result.outlines)


SWALLOWED = """
    try:
        SamplerV2(mode=qsession).run(bell(qsession_isa, 64))
    except {kind}:
        pass
"""


@pytest.mark.parametrize("kind", ["Exception", "AssertionError", "BaseException"])
def test_refusal_that_the_test_swallows_fails_it(recorded, kind):
    """In its call phase: an error of the teardown alone would leave it passed."""
    recorded.write(BELL + SWALLOWED.format(kind=kind))
    result = recorded.run()
    result.assert_outcomes(failed=1)
    assert "    PUB 0: shots: asked 64, recorded 100" in message(result, "QS302").splitlines()


def test_refusal_that_the_client_swallows_fails_the_test(project):
    """``least_busy`` leaves out a backend that it cannot read."""
    project.write("def test_it(qsession_service): assert qsession_service.usage()")
    project.record().assert_outcomes(passed=1)
    project.write(
        """
        def test_it(qsession_service):
            assert qsession_service.usage()
            try:
                qsession_service.least_busy()
            except Exception:
                pass
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    assert message(result, "QS241").startswith(
        "A backend is looked at that no recording of this folder looked at. Nothing was sent. [QS241]\n"
        "  asked: GET /backends/ibm_fez/configuration\n"
    )


@pytest.mark.parametrize("last", ["pytest.skip('no service')", "raise unittest.SkipTest('no service')"])
def test_refusal_that_ends_in_a_skip_is_an_error(recorded, last):
    """A skip would hide it for ever."""
    recorded.write("import unittest\n" + BELL + SWALLOWED.format(kind="Exception").replace("pass", last))
    result = recorded.run()
    result.assert_outcomes(skipped=1, errors=1)
    assert "    PUB 0: shots: asked 64, recorded 100" in message(result, "QS302").splitlines()


def test_refusal_in_an_expected_failure_is_an_error(recorded):
    """``xfail`` expects a failure of the code, not of its recording."""
    recorded.write(
        BELL.replace("def test_bell", "@pytest.mark.xfail\ndef test_bell").replace("isa, 100)", "isa, 64)")
    )
    recorded.run().assert_outcomes(failed=1)


def test_missing_cassette_of_an_expected_failure_is_an_error(project):
    """Nor is a recording that is not there."""
    project.write(USAGE.replace("def test_usage", "@pytest.mark.xfail\ndef test_usage"))
    project.run().assert_outcomes(errors=1)


def test_skipped_test_may_leave_recorded_writes_out(recorded):
    """It did nothing, which is what a skip is."""
    recorded.write(BELL.replace("job = ", "pytest.skip('not here')\n    job = "))
    recorded.run().assert_outcomes(skipped=1)


def test_unused_write_fails_the_test(recorded):
    """Code that stopped submitting its job is found."""
    recorded.write("def test_bell(qsession): pass")
    result = recorded.run()
    result.assert_outcomes(passed=1, errors=1)
    lines = message(result, "QS306").splitlines()
    assert lines[0] == "The code under test left out 1 recorded request(s) that change something. [QS306]"
    assert lines[1].startswith("  not sent: POST /jobs, recorded at ")
    assert lines[2:] == [
        "To fix: pytest 'test_it.py::test_bell' --qsession-record --qsession-target=emulator",
        "If this is intended: allow_unused=True, in @pytest.mark.qsession(...) or in qsession.replay(...)",
        "Where: cassettes/test_it/test_bell.yaml, test_it.py::test_bell",
    ]
    assert "recorded writes not sent: 1, requests refused: 0" in block(result)


def test_first_refusal_is_a_section_of_the_report(recorded):
    """Where the test fails of something that came of it."""
    recorded.write(BELL + SWALLOWED.format(kind="Exception") + "    assert job is None\n")
    result = recorded.run()
    result.assert_outcomes(failed=1)
    assert section(result) == (
        "The code under test submits a job that was not recorded. Nothing was sent. [QS302]"
    )
    assert any("assert <RuntimeJobV2(" in line for line in result.outlines)


def test_refusal_is_not_shown_twice(recorded):
    """The section is left out where the report is the refusal."""
    recorded.write(BELL.replace("isa, 100)", "isa, 64)"))
    assert not any(SECTION in line for line in recorded.run().outlines)


def test_close_that_was_not_recorded_is_one_error(project):
    """The fixture's own close, refused, is raised by the run at its end and by nobody else."""
    project.write("def test_it(qsession): qsession.cancel()")
    project.record().assert_outcomes(passed=1)
    project.write("def test_it(qsession): pass")
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    assert not any("ExceptionGroup" in line for line in result.outlines)
    assert message(result, "QS301").splitlines()[1].startswith("  asked: PATCH /sessions/")


def test_close_that_was_not_recorded_does_not_follow_a_failure(project):
    """A test that failed already says why."""
    project.write("def test_it(qsession): qsession.cancel()")
    project.record().assert_outcomes(passed=1)
    project.write("def test_it(qsession): assert qsession is None")
    project.run().assert_outcomes(failed=1)


def test_unittest_that_swallows_a_refusal_fails(project):
    """pytest keeps the failures of ``unittest`` elsewhere."""
    test = """
import unittest
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.qsession
class TestIt(unittest.TestCase):
    def test_it(self):
        service = QiskitRuntimeService()
        try:
            service.{call}
        except Exception:
            pass
"""
    project.write(test.format(call="usage()"))
    project.record().assert_outcomes(passed=1)
    project.write(test.format(call='job("c0ffee00c0ffee00c0ff")'))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "  asked: GET /jobs/c0ffee00c0ffee00c0ff" in message(result, "QS301")


def test_repeated_test_that_passes_in_the_end_is_recorded(project):
    """A plugin that runs a failed test again: the last outcome counts."""
    project.write(
        USAGE + "    counted.append(1)\n    assert len(counted) == 2\n\ncounted = []\n",
        conftest="""
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem, log=False)
            item._initrequest()
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """,
    )
    project.record().assert_outcomes(passed=1)
    assert project.files("cassettes/test_it") == ["test_usage.yaml"]

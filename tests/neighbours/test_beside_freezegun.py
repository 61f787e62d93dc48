"""freezegun, as decorator and as pytest-freezer's fixture: the later of two clocks counts."""

from __future__ import annotations

from plugin_project import EMULATOR, message

BELL = """
import datetime, time
import pytest
from freezegun import freeze_time
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2

def now():
    told = datetime.datetime.now(datetime.UTC).timestamp(), time.time(), time.time_ns() / 1e9
    moments = {round(moment, 6) for moment in told}
    assert len(moments) == 1
    return datetime.datetime.fromtimestamp(moments.pop(), datetime.UTC)

def bell(isa):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return [(isa(circuit), None, 100)]
"""
OURS = f"""{BELL}
@freeze_time("2030-01-01")
def test_decorated(qsession, qsession_isa):
    job = SamplerV2(mode=qsession).run(bell(qsession_isa))
    assert sum(job.result()[0].data.meas.get_counts().values()) == 100
    assert now().year == 2030

@freeze_time("2012-01-01")
@pytest.mark.qsession
def test_in_the_past():
    for _ in range(2):
        assert QiskitRuntimeService().usage()
    assert now().year == 2012

@pytest.mark.freeze_time("2031-01-01")
def test_marker(qsession, freezer):
    freezer.move_to("2032-01-01")
    assert now().year == 2032
    assert qsession.status() == "Pending"

def test_fixture(freezer, qsession, qsession_clock):
    freezer.move_to("2032-01-01")
    began = qsession_clock.now()
    time.sleep(60)
    assert (now().year, (qsession_clock.now() - began).total_seconds()) == (2032, 60)

@pytest.mark.qsession
def test_freeze_in_a_run(qsession_service, qsession_clock):
    with freeze_time("2030-01-01") as frozen:
        assert qsession_service.usage()
        frozen.tick(10)
        assert now() == datetime.datetime(2030, 1, 1, 0, 0, 10, tzinfo=datetime.UTC)
    assert now() == qsession_clock.now()

@pytest.fixture(scope="module")
def long_freeze():
    with freeze_time("2033-03-03"):
        yield

def test_run_in_a_freeze(long_freeze, qsession_service, qsession_clock):
    assert now() == qsession_clock.now()
    assert qsession_service.usage()

def test_freeze_round_runs(long_freeze):
    assert now().isoformat() == "2033-03-03T00:00:00+00:00"
"""
THEIRS = """
import datetime, time
import pytest
from freezegun import freeze_time

@freeze_time("2012-01-14")
def test_decorated():
    assert datetime.datetime.now() == datetime.datetime(2012, 1, 14)

@pytest.mark.freeze_time("2015-01-14")
def test_marker():
    assert datetime.datetime.now() == datetime.datetime(2015, 1, 14)

def test_fixture(freezer):
    before = datetime.datetime.now()
    freezer.tick()
    assert (datetime.datetime.now() - before).total_seconds() == 1

def test_machine_s_own():
    assert datetime.datetime.__module__ == "datetime"
    assert type(time.time).__name__ == "builtin_function_or_method"
"""


def test_frozen_tests_of_ours_and_theirs(suite):
    """What a test freezes it sees; the run's own time goes on below, and is back after it."""
    suite.holds(THEIRS, OURS)
    suite.in_any_order("freezer", ours=7, theirs=4)


def test_timeout_of_the_client_that_a_freeze_keeps_from_striking(suite):
    """The client would wait for ever; said at once, not after hundreds of thousands of polls."""
    suite.holds(
        "def test_theirs(): pass",
        BELL
        + """
@freeze_time("2030-01-01")
@pytest.mark.qsession(scenario="pending_for_hours")
def test_ours(qsession, qsession_isa):
    SamplerV2(mode=qsession).run(bell(qsession_isa)).result(timeout=60)
""",
    )
    result = suite.beside("freezer", *EMULATOR)
    result.assert_outcomes(passed=1, failed=1)
    lines = message(result, "QS187").splitlines()
    assert lines[0] == (
        "The client waits past its timeout: the test froze the time, in which it never strikes. [QS187]"
    )
    assert lines[1].startswith("  MainThread: running, in ")
    assert lines[2:] == [
        "To fix: leave the wait out of freeze_time(...), or move the run's time instead of freezing it: "
        "qsession_clock.travel_to(...)"
    ]

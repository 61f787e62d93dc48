"""Time in tests: the fixture qsession_clock, scenarios, leaps, and what lies past a recording."""

import re

import pytest
from plugin_project import message

CLOCK = """
import pytest

@pytest.mark.qsession(max_time="10m")
def test_it(qsession, qsession_clock):
    begun = qsession_clock.now()
    qsession_clock.advance("29m 50s")
    assert qsession.status() == "Pending"
    qsession_clock.advance("15s")
    assert qsession.status() == "Closed"
    assert 1805 <= (qsession_clock.now() - begun).total_seconds() < 1806
"""

PENDING = """
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import RuntimeJobTimeoutError

@pytest.mark.qsession(scenario="pending_for_hours"{more})
def test_it(qsession, qsession_isa, qsession_clock):
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    job = SamplerV2(mode=qsession).run([qsession_isa(circuit)])
    asked = qsession_clock.now()
    with pytest.raises(RuntimeJobTimeoutError):
        job.wait_for_final_state(timeout={timeout})
    assert (qsession_clock.now() - asked).total_seconds() {expected}
"""

POLLING = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.qsession({arguments})
def test_it(qsession, qsession_clock):
    import time
    tries = 0
    while qsession.status() == "Pending":
        time.sleep(10)
        tries += 1
    assert tries {expected}
"""

WAITING = """
import pytest

@pytest.mark.qsession({arguments})
def test_it(qsession, qsession_clock):
    import time
    assert qsession.status() == "Pending"
    {wait}
"""


def test_clock_moves_a_recording_and_its_replay(project):
    """A session that nobody uses closes itself after half an hour, in no time."""
    project.write(CLOCK)
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_recordings_on_the_emulator_are_the_same_to_the_byte(project):
    """They begin at a fixed moment and end where the virtual clock ends."""
    project.write(CLOCK)
    project.record().assert_outcomes(passed=1)
    (name,) = project.cassettes()
    first = project.bytes()
    project.record().assert_outcomes(passed=1)
    assert project.bytes() == first
    assert b"recorded_at: '2026-01-05T12:00:00Z'" in first[name]


@pytest.mark.parametrize("options", [(), ("--qsession-record", "--qsession-target=emulator")])
def test_scenario_needs_no_cassette_and_writes_none(project, options):
    """Whatever the mode; and a timeout strikes at its millisecond, two tokens later."""
    project.write(PENDING.format(more="", timeout=7200, expected="== 7200"))
    result = project.run(*options)
    result.assert_outcomes(passed=1)
    assert project.cassettes() == []
    assert "live requests: 0" in result.stdout.str()
    assert "waits that leapt to the next event: 3" in result.stdout.str()


def test_scenario_polls_exactly_when_asked_to(project):
    """Then the client's loop ends at its own next look."""
    project.write(PENDING.format(more=', polls="exact"', timeout=9.95, expected="== 10.0"))
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "waits that leapt" not in result.stdout.str()


def test_unknown_scenario_names_the_nearest(project):
    """Before anything is asked."""
    project.write(WAITING.format(arguments='scenario="pending_for_ours"', wait="pass"))
    assert message(project.run(), "QS125").splitlines() == [
        "There is no scenario of this name. [QS125]",
        "  'pending_for_ours'; did you mean 'pending_for_hours'?",
        'To fix: @pytest.mark.qsession(scenario="pending_for_hours")',
        "If this is intended: a course of your own: qsession.Emulator(queue_seconds=..., run_seconds=...)",
        "Where: test_it.py::test_it",
    ]


@pytest.mark.parametrize(
    ("arguments", "evidence"),
    [
        ('polls="leaps"', "polls='leaps'; did you mean 'leap'?"),
        ('beyond="modell"', "beyond='modell'; did you mean 'model'?"),
        ("scenario=3", "scenario=3; it takes the name of a scenario, such as 'pending_for_hours'"),
        (
            'scenario="pending_for_hours", cassette="a.yaml"',
            "scenario and cassette; a scenario records nothing and replays nothing",
        ),
    ],
)
def test_wrong_argument_is_refused(project, arguments, evidence):
    """With what it takes."""
    project.write(WAITING.format(arguments=arguments, wait="pass"))
    assert message(project.run(), "QS106").splitlines()[:2] == [
        "The marker qsession has an argument that it does not take. [QS106]",
        f"  {evidence}",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"), [("", "== 180"), ('polls="leap"', "== 1"), ('polls="exact"', "== 180")]
)
def test_loop_of_the_test_leaps_only_when_asked_to(project, arguments, expected):
    """An unused session closes after 1,800 s: 180 waits of ten, or one."""
    project.write(POLLING.format(arguments=arguments, expected=expected))
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_waiting_past_the_recording_is_refused(project):
    """Nobody knows what the service would say then."""
    project.write(WAITING.format(arguments="", wait="time.sleep(1)"))
    project.record().assert_outcomes(passed=1)
    later = "time.sleep(3600); qsession.status()"
    project.write(WAITING.format(arguments="", wait=later))
    told = message(project.run(), "QS304").splitlines()
    assert told[0] == "The code under test waits for what the recording does not hold. [QS304]"
    assert re.fullmatch(r"  asked: GET /sessions/[\w-]+, 359\d\.\d{3} s after the recording ended", told[1])
    assert re.fullmatch(r"  the recording goes on with PATCH /sessions/[\w-]+, which was not sent", told[2])
    assert told[3:] == [
        "To fix: pytest 'test_it.py::test_it' --qsession-record --qsession-target=emulator",
        "If this is intended: to let a model of the service answer: "
        'beyond="model" in @pytest.mark.qsession(...)',
        "Where: cassettes/test_it/test_it.yaml, test_it.py::test_it",
    ]


@pytest.mark.parametrize(
    ("arguments", "wait"),
    [
        ('beyond="model"', 'time.sleep(3600); assert qsession.status() == "Closed"'),
        ("", 'qsession_clock.advance("1h"); assert qsession.status() == "Closed"'),
    ],
)
def test_model_answers_past_the_recording(project, arguments, wait):
    """If the test says so, or moved the clock there itself; the closing block counts it."""
    project.write(WAITING.format(arguments="", wait="pass"))
    project.record().assert_outcomes(passed=1)
    project.write(WAITING.format(arguments=arguments, wait=wait))
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "answers of the model, past the recordings: 1" in result.stdout.str()


def test_durations_are_real(project):
    """pytest measures how long a test took, not how long it says it did."""
    project.write(CLOCK)
    project.record().assert_outcomes(passed=1)
    result = project.run("--durations=0", "-vv")
    seconds = [float(s) for s in re.findall(r"^([\d.]+)s (?:call|setup|teardown)", result.stdout.str(), re.M)]
    assert len(seconds) == 3
    assert all(0 <= each < 60 for each in seconds)

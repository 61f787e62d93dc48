"""``--qsession-resume`` and ``--qsession-park``: hours of queue, in pytest."""

import json

import pytest
from plugin_project import block, message

from qsession.emulator import Emulator, EmulatorServer

QUEUED = """
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2

def bell(isa):
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()
    return [isa(circuit)]

@pytest.mark.qsession(mode="batch", max_time="50s")
def test_batch(qsession, qsession_isa):
    job = SamplerV2(mode=qsession).run(bell(qsession_isa), shots=100)
    assert sum(job.result()[0].data.meas.get_counts().values()) == {shots}
"""

PARKED = (
    "parked: a job is still queued. Collect it later with pytest 'test_it.py::test_batch' --qsession-resume"
)
IBM = ("--qsession-record", "--qsession-target=ibm", "--qsession-backend=ibm_fez")


@pytest.fixture
def quick(project, monkeypatch):
    """The same with a short queue."""
    with EmulatorServer(Emulator(backends=("ibm_fez",), queue_seconds=4.0, run_seconds=0.1)) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server.emulator


def test_parked_test_is_skipped_and_collected_later(project, quick):
    """The first run leaves its batch in the queue, the second gives the result and the cassette."""
    project.write(QUEUED.format(shots=100))
    first = project.run_apart(*IBM, "--qsession-park=100ms", "-rs")
    first.assert_outcomes(skipped=1)
    assert any(PARKED in line for line in first.outlines)
    assert "parked, its job waits in the queue: pytest 'test_it.py::test_batch' --qsession-resume" in block(
        first
    )
    assert project.cassettes() == []
    (note,) = (project.folder / ".qsession" / "open").glob("*.json")
    assert json.loads(note.read_text())["parked"] == "pytest 'test_it.py::test_batch' --qsession-resume"
    second = project.run_apart("--qsession-resume")
    second.assert_outcomes(passed=1)
    assert project.cassettes() == ["test_it/test_batch.yaml"]
    assert not list((project.folder / ".qsession" / "open").glob("*.json"))
    third = project.run_apart()
    third.assert_outcomes(passed=1)
    assert block(third)[1] == "live requests: 0"


def test_failed_assertion_costs_no_second_run(project, quick):
    """The test is put right, and goes on from its journal: nothing is submitted."""
    project.write(QUEUED.format(shots=99))
    project.run_apart(*IBM).assert_outcomes(failed=1)
    (kept,) = (project.folder / ".qsession" / "rejected").rglob("*.json")
    assert json.loads(kept.read_text())["failed"] == "AssertionError: assert 100 == 99"
    project.write(QUEUED.format(shots=100))
    result = project.run_apart("--qsession-resume")
    result.assert_outcomes(passed=1)
    assert (project.folder / "cassettes" / "test_it" / "test_batch.yaml").exists()


def test_resume_replays_what_has_no_journal(recorded):
    """The mode says what becomes of those tests; its default is replay."""
    result = recorded.run("--qsession-resume")
    result.assert_outcomes(passed=1)
    assert block(result)[0].startswith("mode: replay (recording), tests: 1")


@pytest.mark.parametrize("option", ["--qsession-resume", "--qsession-park=1h"])
def test_option_with_the_emulator_is_a_usage_error(project, option):
    """Jobs of the emulator in this process end with it."""
    project.write(QUEUED.format(shots=100))
    result = project.record(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message(result, "QS165").splitlines()[1] == (
        "To fix: leave out --qsession-resume and --qsession-park; recording on the emulator again costs nothing"
    )


@pytest.mark.parametrize("option", ["--qsession-resume", "--qsession-park=1h"])
def test_option_in_mode_live_is_a_usage_error(project, option):
    """Nothing is recorded, so nobody could go on with it."""
    project.write(QUEUED.format(shots=100))
    result = project.run("--qsession-mode=live", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message(result, "QS165") == (
        "In the mode live nothing is recorded, so there is nothing to resume and nothing to park. [QS165]\n"
        "To fix: leave out --qsession-resume and --qsession-park, or record: --qsession-record"
    )


def test_park_of_the_ini_file_does_not_concern_the_emulator(project):
    """It speaks of runs against the service."""
    project.write("def test_it(qsession_service): assert qsession_service.usage()", ini="qsession_park = 1h")
    project.record().assert_outcomes(passed=1)


def test_park_that_is_no_length_is_a_usage_error(project):
    """With where it came from."""
    project.write("def test_it(qsession_service): pass", ini="qsession_park = soon")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message(result, "QS167") == (
        "This is no length of time after which a test can be parked. [QS167]\n"
        "  'soon' (from ini)\n"
        "To fix: --qsession-park=60s, or 10m, or a number of seconds"
    )


def test_resume_in_ci_is_refused(recorded, monkeypatch):
    """It reaches the service."""
    monkeypatch.setenv("CI", "1")
    journal = recorded.folder / ".qsession" / "journal"
    from qsession._naming import journal_path

    cassette = recorded.folder / "cassettes" / "test_it" / "test_bell.yaml"
    path = journal_path(recorded.folder / ".qsession", cassette)
    journal.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    result = recorded.run("--qsession-resume")
    result.assert_outcomes(errors=1)
    assert "[QS111]" in result.stdout.str()

"""``--qsession-emulator`` and ``qsession_emulator``."""

import pytest
from plugin_project import EMULATOR, message
from test_option_target import CREDENTIALS

from qsession.emulator import _configuration

CONFIGURATION = """\
backends: [{name: ibm_torino}, {name: ibm_fez, status: paused}]
instances: [{name: research, plan: Premium}, {name: teaching, plan: Open}]
history: [{tags: [old]}]
queue_seconds: 30
"""

ACCOUNT = """
import pytest

@pytest.mark.parametrize("number", [1, 2, 3])
def test_account(qsession_service, number):
    assert {backend.name for backend in qsession_service.backends()} == {"ibm_torino", "ibm_fez"}
    assert [job.tags for job in qsession_service.jobs()] == [["old"]]
"""

NAMES = """
def test_names(qsession_service):
    assert [instance["name"] for instance in qsession_service.instances()] == ["research", "teaching"]
"""

BELL = """
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2

@pytest.mark.parametrize("number", [1, 2])
def test_bell(qsession, qsession_backend, qsession_isa, qsession_service, number):
    assert qsession_backend.name == "ibm_torino"
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    job = SamplerV2(mode=qsession).run([(qsession_isa(circuit), None, 100)])
    assert sum(job.result()[0].data.meas.get_counts().values()) == 100
    assert job.metrics()["usage"]["qpu_charge_time_seconds"] == 0.3
    assert [one.tags for one in qsession_service.jobs()] == [[], ["old"]]
"""

BACKEND = """
import pytest

@pytest.mark.qsession(scenario="pending_for_hours")
def test_scenario(qsession_backend):
    assert qsession_backend.name == "ibm_fez"

def test_backend(qsession_backend):
    assert qsession_backend.name == "ibm_torino"
"""


@pytest.fixture
def described(project):
    """A project with a configuration of its own."""
    (project.folder / "shapes").mkdir()
    (project.folder / "shapes" / "two.yaml").write_text(CONFIGURATION)
    return project


@pytest.fixture
def read(monkeypatch):
    """The names of the configurations that were read."""
    names, load = [], _configuration.load

    def noted(source, **more):
        names.append(source)
        return load(source, **more)

    monkeypatch.setattr("qsession.emulator._configuration.load", noted)
    return names


@pytest.mark.parametrize("by_ini", [False, True], ids=["command line", "ini"])
def test_account_of_a_file_is_recorded_and_replayed(described, by_ini):
    """Its path counts from the folder of the ini file; the replay does not need it."""
    described.write(ACCOUNT, ini="qsession_emulator = shapes/two.yaml" if by_ini else "")
    described.record(*(() if by_ini else ("--qsession-emulator=shapes/two.yaml",))).assert_outcomes(passed=3)
    (described.folder / "shapes" / "two.yaml").unlink()
    described.run().assert_outcomes(passed=3)


def test_path_counts_from_the_folder_of_the_ini_file(described, monkeypatch):
    """From wherever pytest is started."""
    described.write(ACCOUNT, ini="qsession_emulator = shapes/two.yaml")
    monkeypatch.chdir(described.folder / "shapes")
    described.run(*EMULATOR, "..").assert_outcomes(passed=3)


def test_instances_have_the_names_of_the_file(described):
    """While it is recorded: a recording has no names of instances."""
    described.write(NAMES, ini="qsession_emulator = shapes/two.yaml")
    described.record().assert_outcomes(passed=1)


def test_shipped_configuration_goes_by_its_name(project):
    """It is the account that IBM's own tests expect."""
    project.write(
        "def test_it(qsession_service):\n"
        "    assert 'test_eagle_127' in [backend.name for backend in qsession_service.backends()]\n"
    )
    project.record("--qsession-emulator=ibm-suite").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_command_line_wins_over_ini(described):
    """Another configuration for once."""
    described.write(ACCOUNT, ini="qsession_emulator = ibm-suite")
    described.record("--qsession-emulator=shapes/two.yaml").assert_outcomes(passed=3)


def test_configuration_is_read_once(described, read):
    """However many tests there are, and each begins as it says: they do not see each other's jobs."""
    described.write(BELL, ini="qsession_emulator = shapes/two.yaml")
    described.record().assert_outcomes(passed=2)
    assert read == ["shapes/two.yaml"]


def test_recording_again_changes_no_byte(described):
    """Alone or after another test, here or in a worker process."""
    described.write(BELL, ini="qsession_emulator = shapes/two.yaml")
    described.record().assert_outcomes(passed=2)
    first = described.bytes()
    for run, options, passed in (
        (described.run, ("-k", "2"), 1),
        (described.run, (), 2),
        (described.run_apart, ("-n", "1"), 2),
    ):
        run(*EMULATOR, *options).assert_outcomes(passed=passed, deselected=2 - passed)
        assert described.bytes() == first


def test_first_backend_is_that_of_the_fixtures(described):
    """Unless somebody names one; a scenario brings an emulator of its own."""
    described.write(BACKEND, ini="qsession_emulator = shapes/two.yaml")
    described.record().assert_outcomes(passed=2)
    described.record("--qsession-backend=ibm_torino", "-k", "backend").assert_outcomes(passed=1, deselected=1)


def test_live_tests_have_the_account_too(described):
    """Each has a fork of its own."""
    described.write(ACCOUNT, ini="qsession_emulator = shapes/two.yaml")
    described.run("--qsession-mode=live", "--qsession-target=emulator").assert_outcomes(passed=3)
    assert described.files() == ["shapes/two.yaml"]


@pytest.mark.parametrize("option", ["--qsession-record", "--qsession-mode=live", "--qsession-mode=missing"])
def test_naming_an_emulator_for_a_run_against_the_service_is_refused(described, option):
    """Somebody forgot the target, and would have spent QPU time."""
    described.write(ACCOUNT)
    result = described.run(option, "--qsession-emulator=shapes/two.yaml")
    assert message(result, "QS143") == (
        "An emulator was named, but this run goes to the service. Nothing was sent. [QS143]\n"
        "  --qsession-emulator=shapes/two.yaml, and the target is 'ibm'\n"
        "To fix: --qsession-target=emulator\n"
        "If this is intended: leave out --qsession-emulator; as an ini key it is for runs on the emulator only"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_ini_key_does_not_disturb_runs_against_the_service(described, read):
    """It says what the emulator is like where there is one."""
    described.write(ACCOUNT, ini="qsession_emulator = shapes/none.yaml")
    assert message(described.run("--qsession-record"), "QS110").startswith(CREDENTIALS.partition("Where")[0])
    assert read == []


def test_replay_reads_no_configuration(described, read):
    """It has the account in its recording."""
    described.write(ACCOUNT, ini="qsession_emulator = shapes/two.yaml")
    described.record().assert_outcomes(passed=3)
    described.run("--qsession-emulator=shapes/none.yaml").assert_outcomes(passed=3)
    described.run("--qsession-target=emulator").assert_outcomes(passed=3)
    assert read == ["shapes/two.yaml"]


@pytest.mark.parametrize("by_ini", [False, True], ids=["command line", "ini"])
def test_unknown_configuration_is_refused(project, by_ini):
    """With the nearest one, before any test is collected."""
    told = "qsession_emulator = {}" if by_ini else "--qsession-emulator={}"
    project.write(ACCOUNT, ini=told.format("ibm-suit") if by_ini else "")
    result = project.record(*(() if by_ini else (told.format("ibm-suit"),)))
    assert message(result, "QS141") == (
        "There is no configuration of this name, and no file that can be read. [QS141]\n"
        "  'ibm-suit'; did you mean 'ibm-suite'?\n"
        f"  [Errno 2] No such file or directory: '{project.folder / 'ibm-suit'}'\n"
        f"  named by {told.format('ibm-suit')}\n"
        f"To fix: {told.format('ibm-suite')}\n"
        "If this is intended: a file of your own: give its path"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.files() == []


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        (
            "seed: 1\nbackends: [{name: ibm_fez, status: onlin}]",
            "QS142",
            "The configuration of the emulator is wrong. [QS142]\n"
            "  line 2, backends[0].status: 'onlin' is none of its values; did you mean 'online'?\n"
            "  named by qsession_emulator = own.yaml\n"
            "To fix: correct these fields; emulator-configuration.schema.json describes all of them\n"
            "Where: own.yaml",
        ),
        (
            "queue_seconds: [1]",
            "QS142",
            "The configuration of the emulator is wrong. [QS142]\n"
            "  line 1, queue_seconds: [1] is not of type 'number'\n"
            "  named by qsession_emulator = own.yaml\n"
            "To fix: correct these fields; emulator-configuration.schema.json describes all of them\n"
            "Where: own.yaml",
        ),
        (
            "history: [{backend: ibm_none}]",
            "QS140",
            "A job of the history names a backend that the emulator does not have. [QS140]\n"
            "  backend: 'ibm_none'; known: ibm_brisbane, ibm_fez, ibm_marrakesh, ibm_torino\n"
            "  named by qsession_emulator = own.yaml\n"
            "To fix: add it to backends, or leave it out of the job",
        ),
    ],
    ids=["value", "type", "nobody's job"],
)
def test_wrong_configuration_is_refused(project, text, code, expected):
    """With the line, and with who named it."""
    project.write(ACCOUNT, ini="qsession_emulator = own.yaml")
    (project.folder / "own.yaml").write_text(text)
    result = project.record()
    assert message(result, code) == expected
    assert result.ret == pytest.ExitCode.USAGE_ERROR

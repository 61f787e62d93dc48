"""Sessions that several tests share: the marker's scope."""

import signal
import threading

import pytest
from plugin_project import EMULATOR, block, endpoints, head, message

TESTS = """
import pytest
pytestmark = pytest.mark.qsession(scope="module")

def test_a(qsession):
    assert qsession.status() == "Pending"

def test_b(qsession):
    assert qsession.details()["mode"] == "dedicated"

def test_c(qsession_backend):
    assert qsession_backend.name == "ibm_fez"
"""
"""Three tests of one module, two of which look at their session."""

OTHERS = """
@pytest.mark.qsession(mode="batch")
def test_d(qsession):
    assert qsession.details()["mode"] == "batch"
"""
"""Another group of the same module."""

FIRST, SECOND = "test_it/@module-1.yaml", "test_it/@module-2.yaml"


def test_tests_of_a_module_share_a_session(project):
    """It is opened once, closed once, and recorded in a layer; each test has its own requests."""
    project.write(TESTS)
    result = project.record()
    result.assert_outcomes(passed=3)
    assert block(result) == [
        "mode: record (emulator), tests: 3, requests answered: N",
        "live requests: 0",
        "QPU seconds used: 0.0 (on the service these tests would use 0.0)",
        "sessions opened: 1, cassettes written: 4",
    ]
    assert project.layers() == [FIRST]
    assert endpoints(project, FIRST) == ["sessions.create", "sessions.update"]
    assert head(project, FIRST)["test"] == "test_it.py::@module(mode=dedicated)"
    for name in ("test_a", "test_b"):
        assert endpoints(project, f"test_it/{name}.yaml") == ["sessions.get"]
        assert head(project, f"test_it/{name}.yaml")["layers"] == [FIRST]
    replayed = project.run()
    replayed.assert_outcomes(passed=3)
    assert block(replayed)[3] == "sessions opened: 0, cassettes written: 0"


def test_each_test_replays_alone(project):
    """Whoever opened the session when it was recorded."""
    project.write(TESTS)
    project.record().assert_outcomes(passed=3)
    for name in ("test_c", "test_b", "test_a"):
        project.run("-k", name).assert_outcomes(passed=1, deselected=2)


def test_session_is_shared_by_all_modules(project):
    """Its layer lies in the folder of the cassettes, as it is no file's."""
    tests = TESTS.replace('"module"', '"session"')
    project.write(tests, test_other=tests)
    result = project.record()
    result.assert_outcomes(passed=6)
    assert block(result)[3] == "sessions opened: 1, cassettes written: 7"
    assert project.layers() == ["@session-1.yaml"]
    assert endpoints(project, "@session-1.yaml") == ["sessions.create", "sessions.update"]
    project.run().assert_outcomes(passed=6)
    project.run("test_other.py").assert_outcomes(passed=3)


def test_batch_is_shared_too(project):
    """With the marker's mode."""
    project.write(
        TESTS.replace('scope="module"', 'scope="module", mode="batch"').replace('"dedicated"', '"batch"')
    )
    project.record().assert_outcomes(passed=3)
    assert head(project, FIRST)["test"] == "test_it.py::@module(mode=batch)"
    project.run().assert_outcomes(passed=3)


def test_tests_that_ask_for_different_sessions_are_two_groups(project):
    """Numbered as they are defined."""
    project.write(TESTS + OTHERS)
    result = project.record()
    result.assert_outcomes(passed=4)
    assert block(result)[3] == "sessions opened: 2, cassettes written: 6"
    assert project.layers() == [FIRST, SECOND]
    assert head(project, SECOND)["test"] == "test_it.py::@module(mode=batch)"
    assert head(project, "test_it/test_d.yaml")["layers"] == [SECOND]
    project.run().assert_outcomes(passed=4)
    project.run("-k", "test_d").assert_outcomes(passed=1, deselected=3)


def test_numbers_of_groups_stay(project):
    """Whatever is selected or added: recording the second group alone writes the second file."""
    project.write(TESTS + OTHERS)
    project.record().assert_outcomes(passed=4)
    before = project.bytes()
    project.record("-k", "test_d").assert_outcomes(passed=1, deselected=3)
    assert project.bytes() == before
    third = OTHERS.replace("test_d", "test_0").replace('mode="batch"', 'mode="batch", max_time=600')
    project.write(TESTS.replace("\ndef test_a", third + "\ndef test_a") + OTHERS)
    project.record("-k", "test_0").assert_outcomes(passed=1, deselected=4)
    assert project.layers() == [FIRST, SECOND, "test_it/@module-3.yaml"]
    after = project.bytes()
    assert {name: after[name] for name in before} == before
    project.run().assert_outcomes(passed=5)


def test_group_that_is_recorded_alone_first_is_the_first(project):
    """A number says nothing but which file it is."""
    project.write(TESTS + OTHERS)
    project.record("-k", "test_d").assert_outcomes(passed=1, deselected=3)
    assert project.layers() == [FIRST]
    project.record().assert_outcomes(passed=4)
    assert head(project, FIRST)["test"] == "test_it.py::@module(mode=batch)"
    assert head(project, SECOND)["test"] == "test_it.py::@module(mode=dedicated)"


@pytest.mark.parametrize("way", ["close", "cancel"])
def test_test_that_ends_the_session_that_it_shares(project, way):
    """Those after it would have none: it is refused before anything is sent."""
    project.write(TESTS.replace("assert qsession.status()", f"qsession.{way}(); assert qsession.status()"))
    result = project.record()
    result.assert_outcomes(passed=2, failed=1)
    assert message(result, "QS245") == (
        "This would end a session that other tests share. Nothing was sent. [QS245]\n"
        "To fix: leave that to the fixture; it ends the session after the last of them\n"
        'If this is intended: scope="function" in @pytest.mark.qsession(...) gives a test '
        "a session of its own"
    )
    assert endpoints(project, FIRST) == ["sessions.create", "sessions.update"]


def test_fixtures_are_those_of_the_session(project):
    """The very service and backend that it was opened with, so circuits fit."""
    project.write(
        """
        import pytest
        pytestmark = pytest.mark.qsession(scope="module", backend="ibm_torino")
        seen = []

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(n, qsession, qsession_service, qsession_backend, qsession_isa):
            from qiskit import QuantumCircuit
            assert qsession_isa(QuantumCircuit(1)).num_qubits == qsession_backend.num_qubits == 133
            assert qsession.service is qsession_service
            seen.append((id(qsession), id(qsession_service), id(qsession_backend)))
            assert len(set(seen)) == 1
            assert qsession.details()["backend_name"] == "ibm_torino"
        """
    )
    project.record().assert_outcomes(passed=2)
    project.run().assert_outcomes(passed=2)


def test_session_that_cannot_be_opened_fails_each_test(project):
    """Nothing is recorded of it."""
    project.write(TESTS.replace('"module")', '"module", max_time="soon")'))
    result = project.record()
    result.assert_outcomes(errors=3)
    assert (project.cassettes(), project.layers()) == ([], [])


def test_session_that_cannot_be_opened_on_the_service_leaves_nobody_watching(project, monkeypatch):
    """What watches over QPU time goes with it: nobody would end it later."""
    monkeypatch.delenv("CI", raising=False)
    project.write(TESTS)
    before, threads = signal.getsignal(signal.SIGTERM), set(threading.enumerate())
    result = project.run("--qsession-record", "-k", "test_a")
    result.assert_outcomes(errors=1, deselected=2)
    assert message(result, "QS110").startswith("To reach the service the client needs credentials")
    assert signal.getsignal(signal.SIGTERM) is before
    assert set(threading.enumerate()) == threads
    assert (project.cassettes(), project.layers()) == ([], [])


def test_layer_that_is_missing(project):
    """Each test says what makes it."""
    project.write(TESTS)
    project.record().assert_outcomes(passed=3)
    (project.folder / "cassettes" / FIRST).unlink()
    result = project.run("-k", "test_a")
    result.assert_outcomes(errors=1, deselected=2)
    assert message(result, "QS201") == (
        "There is no recording to replay. Nothing was sent. [QS201]\n"
        "  no file cassettes/test_it/@module-1.yaml\n"
        "To fix: pytest 'test_it.py::test_a' --qsession-record --qsession-target=emulator\n"
        "If this is intended: record it on the service instead, which costs QPU time: "
        "pytest 'test_it.py::test_a' --qsession-record --qsession-target=ibm\n"
        "Where: cassettes/test_it/@module-1.yaml"
    )


def test_scope_that_does_not_exist(project):
    """Classes share nothing by the marker."""
    project.write(TESTS.replace('"module"', '"class"'))
    result = project.record()
    result.assert_outcomes(errors=3)
    assert message(result, "QS106").splitlines()[1] == ("  scope='class'; known: function, module, session")
    assert project.files() == []


def test_what_is_missing_is_recorded_and_the_rest_replayed(project):
    """The session that is replayed is that of the recorded tests; a new test has it recorded anew."""
    project.write(TESTS)
    project.record().assert_outcomes(passed=3)
    before = project.bytes()
    missing = ("--qsession-mode=missing", "--qsession-target=emulator")
    project.run(*missing).assert_outcomes(passed=3)
    assert project.bytes() == before
    project.write(TESTS + "\ndef test_z(qsession):\n    assert qsession.status()\n")
    project.run(*missing).assert_outcomes(passed=4)
    after = project.bytes()
    assert {name: after[name] for name in before} == before
    assert endpoints(project, "test_it/test_z.yaml") == ["sessions.get"]
    project.run().assert_outcomes(passed=4)


def test_each_worker_opens_one(project):
    """The block says how many there were; all are the same recording."""
    project.write(TESTS)
    project.record().assert_outcomes(passed=3)
    before = project.bytes()
    result = project.run_apart("-n2", *EMULATOR)
    result.assert_outcomes(passed=3)
    assert block(result)[3].startswith("sessions opened: 2, cassettes written: ")
    assert project.bytes() == before
    project.run_apart("-n2").assert_outcomes(passed=3)


@pytest.mark.parametrize("scenario", ["pending_for_hours", "max_time_expires"])
def test_scenario_shares_nothing(project, scenario):
    """It is one test's own."""
    project.write(TESTS.replace('scope="module"', f'scope="module", scenario="{scenario}"'))
    project.run("-k", "test_b").assert_outcomes(passed=1, deselected=2)
    assert project.files() == []

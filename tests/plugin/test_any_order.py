"""Recordings do not depend on the order of tests, on their selection or on the workers."""

import pytest
from plugin_project import EMULATOR, head

TESTS = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService, Session

@pytest.fixture(scope="session")
def service():
    return QiskitRuntimeService()

@pytest.fixture(scope="module")
def opened(service):
    session = Session(backend=service.backend("ibm_fez"))
    yield session
    session.close()

@pytest.mark.qsession
class TestOfFixtures:
    def test_status(self, opened):
        assert opened.status() == "Pending"

    def test_other_session(self, service, opened):
        with Session(backend=service.backend("ibm_torino")) as session:
            assert session.session_id != opened.session_id
            assert session.details()["backend_name"] == "ibm_torino"

    @pytest.mark.parametrize("limit", [1, 2])
    def test_jobs(self, service, limit):
        assert service.jobs(limit=limit) == []

@pytest.mark.qsession(scope="module")
@pytest.mark.parametrize("n", [1, 2])
def test_shared(qsession, n):
    assert qsession.details()["mode"] == "dedicated"

@pytest.mark.qsession
def test_own(qsession):
    assert qsession.status() == "Pending"

@pytest.mark.qsession
def test_of_nothing():
    assert QiskitRuntimeService().backend("ibm_torino").num_qubits == 133
"""
"""Eight tests with wide fixtures, a shared session and sessions of their own."""

COUNT = 8

BACKWARDS = """
def pytest_collection_modifyitems(items):
    items.reverse()
"""


@pytest.fixture
def suite(project):
    """The tests, recorded in the order of their file."""
    project.write(TESTS)
    project.record().assert_outcomes(passed=COUNT)
    return project


def forget(project):
    """Let nothing be recorded."""
    for name in project.files("cassettes"):
        (project.folder / "cassettes" / name).unlink()


def test_recording_backwards_gives_the_same_bytes(suite):
    """All files, bodies included."""
    before = suite.bytes()
    forget(suite)
    suite.write(TESTS, conftest=BACKWARDS)
    suite.record().assert_outcomes(passed=COUNT)
    assert suite.bytes() == before


def test_recording_one_by_one_gives_the_same_bytes(suite):
    """Each selection opens its own sessions, and adds to what is read in common."""
    before = suite.bytes()
    forget(suite)
    for words in ("test_own", "test_shared", "TestOfFixtures and not jobs", "jobs", "nothing"):
        assert suite.record("-k", words).ret == pytest.ExitCode.OK
    assert suite.bytes() == before


def test_recording_by_two_workers_gives_the_same_bytes(suite):
    """Whoever gets which test."""
    before = suite.bytes()
    forget(suite)
    suite.run_apart("-n2", *EMULATOR).assert_outcomes(passed=COUNT)
    assert suite.bytes() == before


def test_each_test_replays_alone_and_all_of_them_backwards(suite):
    """No test needs what another one did."""
    ids = [line for line in suite.run("--collect-only", "-q").outlines if "::" in line]
    assert len(ids) == COUNT
    for test in ids:
        suite.run(test).assert_outcomes(passed=1)
    suite.write(TESTS, conftest=BACKWARDS)
    suite.run().assert_outcomes(passed=COUNT)


@pytest.mark.parametrize("words", ["test_own", "test_status", "test_shared and 2"])
def test_recording_one_test_anew_changes_nothing(suite, words):
    """Where it does what it did."""
    before = suite.bytes()
    suite.record("-k", words).assert_outcomes(passed=1, deselected=COUNT - 1)
    assert suite.bytes() == before


def test_recording_one_changed_test_anew_changes_its_file(suite):
    """And no other, though it shares a session and what is common."""
    before = suite.bytes()
    suite.write(TESTS.replace('assert opened.status() == "Pending"', "assert opened.service.usage()"))
    suite.record("-k", "test_status").assert_outcomes(passed=1, deselected=COUNT - 1)
    after = suite.bytes()
    differing = {name for name in after if after[name] != before.get(name)}
    assert [name.partition("-")[0] for name in differing] == ["test_it/TestOfFixtures.test_status"]
    assert before.keys() == after.keys()
    suite.run().assert_outcomes(passed=COUNT)


ASKED_FOR_IN_THE_MIDDLE = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService, Session

@pytest.fixture(scope="module")
def session():
    with Session(backend=QiskitRuntimeService().backend("ibm_fez"), max_time="1h") as session:
        yield session

@pytest.mark.qsession
def test_first(request):
    assert request.getfixturevalue("session").status() == "Pending"

@pytest.mark.qsession
def test_of_something_else():
    assert QiskitRuntimeService().usage()

@pytest.mark.qsession
def test_later(request, qsession_clock):
    session = request.getfixturevalue("session")
    assert session.status() == "Pending"
    qsession_clock.advance("1h 1m")
    assert session.status() == "Closed"
"""


def test_fixture_that_tests_ask_for_in_the_middle(project):
    """A test that has nothing to do with it is recorded as if it were not there."""
    project.write(ASKED_FOR_IN_THE_MIDDLE)
    project.record("-k", "something").assert_outcomes(passed=1, deselected=2)
    alone = project.bytes()["test_it/test_of_something_else.yaml"]
    project.record().assert_outcomes(passed=3)
    assert project.bytes()["test_it/test_of_something_else.yaml"] == alone
    assert head(project, "test_it/test_later.yaml")["layers"] == ["test_it/@session.yaml"]
    project.run().assert_outcomes(passed=3)
    for test in ("test_first", "something", "test_later"):
        project.run("-k", test).assert_outcomes(passed=1, deselected=2)

"""The fixtures, and tests that make their clients themselves."""

from plugin_project import BELL, USAGE, block


def test_qsession_records_then_replays(recorded):
    """The fixture is an open session in the recording and in its replay."""
    result = recorded.run()
    result.assert_outcomes(passed=1)
    assert block(result) == [
        "mode: replay (recording), tests: 1, requests answered: N",
        "live requests: 0",
        "QPU seconds used: 0.0 (on the service these tests would use 0.3)",
        "sessions opened: 0, cassettes written: 0",
        "waits that leapt to the next event: 2",
    ]


def test_every_fixture_belongs_to_one_run(project):
    """Session, service, backend and transpiler work on one backend of one service."""
    project.write(
        """
        def test_it(qsession, qsession_service, qsession_backend, qsession_run, qsession_isa):
            assert qsession.service is qsession_service
            assert qsession.backend() == qsession_backend.name == "ibm_fez"
            assert qsession_run.requests > 0
            assert qsession_run.live_requests == 0
            assert qsession.details()["state"] == "open"
            assert callable(qsession_isa)
        """
    )
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_qsession_is_closed_at_teardown(project):
    """What a test leaves open its fixture closes; what it closed is not closed again."""
    project.write(
        """
        import pytest

        @pytest.fixture
        def patches(qsession_run):
            from qsession.session import Session
            seen, close = [], Session.close
            Session.close = lambda self: (seen.append(self), close(self))[1]
            yield seen
            Session.close = close
            assert len(seen) == 1

        def test_left_open(patches, qsession):
            assert qsession.session_id

        def test_closed(patches, qsession):
            qsession.close()
        """
    )
    project.record().assert_outcomes(passed=2)
    project.run().assert_outcomes(passed=2)


def test_plain_client_with_the_marker_alone(project):
    """Code that knows nothing of us is recorded and replayed."""
    project.write(USAGE)
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_plain_client_made_by_another_fixture(project):
    """The run begins before the function-scoped fixtures of the test, autouse ones too."""
    project.write(
        """
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService

        @pytest.fixture(autouse=True)
        def service():
            return QiskitRuntimeService()

        @pytest.mark.qsession
        def test_it(service):
            assert service.usage()
        """
    )
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_fixture_asked_for_by_name_at_run_time(project):
    """``getfixturevalue`` begins the run where it is called."""
    project.write(
        """
        def test_it(request):
            assert request.getfixturevalue("qsession_service").usage()
        """
    )
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_unittest_with_the_marker(project):
    """``setUp`` is inside the run, as the test is."""
    project.write(
        """
        import unittest
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService

        @pytest.mark.qsession
        class TestIt(unittest.TestCase):
            def setUp(self):
                self.service = QiskitRuntimeService()

            def test_usage(self):
                assert self.service.usage()
        """
    )
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_two_tests_in_one_file_have_a_run_each(project):
    """Each has its cassette, in either order."""
    project.write(USAGE + USAGE.replace("test_usage", "test_other"))
    project.record().assert_outcomes(passed=2)
    assert project.cassettes() == ["test_it/test_other.yaml", "test_it/test_usage.yaml"]
    project.run("test_it.py::test_other", "test_it.py::test_usage").assert_outcomes(passed=2)


def test_isa_seed_follows_the_recording(project):
    """A renamed test, told its cassette, transpiles as it did when it was recorded."""
    body = BELL.replace("def test_bell", '@pytest.mark.qsession(cassette="kept.yaml")\ndef test_bell')
    project.write(body)
    project.record().assert_outcomes(passed=1)
    project.write(body.replace("test_bell", "test_renamed"))
    project.run().assert_outcomes(passed=1)


def test_random_numbers_are_those_of_the_recording(project):
    """Whatever pytest-randomly or a fixture made of them before the test was called."""
    project.write(
        """
        import random

        import numpy as np
        import pytest
        from qiskit import QuantumCircuit
        from qiskit.transpiler import generate_preset_pass_manager
        from qiskit_ibm_runtime import SamplerV2

        def run(session, angle):
            circuit = QuantumCircuit(1)
            circuit.rx(angle, 0)
            circuit.measure_all()
            manager = generate_preset_pass_manager(1, session.service.backend("ibm_fez"), seed_transpiler=1)
            SamplerV2(mode=session).run([manager.run(circuit)], shots=10).result()

        @pytest.fixture
        def shaken():
            random.seed()
            np.random.seed()

        def test_angles(qsession, shaken):
            run(qsession, random.random())
            run(qsession, np.random.rand())
            run(qsession, np.random.default_rng().random())
        """
    )
    project.record("-p", "randomly", "-p", "no:cacheprovider").assert_outcomes(passed=1)
    project.run("-p", "randomly").assert_outcomes(passed=1)
    project.run("-p", "no:randomly").assert_outcomes(passed=1)


def test_ordinary_tests_are_left_alone(project):
    """A test without fixture and marker has no run, and no block is printed."""
    project.write("def test_it(): pass")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert block(result) == []
    assert project.files() == []


WATCH = """
    import gc, weakref
    import pytest

    runs, alive = [], []

    @pytest.fixture(autouse=True)
    def _watch(qsession_run):
        runs.append(weakref.ref(qsession_run))

    def pytest_runtest_logfinish(nodeid, location):
        gc.collect()
        alive.append(sum(run() is not None for run in runs))

    def pytest_terminal_summary(terminalreporter):
        # The first is there until the end: what was made up to then is not looked through again.
        terminalreporter.write_line(f"more than one was alive after a test: {max(alive) > 1}")
    """


def test_run_and_its_recording_are_let_go_with_their_test(project):
    """pytest keeps its items to the end: a suite of thousands must not keep their recordings with them."""
    project.write(
        """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_it(qsession, number):
            assert qsession.status()
        """,
        conftest=WATCH,
    )
    project.record().assert_outcomes(passed=3)
    result = project.run()
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["more than one was alive after a test: False"])

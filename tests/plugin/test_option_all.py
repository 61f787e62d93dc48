"""``--qsession-all``: every test is ours, without a change in its code."""

import importlib.util

import pytest
from plugin_project import EMULATOR, block, endpoints, message

ALL = "--qsession-all"

USAGE = """
from qiskit_ibm_runtime import QiskitRuntimeService

def test_it():
    assert QiskitRuntimeService().usage()
"""
"""A test that never heard of us."""


def both(project, *, passed):
    """Record and replay a project whole."""
    project.record(ALL).assert_outcomes(passed=passed)
    project.run(ALL).assert_outcomes(passed=passed)


def test_test_that_makes_its_own_service(project):
    """It has a cassette, as if it had the marker."""
    project.write(USAGE)
    both(project, passed=1)
    assert project.cassettes() == ["test_it/test_it.yaml"]
    assert endpoints(project, "test_it/test_it.yaml") == ["instances.usage"]


def test_without_the_option_it_is_refused(project):
    """A cassette of that name changes nothing: the test is not ours."""
    project.write(USAGE)
    project.record(ALL).assert_outcomes(passed=1)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert message(result, "QS315") == (
        "A service was made outside of the run of a test, where no account stands in for a real one. [QS315]\n"
        "  test_it.py:4, in test_it\n"
        "To fix: make the service inside the test, or in a fixture of scope 'function'"
    )


def test_ini_key_does_the_same(project):
    """For a project that is recorded that way."""
    project.write(USAGE, ini="qsession_all = true")
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    assert project.cassettes() == ["test_it/test_it.yaml"]


def test_classes_of_unittest(project):
    """Their cassettes are called by class and method, what `setUpClass` did by the class."""
    project.write(
        """
        import unittest
        from qiskit_ibm_runtime import QiskitRuntimeService, Session

        class test_jobs(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.service = QiskitRuntimeService()
                cls.session = Session(backend=cls.service.backend("ibm_fez"))

            @classmethod
            def tearDownClass(cls):
                cls.session.cancel()

            def setUp(self):
                self.before = self.service.usage()

            def test_status(self):
                self.assertEqual(self.session.status(), "Pending")

            def test_parts(self):
                for size in (1, 2):
                    with self.subTest(size=size):
                        self.assertEqual(self.service.jobs(limit=size), [])
        """
    )
    both(project, passed=2)
    assert endpoints(project, project.layers()[0]) == ["sessions.create", "sessions.cancel"]
    assert [name.partition("-")[0] for name in project.cassettes()] == [
        "test_it/test_jobs.test_parts.yaml",
        "test_it/test_jobs.test_status.yaml",
    ]
    project.run(ALL, "-k", "test_parts").assert_outcomes(passed=1, deselected=1)


def test_parametrised_tests_and_fixtures(project):
    """One cassette for each."""
    project.write(
        """
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService

        @pytest.fixture(params=["ibm_fez", "ibm_torino"])
        def backend(request):
            return QiskitRuntimeService().backend(request.param)

        @pytest.mark.parametrize("limit", [1, 2])
        def test_it(backend, limit):
            assert backend.status().operational
            assert QiskitRuntimeService().jobs(limit=limit) == []
        """
    )
    both(project, passed=4)
    assert len(project.cassettes()) == 4
    project.run(ALL, "-k", "ibm_torino and 2").assert_outcomes(passed=1, deselected=3)


@pytest.mark.skipif(importlib.util.find_spec("pytest_asyncio") is None, reason="without pytest-asyncio")
def test_async_tests(project):
    """Their loops are in the run of the test."""
    project.write(
        """
        import asyncio
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService

        @pytest.mark.asyncio
        async def test_it():
            service = await asyncio.to_thread(QiskitRuntimeService)
            await asyncio.sleep(3600)
            assert service.usage()
        """
    )
    result = project.run_apart(ALL, *EMULATOR)
    result.assert_outcomes(passed=1)
    assert endpoints(project, "test_it/test_it.yaml") == ["instances.usage"]
    project.run_apart(ALL).assert_outcomes(passed=1)


IMPORTED = """
from qiskit_ibm_runtime import QiskitRuntimeService

SERVICE = QiskitRuntimeService()
BACKEND = SERVICE.backend("ibm_fez")

def test_backend():
    assert BACKEND.num_qubits == 156

def test_usage():
    assert SERVICE.usage()
"""


def test_service_that_is_made_at_import(project):
    """It is answered from what all tests read; what a test asks it for is the test's."""
    project.write(IMPORTED)
    both(project, passed=2)
    assert project.cassettes() == ["test_it/test_usage.yaml"]
    for name in ("test_backend", "test_usage"):
        project.run(ALL, "-k", name).assert_outcomes(passed=1, deselected=1)


def test_service_that_is_made_at_import_of_a_test_with_the_marker(project):
    """Where there are cassettes of ours, an import is watched without the option."""
    tests = IMPORTED.replace("\nSERVICE", "\nimport pytest\npytestmark = pytest.mark.qsession\nSERVICE")
    project.write(tests)
    project.record().assert_outcomes(passed=2)
    project.run().assert_outcomes(passed=2)


def test_import_that_asks_for_more(project):
    """It would belong to no test."""
    project.write(USAGE.replace("def test_it():\n    assert", "USAGE =") + "\ndef test_it(): pass\n")
    result = project.record(ALL)
    result.assert_outcomes(errors=1)
    assert message(result, "QS242") == (
        "While a module is imported, only an account and its backends are there. [QS242]\n"
        "  asked: GET /instances/usage\n"
        "  test_it.py:3, in <module>\n"
        "To fix: do it in a fixture; one of scope 'module' or 'session' does it once"
    )
    assert project.cassettes() == []


def test_tests_that_ask_for_nothing_write_nothing(project):
    """Nor do they need anything when they replay."""
    project.write("import time\n\ndef test_a(): time.sleep(1)\n\ndef test_b(tmp_path): pass\n" + USAGE)
    both(project, passed=3)
    assert project.cassettes() == ["test_it/test_it.yaml"]


def test_test_that_reads_what_is_common_writes_nothing(project):
    """Whichever test is the first to look at a backend."""
    test = """
def test_{}():
    from qiskit_ibm_runtime import QiskitRuntimeService
    assert QiskitRuntimeService().backend("ibm_fez").num_qubits == 156
"""
    project.write(test.format("a") + test.format("b"))
    both(project, passed=2)
    assert (project.cassettes(), project.layers()) == ([], [])


def test_test_that_now_asks_for_something(project):
    """It had no cassette, since it asked for nothing; the message says that it has to be recorded."""
    project.write("def test_it(): pass\n")
    project.record(ALL).assert_outcomes(passed=1)
    project.write(USAGE)
    result = project.run(ALL)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*ReplayMismatch: The code under test reads something that was not recorded.*"]
    )
    assert message(result, "QS241") == (
        "A backend is looked at that no recording of this folder looked at. Nothing was sent. [QS241]\n"
        "  asked: GET /backends\n"
        "  @emulator.yaml is missing: what all tests read in common\n"
        "To fix: pytest 'test_it.py::test_it' --qsession-record --qsession-target=emulator\n"
        "If this is intended: the command above records the new behaviour; "
        "review the difference before you commit it\n"
        "Where: cassettes/test_it/test_it.yaml, test_it.py::test_it"
    )


def test_tests_that_have_no_fixtures(project):
    """Such as documentation that runs as tests: they are none of ours."""
    project.write("", **{"text": ""})
    (project.folder / "words.txt").write_text(">>> 1 + 1\n2\n")
    result = project.record(ALL, "--doctest-glob=*.txt")
    result.assert_outcomes(passed=1)
    assert project.cassettes() == []


def test_failing_and_skipped_tests_stay_what_they_are(project):
    """What one looked at before it skipped itself is recorded, as its replay looks at it too."""
    project.write(
        USAGE
        + """
def test_wrong():
    assert QiskitRuntimeService().usage() is None

def test_skipped():
    import pytest
    QiskitRuntimeService().usage()
    pytest.skip("not today")
"""
    )
    result = project.record(ALL)
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    names = [name for name in project.cassettes() if not name.startswith(".qsession/")]
    assert names == ["test_it/test_it.yaml", "test_it/test_skipped.yaml"]
    assert block(result)[3] == "sessions opened: 0, cassettes written: 2"
    project.run(ALL, "-k", "not wrong").assert_outcomes(passed=1, skipped=1, deselected=1)

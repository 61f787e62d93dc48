"""Suites of others, as they are: what IBM's own tests brought up under --qsession-all."""

from __future__ import annotations

AT_IMPORT = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

NAMES = sorted(each.name for each in QiskitRuntimeService().backends(operational=True))

@pytest.mark.parametrize("name", NAMES)
def test_backend(name):
    assert name.startswith("ibm_")
"""


def test_backends_that_work_are_looked_for_while_a_module_is_imported(project):
    """The state of a backend is part of what all tests read, as long as there is no test yet."""
    project.write(AT_IMPORT)
    recorded = project.run_apart("--qsession-all", "--qsession-record", "--qsession-target=emulator")
    passed = recorded.parseoutcomes()["passed"]
    assert passed > 1
    assert project.cassettes() == []
    layer = (project.folder / "cassettes" / "@emulator.yaml").read_text("utf-8")
    assert layer.count("/status\n") == passed
    project.run_apart("--qsession-all").assert_outcomes(passed=passed)


STATUS = """
from qiskit_ibm_runtime import QiskitRuntimeService

def test_status():
    assert QiskitRuntimeService().backend("ibm_fez").status().operational
"""


def test_state_of_a_backend_in_a_test_is_its_own(project):
    """What it is then is not what all tests read, whatever a module saw of it at import."""
    project.write(AT_IMPORT + STATUS)
    recorded = project.run_apart("--qsession-all", "--qsession-record", "--qsession-target=emulator")
    passed = recorded.parseoutcomes()["passed"]
    assert project.cassettes() == ["test_it/test_status.yaml"]
    assert "/backends/ibm_fez/status" in (project.folder / "cassettes/test_it/test_status.yaml").read_text()
    project.run_apart("--qsession-all").assert_outcomes(passed=passed)


SKIPS = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

def test_usage():
    if QiskitRuntimeService().usage(){}:
        pytest.skip("nothing to do")
"""


def test_test_that_skips_itself_after_a_look_skips_itself_again(project):
    """What it looked at is recorded: without it, the replay would fail where the recording was skipped."""
    project.write(SKIPS.format(""))
    project.record("--qsession-all").assert_outcomes(skipped=1)
    assert "test_it/test_usage.yaml" in project.cassettes()
    project.run("--qsession-all").assert_outcomes(skipped=1)


def test_test_that_skips_itself_replaces_no_recording(project):
    """One that went further is worth more."""
    project.write(SKIPS.format(" is None"))
    project.record("--qsession-all").assert_outcomes(passed=1)
    before = project.bytes()
    project.write(SKIPS.format(""))
    project.record("--qsession-all").assert_outcomes(skipped=1)
    assert project.bytes() == before


ONE_INSTANCE = """
import os

from ibm_cloud_sdk_core.authenticators import IAMAuthenticator
from ibm_platform_services import ResourceControllerV2
from qiskit_ibm_runtime import QiskitRuntimeService

def test_instance():
    crn = QiskitRuntimeService().active_instance()
    client = ResourceControllerV2(authenticator=IAMAuthenticator("not-a-real-key"))
    assert client.get_resource_instance(id=crn).get_result()["crn"] == crn
"""


def test_test_that_asks_for_one_instance(project):
    """Why it asks only the test knows: that stays in its cassette, and is answered from there."""
    project.write(ONE_INSTANCE)
    project.record("--qsession-all").assert_outcomes(passed=1)
    assert "resource_instances" in (project.folder / "cassettes/test_it/test_instance.yaml").read_text()
    project.run("--qsession-all").assert_outcomes(passed=1)


DRAWS = """
import random
import unittest
from pathlib import Path

from qiskit_ibm_runtime import QiskitRuntimeService

class TestDraws(unittest.TestCase):
    def setUp(self):
        self.first = random.random()

    def test_draws(self):
        QiskitRuntimeService().usage()
        with Path("drawn.txt").open("a") as file:
            print(self.first, random.random(), file=file)
"""
SEEDS_ANEW = """
import random

def pytest_runtest_call(item):
    random.seed()
"""


def test_method_of_unittest_draws_what_it_drew(project):
    """Also where another plugin seeds when a test is called, as pytest-randomly does."""
    project.write(DRAWS, conftest=SEEDS_ANEW)
    project.record("--qsession-all").assert_outcomes(passed=1)
    project.run("--qsession-all").assert_outcomes(passed=1)
    recorded, replayed = (project.folder / "drawn.txt").read_text().splitlines()
    assert replayed == recorded


LOOKS = """
from qiskit_ibm_runtime import QiskitRuntimeService

def test_looks():
    assert QiskitRuntimeService().backend("ibm_fez").num_qubits == 156

def test_nothing():
    {}
"""


def test_test_without_a_recording_reads_what_others_read(project):
    """It may look at what was recorded once for all, whatever that was recorded against."""
    project.write(LOOKS.format("pass"))
    project.record("--qsession-all").assert_outcomes(passed=2)
    project.write(LOOKS.format('assert QiskitRuntimeService().backend("ibm_fez").num_qubits == 156'))
    project.run("--qsession-all").assert_outcomes(passed=2)

"""``--qsession-allow-ci`` and ``qsession_allow_ci``."""

import pytest
from plugin_project import USAGE, message

REFUSED = (
    "The service is not reached from continuous integration unless you say so. [QS111]\n"
    "  the environment variable CI is set\n"
    "To fix: replay, the default, needs no account; or record with --qsession-target=emulator\n"
    "If this is intended: --qsession-allow-ci, in Python allow_ci=True\n"
    "Where: "
)


@pytest.fixture
def in_ci(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    project.write(USAGE)
    return project


def test_service_is_refused_in_ci(in_ci, monkeypatch):
    """Credentials that happen to lie there are not used."""
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "not-a-real-token")
    result = in_ci.run("--qsession-record")
    result.assert_outcomes(errors=1)
    assert message(result, "QS111") == REFUSED + "test_it.py::test_usage"
    assert in_ci.files() == []


OUTSIDE = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

{}

@pytest.mark.qsession
def test_usage(service):
    assert service.usage()
"""

IN_A_FIXTURE = """
@pytest.fixture(scope="session")
def service():
    return QiskitRuntimeService()
"""

AT_IMPORT = """
made = QiskitRuntimeService()

@pytest.fixture
def service():
    return made
"""


@pytest.mark.parametrize(
    ("where", "says"),
    [(IN_A_FIXTURE, "test_it.py::test_usage"), (AT_IMPORT, "a module that is imported")],
    ids=["fixture", "import"],
)
def test_service_outside_of_a_test_is_refused_in_ci(project, monkeypatch, where, says):
    """Not even for a look at an account does anything leave."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "not-a-real-token")
    project.write(OUTSIDE.format(where), ini="qsession_mode = record")
    result = project.run()
    result.assert_outcomes(errors=1)
    # The client makes an error of its own of it.
    assert message(result, "QS111").startswith(REFUSED + says)
    assert project.files() == []


@pytest.mark.parametrize("how", ["--qsession-allow-ci", "--override-ini=qsession_allow_ci=true"])
def test_allowed_in_ci_the_next_thing_is_credentials(in_ci, how):
    """On the command line or in the ini file."""
    assert message(in_ci.run("--qsession-record", how), "QS110").startswith(
        "To reach the service the client needs credentials, and it finds none. Nothing was sent. [QS110]"
    )


def test_emulator_and_replay_need_no_leave(in_ci):
    """Neither reaches the service."""
    in_ci.record().assert_outcomes(passed=1)
    in_ci.run().assert_outcomes(passed=1)

"""``--qsession-target`` and ``qsession_target``."""

import pytest
from plugin_project import USAGE, block, message

CREDENTIALS = (
    "To reach the service the client needs credentials, and it finds none. Nothing was sent. [QS110]\n"
    "  QISKIT_IBM_TOKEN is not set\n"
    "  no account is saved\n"
    "To fix: export QISKIT_IBM_TOKEN=<your API key> QISKIT_IBM_INSTANCE=<your instance>\n"
    "If this is intended: without an account, record against the emulator: --qsession-target=emulator\n"
    "Where: test_it.py::test_usage"
)


@pytest.mark.parametrize(
    "options", [("--qsession-record",), ("--qsession-mode=live",), ("--qsession-mode=missing",)]
)
def test_service_is_the_default_and_needs_credentials(project, options):
    """Every mode that may send something says so before it does."""
    project.write(USAGE)
    result = project.run(*options)
    result.assert_outcomes(failed=1)
    assert message(result, "QS110") == CREDENTIALS
    assert block(result)[1] == "live requests: 0"
    assert project.files() == []


def test_command_line_wins_over_ini(project):
    """A project that records against the emulator can still be told otherwise."""
    project.write(USAGE, ini="qsession_target = emulator")
    project.run("--qsession-record").assert_outcomes(passed=1)
    assert message(project.run("--qsession-record", "--qsession-target=ibm"), "QS110") == CREDENTIALS


def test_target_means_nothing_in_a_replay(project):
    """A recording is the same whoever is asked otherwise."""
    project.write(USAGE)
    project.record().assert_outcomes(passed=1)
    project.run("--qsession-target=ibm").assert_outcomes(passed=1)


def test_unknown_target_is_refused(project):
    """With the nearest one, before any test is collected."""
    project.write(USAGE)
    result = project.run("--qsession-record", "--qsession-target=emulater")
    assert message(result, "QS102") == (
        "There is no target of this name. [QS102]\n"
        "  'emulater' (from command line); did you mean 'emulator'?\n"
        "To fix: --qsession-target=emulator"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.files() == []

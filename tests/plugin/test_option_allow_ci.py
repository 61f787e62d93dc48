"""``--qsession-allow-ci`` and ``qsession_allow_ci``."""

import pytest
from plugin_project import USAGE, message


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
    assert message(result, "QS111") == (
        "The service is not reached from continuous integration unless you say so. [QS111]\n"
        "  the environment variable CI is set\n"
        "To fix: replay, the default, needs no account; or record with --qsession-target=emulator\n"
        "If this is intended: --qsession-allow-ci, in Python allow_ci=True\n"
        "Where: test_it.py::test_usage"
    )
    assert in_ci.files() == []


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

"""A credential among the parameters of a test, which names files, ids and reports."""

from __future__ import annotations

from plugin_project import Project, message

KEY = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY-zA_bC3dE5fG"
"""Looks like an API key of IBM Cloud, and is none."""

SERVICE = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

def usage(token):
    return QiskitRuntimeService(channel="ibm_quantum_platform", token=token).usage()
"""


def _spread(project: Project, *options: str) -> list[str]:
    """Record with everything that names tests; give the places where the key is left."""
    shown = project.record("-v", "-rA", "--setup-show", "--junitxml=junit.xml", *options)
    texts = {"terminal": shown.stdout.str() + shown.stderr.str()}
    texts |= {name: (project.folder / name).read_text("latin-1") for name in project.files()}
    return [place for place, text in texts.items() if KEY[:16] in place + text or KEY[-16:] in text]


def test_key_as_the_id_of_a_test_is_refused_and_told_nowhere(project: Project) -> None:
    """Neither a file nor a report is called after it."""
    project.write(
        SERVICE
        + f"""
@pytest.mark.qsession
@pytest.mark.parametrize("token", ["{KEY}"])
def test_owner(token):
    usage(token)
"""
    )
    assert _spread(project) == []
    assert project.cassettes() == []
    assert message(project.record("--tb=short"), "QS620") == (
        "A credential stands in the name of a test. Nothing was written. [QS620]\n"
        "  recordings are called after the parameters of their tests, and pytest tells their ids\n"
        "To fix: parametrise by a word such as 'owner', and look the value up in the test\n"
        "Where: test_it.py::test_owner[REDACTED]"
    )


def test_cassette_is_not_called_after_a_key_behind_an_id(project: Project) -> None:
    """It goes by the place of the value, whatever key a machine has."""
    tests = f"""
@pytest.mark.qsession
@pytest.mark.parametrize("token", [pytest.param("{KEY}", id="mine"), pytest.param("short", id="other")])
def test_owner(token):
    usage(token)
"""
    project.write(SERVICE + tests)
    assert _spread(project) == []
    assert [name.partition("-")[0] for name in project.cassettes()] == [
        "test_it/test_owner[short",
        "test_it/test_owner[token0",
    ]
    # Another key of the same shape replays.
    project.write(SERVICE + tests.replace(KEY, KEY.swapcase()))
    project.run().assert_outcomes(passed=2)


def test_value_that_the_test_shows_to_be_a_key_is_in_no_name(project: Project) -> None:
    """What was used as a key is one, whatever it looks like."""
    project.write(
        SERVICE
        + """
@pytest.mark.qsession
@pytest.mark.parametrize("token", ["no-key-at-a-glance"])
def test_owner(token):
    usage(token)
"""
    )
    message(project.record(), "QS620")
    assert [name for name in project.files() if "glance" in name] == []


def test_properties_of_the_suite_and_subtests_tell_no_key(project: Project) -> None:
    """They are in no report of a test, or say more than others."""
    project.write(
        SERVICE
        + f"""
@pytest.mark.qsession
def test_owner(record_testsuite_property, subtests):
    token = "-".join(({KEY[:32]!r}, {KEY[33:]!r}))
    usage(token)
    record_testsuite_property("owner", token)
    with subtests.test(msg="of " + token, token=token):
        assert not token
"""
    )
    shown = project.record("--junitxml=junit.xml")
    texts = [shown.stdout.str(), (project.folder / "junit.xml").read_text()]
    assert [KEY in text for text in texts] == [False, False]
    assert "of REDACTED" in texts[0]
    assert '<property name="owner" value="REDACTED"' in texts[1]

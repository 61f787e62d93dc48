"""Fixtures of wider scope than a test: refused where they would reach for the service."""

import pytest
from plugin_project import message

from qsession._naming import ATTRIBUTES

SERVICE = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.fixture(scope="module")
def shared():
    return QiskitRuntimeService(channel="ibm_quantum_platform", token="not-a-real-token")

@pytest.mark.qsession
def test_it(shared):
    assert shared.usage()
"""


@pytest.mark.parametrize("scope", ["class", "module", "session"])
@pytest.mark.parametrize("ours", ["qsession", "qsession_run", "qsession_isa"])
def test_wide_fixture_that_asks_for_ours(project, scope, ours):
    """Said before anything is opened."""
    project.write(
        f"""
        import pytest

        @pytest.fixture(scope="{scope}")
        def shared({ours}):
            return {ours}

        def test_it(shared):
            pass
        """
    )
    result = project.record()
    result.assert_outcomes(errors=1)
    assert message(result, "QS107") == (
        "The fixture 'shared' outlives the run that it asks for. [QS107]\n"
        f"  'shared' has scope '{scope}', '{ours}' belongs to one test (scope 'function')\n"
        "To fix: give 'shared' the scope 'function'\n"
        "Where: test_it.py::test_it"
    )
    assert project.files() == []


REFUSED = (
    "A connection to IBM was refused: it was made outside of the run of a test. [QS308]\n"
    "  host iam.cloud.ibm.com\n"
    "  test_it.py:{}\n"
    "To fix: make the service inside the test, or in a fixture of scope 'function'\n"
    "If this is intended: name the host in the ini option qsession_allowed_hosts"
)


def test_service_of_a_module_in_a_replay(project):
    """It is made before the run begins, and would go to IBM."""
    project.write(SERVICE)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS308") == REFUSED.format("6, in shared")
    assert project.files() == []


def test_service_of_a_module_against_the_emulator(project):
    """Recording against the emulator does not reach IBM either."""
    project.write(SERVICE)
    result = project.record()
    result.assert_outcomes(errors=1)
    assert message(result, "QS308") == REFUSED.format("6, in shared")
    assert project.files() == []


def test_wide_fixture_that_asks_for_nothing_of_ours(project):
    """Is none of our business."""
    project.write(
        SERVICE.replace(
            'QiskitRuntimeService(channel="ibm_quantum_platform", token="not-a-real-token")', "7"
        ).replace("shared.usage()", "shared == 7")
    )
    project.record().assert_outcomes(passed=1)


def test_refusal_that_a_wide_fixture_swallows_fails_the_test(project):
    """The first test that is ours after it."""
    project.write(
        SERVICE.replace("    return Qiskit", "    try:\n        return Qiskit")
        .replace('-token")\n', '-token")\n    except Exception:\n        return None\n')
        .replace("    assert shared.usage()", "    pass")
    )
    project.record().assert_outcomes(failed=1)


IMPORT = SERVICE.replace(
    '@pytest.fixture(scope="module")\ndef shared():\n    return Q', "shared = Q"
).replace("test_it(shared)", "test_it()")


def test_service_made_while_a_test_module_is_imported(project):
    """In a project that has cassettes the guard is up before anything is collected."""
    project.write(IMPORT)
    (project.folder / "cassettes").mkdir()
    (project.folder / "cassettes" / ".gitattributes").write_text(ATTRIBUTES)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS308") == REFUSED.format("4, in <module>")


def test_refusal_that_an_import_swallows_fails_the_test(project):
    """The first test that is ours, although another ran before it."""
    swallowed = IMPORT.replace("shared = Q", "try:\n    shared = Q").replace(
        '-token")\n', '-token")\nexcept Exception:\n    shared = None\n\ndef test_before(): pass\n'
    )
    project.write(swallowed.replace("assert shared.usage()", "pass"))
    result = project.record()
    result.assert_outcomes(passed=1, failed=1)
    assert message(result, "QS308") == REFUSED.format("5, in <module>")


WITHOUT_ACCOUNT = IMPORT.replace('channel="ibm_quantum_platform", token="not-a-real-token"', "")


def test_service_made_at_import_on_a_machine_without_an_account(project):
    """The error stays the client's, and beside it stands what to do."""
    project.write(WITHOUT_ACCOUNT, ini="qsession_mode = replay")
    result = project.run()
    result.assert_outcomes(errors=1)
    assert "AccountNotFoundError" in result.stdout.str()
    assert message(result, "QS315") == (
        "A service was made outside of the run of a test, where no account stands in for a real one. [QS315]\n"
        "  test_it.py:4, in <module>\n"
        "To fix: make the service inside the test, or in a fixture of scope 'function'"
    )


def test_missing_account_that_a_test_of_others_expects(project):
    """It is still the client's own error."""
    project.write(
        """
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService
        from qiskit_ibm_runtime.accounts import AccountNotFoundError

        def test_it():
            with pytest.raises(AccountNotFoundError):
                QiskitRuntimeService()
        """,
        ini="qsession_mode = replay",
    )
    project.run().assert_outcomes(passed=1)

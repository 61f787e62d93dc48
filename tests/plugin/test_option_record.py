"""``--qsession-record``."""

import pytest
from plugin_project import BELL, USAGE, block, message


def test_record_writes_a_cassette_and_says_so(project):
    """The block counts it."""
    project.write(USAGE)
    result = project.record()
    assert block(result) == [
        "mode: record (emulator), tests: 1, requests answered: N",
        "live requests: 0",
        "QPU seconds used: 0.0 (on the service these tests would use 0.0)",
        "sessions opened: 0, cassettes written: 1",
    ]
    assert project.cassettes() == ["test_it/test_usage.yaml"]


def test_record_replaces_the_cassettes_of_the_selected_tests_only(project):
    """The others stay as they are, byte for byte."""
    project.write(USAGE + USAGE.replace("test_usage", "test_other"))
    project.record().assert_outcomes(passed=2)
    path, other = (
        project.folder / "cassettes/test_it" / name for name in ("test_usage.yaml", "test_other.yaml")
    )
    path.write_text("kept")
    other.write_text("replaced")
    project.record("-k", "test_other").assert_outcomes(passed=1, deselected=1)
    assert path.read_text() == "kept"
    assert other.read_text() != "replaced"


def test_record_of_a_failing_test_replaces_nothing(recorded):
    """What it recorded is kept aside."""
    before = recorded.bytes()
    recorded.write(BELL.replace("== 100", "== 99"))
    result = recorded.record()
    result.assert_outcomes(failed=1)
    assert recorded.bytes() == before
    assert "test_bell.yaml" in [name.split("/")[-1] for name in recorded.files(".qsession/rejected")]
    assert block(result)[-2] == "sessions opened: 1, cassettes written: 0"


@pytest.mark.parametrize(
    "how", ["raise KeyboardInterrupt", "pytest.exit('enough')", "pytest.skip('not today')"]
)
def test_record_of_a_test_that_did_not_end_replaces_nothing(recorded, how):
    """Half a recording is none, whether Ctrl-C or a skip ended the test."""
    before = recorded.bytes()
    recorded.write(BELL.replace("job = ", f"{how}\n    job = "))
    recorded.record("-p", "no:faulthandler")
    assert recorded.bytes() == before


def test_record_of_an_expected_failure_is_kept(project):
    """The failure is what its recording is about."""
    project.write(
        USAGE.replace("def test_usage", "@pytest.mark.xfail\ndef test_usage") + "    assert False\n"
    )
    project.record().assert_outcomes(xfailed=1)
    assert project.cassettes() == ["test_it/test_usage.yaml"]
    project.run().assert_outcomes(xfailed=1)


def test_record_of_a_test_with_a_failing_setup_replaces_nothing(recorded):
    """An error in another fixture is a failure like any other."""
    before = recorded.bytes()
    recorded.write(
        BELL.replace(
            "def test_bell(qsession",
            "@pytest.fixture\ndef broken(qsession):\n    assert False\n\ndef test_bell(broken, qsession",
        )
    )
    recorded.record().assert_outcomes(errors=1)
    assert recorded.bytes() == before


def test_record_contradicts_mode_replay(project):
    """Said once, before any test is collected."""
    project.write(USAGE)
    result = project.record("--qsession-mode=replay")
    assert message(result, "QS108") == (
        "--qsession-record and --qsession-mode contradict each other. [QS108]\n"
        "  --qsession-record is short for --qsession-mode=record, but the mode is 'replay'\n"
        "To fix: leave one of them out"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.files() == []


def test_record_wins_over_the_mode_of_the_ini_file(project):
    """Command line before ini."""
    project.write(USAGE, ini="qsession_mode = replay")
    project.record().assert_outcomes(passed=1)
    assert project.cassettes() == ["test_it/test_usage.yaml"]

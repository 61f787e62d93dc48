"""``--qsession-mode`` and ``qsession_mode``."""

import pytest
from plugin_project import USAGE, block, message

TWO = USAGE + USAGE.replace("test_usage", "test_other")
AT_EMULATOR = "--qsession-target=emulator"


def test_replay_is_the_default(project):
    """Without a word on the command line nothing is recorded."""
    project.write(USAGE)
    project.record().assert_outcomes(passed=1)
    before = project.bytes()
    assert block(project.run())[0].startswith("mode: replay (recording), tests: 1,")
    assert project.bytes() == before


def test_missing_records_what_has_no_cassette_and_replays_the_rest(project):
    """Both kinds of run in one."""
    project.write(USAGE)
    project.record().assert_outcomes(passed=1)
    before = project.bytes()["test_it/test_usage.yaml"]
    project.write(TWO)
    result = project.run("--qsession-mode=missing", AT_EMULATOR)
    result.assert_outcomes(passed=2)
    assert block(result)[0] == "mode: missing (emulator, recording), tests: 2, requests answered: N"
    assert block(result)[-1] == "sessions opened: 0, cassettes written: 1"
    assert project.bytes()["test_it/test_usage.yaml"] == before
    assert project.cassettes() == ["test_it/test_other.yaml", "test_it/test_usage.yaml"]


def test_live_uses_no_cassette(project):
    """Neither reads nor writes one."""
    project.write(USAGE)
    result = project.run("--qsession-mode=live", AT_EMULATOR)
    result.assert_outcomes(passed=1)
    assert block(result)[0] == "mode: live (emulator), tests: 1, requests answered: N"
    assert project.files() == []


def test_command_line_wins_over_ini(project):
    """The ini file says how a project usually runs."""
    project.write(USAGE, ini="qsession_mode = live\nqsession_target = emulator")
    assert block(project.run())[0].startswith("mode: live (emulator)")
    assert block(project.run("--qsession-mode=record"))[0].startswith("mode: record (emulator)")


def test_ini_alone_is_heard(project):
    """Every option has an ini key of the same stem."""
    project.write(USAGE, ini="qsession_mode = record\nqsession_target = emulator")
    project.run().assert_outcomes(passed=1)
    assert project.cassettes() == ["test_it/test_usage.yaml"]


@pytest.mark.parametrize(
    ("mode", "evidence", "fix"),
    [
        ("recrod", "'recrod' (from command line); did you mean 'record'?", "record"),
        ("xyz", "'xyz' (from command line); known: replay, record, missing, live", "replay"),
        (
            "verify",
            "'verify' (from command line) is for comparing the service with the cassettes, which is not there yet",
            "replay",
        ),
    ],
)
def test_unknown_mode_is_refused(project, mode, evidence, fix):
    """With the nearest one, before any test is collected."""
    project.write(USAGE)
    result = project.run(f"--qsession-mode={mode}")
    assert message(result, "QS101") == (
        f"There is no mode of this name. [QS101]\n  {evidence}\nTo fix: --qsession-mode={fix}"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.files() == []


def test_unknown_mode_in_the_ini_file_is_named_as_such(project):
    """The message says where the value came from."""
    project.write(USAGE, ini="qsession_mode = Live")
    assert message(project.run(), "QS101") == (
        "There is no mode of this name. [QS101]\n"
        "  'Live' (from ini); did you mean 'live'?\n"
        "To fix: --qsession-mode=live"
    )

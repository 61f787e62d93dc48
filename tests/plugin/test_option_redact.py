"""The ini key ``qsession_redact``, and what pytest shows while something is recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from plugin_project import EMULATOR

KEY = "FAKE-key-of-a-test-000001"
MAIL = "planted.person@team.example.com"

TAGGED = """
import json
import pytest
import requests
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.qsession
def test_tags():
    service = QiskitRuntimeService()
    for tags in (["team-red"], ["team-blue", "project-123456"]):
        service.jobs(job_tags=tags)
"""

TELLING = f"""
import logging
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.qsession
def test_tells(record_property):
    secret = "{KEY[:9]}" + "{KEY[9:]}"
    QiskitRuntimeService(token=secret, channel="ibm_quantum_platform")
    print("printed", secret)
    logging.getLogger("theirs").warning("logged %s", secret)
    record_property("told", secret)
    assert secret == "{MAIL}"
"""
HIDDEN = (KEY, MAIL)


@pytest.mark.parametrize("rule", ["tags", "team-(red|blue)\n    project-\\d{6}"])
def test_what_rules_take_out_is_not_recorded_and_replays(project, rule):
    """The code asks with the real tags, the recording has none of them."""
    rule = rule.replace("(red|blue)", "(?:red|blue)") if "(" in rule else rule
    project.write(TAGGED, ini=f"qsession_redact =\n    {rule}\n")
    project.record().assert_outcomes(passed=1)
    written = b"".join(project.bytes().values())
    assert b"tags=REDACTED" in written
    assert [word for word in (b"team-", b"123456") if word in written] == []
    project.run().assert_outcomes(passed=1)


def test_other_tags_are_still_a_mismatch(project):
    """A rule makes the recording blind for its value only where it must be."""
    project.write(TAGGED, ini="qsession_redact = tags")
    project.record().assert_outcomes(passed=1)
    project.write(TAGGED.replace('"team-blue", ', ""), ini="qsession_redact = tags")
    project.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("options", [EMULATOR, ()], ids=["recording", "replaying"])
def test_wrong_rule_ends_the_run_before_a_test(project, options):
    """In a replay too: it would be wrong in the next recording."""
    project.write(TAGGED, ini="qsession_redact = tagz")
    result = project.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "'tagz' (from the ini key qsession_redact); did you mean 'tags'?" in str(result.stderr) + str(
        result.stdout
    )


@pytest.mark.parametrize("tb", ["auto", "long", "short", "line", "native"])
def test_reports_of_a_recording_hold_no_secret(project, tb):
    """Source lines, local variables, captured output, logs, the junit file and the log file."""
    project.write(TELLING)
    told = ("-rA", "--showlocals", "-vv", f"--tb={tb}", "--junitxml=junit.xml", "--log-file=all.log")
    result = project.record(
        *told,
        "-o",
        "junit_logging=all",
        "-o",
        "junit_family=xunit1",
        "-o",
        "log_cli=true",
        "--log-level=DEBUG",
    )
    result.assert_outcomes(failed=1)
    shown = [str(result.stdout), str(result.stderr)]
    shown += [(project.folder / name).read_text() for name in ("junit.xml", "all.log")]
    assert [secret for secret in HIDDEN for text in shown if secret in text] == []
    assert "printed REDACTED" in shown[0]
    assert "logged REDACTED" in shown[2]
    assert "logged REDACTED" in shown[3]


def test_reports_of_a_worker_are_clean_before_they_are_sent(project):
    """The controller of pytest-xdist does not know what its workers learned."""
    project.write(TELLING)
    result = project.run_apart(*EMULATOR, "-rA", "--showlocals", "-n", "1", "--junitxml=junit.xml")
    result.assert_outcomes(failed=1)
    shown = [str(result.stdout), (project.folder / "junit.xml").read_text()]
    assert [secret for secret in HIDDEN for text in shown if secret in text] == []
    assert "printed REDACTED" in shown[0]


def test_reports_of_a_replay_are_left_alone(project):
    """It learns nothing, and what it shows is the test's own."""
    project.write(TELLING.replace('assert secret == "', 'assert "'))
    project.record().assert_outcomes(passed=1)
    result = project.run("-rA")
    assert f"printed {KEY}" in str(result.stdout)


def test_logging_is_put_back_after_a_recording(project):
    """Handlers of this process write as they did."""
    import logging

    before = logging.Handler.format
    project.write(TELLING)
    project.record().assert_outcomes(failed=1)
    assert logging.Handler.format is before


def test_no_planted_secret_is_left_behind():
    """The campaign, with a third of its values: places, spellings, files, streams, reports."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.planted", "--quick", "--ours"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    assert "found with qsession: 0" in ended.stdout

"""The command line."""

import json
import signal
import subprocess
import sys

import pytest

from qsession.cli import main


def test_main_without_command_shows_help_and_is_a_usage_error(capsys):
    """Whoever types only the name sees what there is."""
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("demo", "serve", "emulate", "doctor"))


@pytest.mark.parametrize("command", ["demo", "serve", "emulate", "doctor"])
def test_help_of_every_command_ends_with_an_example(command, capsys):
    """An example is worth a page of options."""
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert f"example:\n  qsession {command}" in capsys.readouterr().out


def test_demo_records_replays_and_tells_the_story(tmp_path, capsys):
    """The first command of the README."""
    assert main(["demo", "--folder", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for line in ("session opened", "job submitted", "job is queued", "job is running", "job is completed"):
        assert line in shown
    assert "counts, details, status and usage are the same in both" in shown
    assert (tmp_path / "bell.yaml").exists()


def test_demo_as_json_is_one_document(capsys):
    """For machines."""
    assert main(["demo", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["same"] is True
    assert sum(document["counts"].values()) == 1000


def test_emulate_leads_the_command_to_the_emulator_and_gives_its_status(capfd):
    """Every way to IBM that the environment can lead, IAM first of all."""
    program = "import os; print(os.environ['IAM_URL'], os.environ['QISKIT_IBM_URL']); raise SystemExit(7)"
    assert main(["emulate", "--", sys.executable, "-c", program]) == 7
    assert capfd.readouterr().out == "http://iam.qsession.invalid http://qsession.invalid\n"


def test_emulate_keeps_a_child_off_ibm_and_keeps_its_own_sitecustomize(tmp_path, monkeypatch, capfd):
    """A name of IBM's that nothing stands in for is refused; nobody else is touched."""
    (tmp_path / "sitecustomize.py").write_text("print('the user is here too')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = "import socket; socket.getaddrinfo('127.0.0.1', 80); socket.getaddrinfo('www.ibm.com', 443)"
    assert main(["emulate", "--", sys.executable, "-c", program]) == 1
    shown = capfd.readouterr()
    assert shown.out == "the user is here too\n"
    assert shown.err.endswith(
        "OSError: qsession: www.ibm.com is not reached from a child process of a replay or of the emulator\n"
    )


def test_emulate_command_ended_by_a_signal_gives_128_and_its_number():
    """As a shell does."""
    program = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert main(["emulate", "--", sys.executable, "-c", program]) == 128 + signal.SIGTERM


def test_emulate_without_command_says_how(capsys):
    """A forgotten command."""
    assert main(["emulate", "--"]) == 2
    assert capsys.readouterr().err == (
        "qsession: There is no command to run. [QS113]\nTo fix: qsession emulate -- python my_program.py\n"
    )


def test_emulate_unknown_command_says_so(capsys):
    """A mistyped command."""
    assert main(["emulate", "--", "no-such-program-anywhere"]) == 2
    assert capsys.readouterr().err == (
        "qsession: The command cannot be found. [QS114]\n"
        "  no-such-program-anywhere\n"
        "To fix: give its whole path, or run it with python: qsession emulate -- python my_program.py\n"
    )


def test_serve_prints_where_it_listens_and_stops_when_told():
    """A server that a script can start and stop."""
    command = [sys.executable, "-m", "qsession.cli", "serve", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        told = json.loads(server.stdout.readline())
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
    assert told["url"].startswith("http://127.0.0.1:")
    assert told["environment"]["IAM_URL"].startswith(told["url"])

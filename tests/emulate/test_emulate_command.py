"""``qsession emulate`` and ``qsession serve`` as processes: files, signals, logs, refusals."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from qsession._child._led import ignored_by
from qsession.cli import main
from qsession.cli._command import Relay

PYTHON = sys.executable


def qsession(*arguments: str, folder: Path, **more: object) -> subprocess.Popen[str]:
    """The command, with a folder of its own for temporary files."""
    return subprocess.Popen(
        [PYTHON, "-m", "qsession.cli", *arguments],
        env=os.environ | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_command_finds_everything_and_nothing_is_left(tmp_path: Path) -> None:
    """Two files with certificates for as long as it runs, no key among them, and none after."""
    program = (
        "import os, pathlib\n"
        "folder = pathlib.Path(os.environ['REQUESTS_CA_BUNDLE']).parent\n"
        "for path in sorted(folder.iterdir()): print(path.name, 'PRIVATE KEY' in path.read_text())\n"
        "print(os.environ['QISKIT_IBM_URL'], os.environ['IAM_URL'], os.environ['QISKIT_IBM_QPU'])\n"
    )
    with qsession("emulate", "--", PYTHON, "-c", program, folder=tmp_path) as running:
        out, err = running.communicate(timeout=60)
    assert err == ""
    assert out == (
        "emulator.pem False\neverybody.pem False\nhttp://qsession.invalid http://iam.qsession.invalid ibm_fez\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_is_handed_on_and_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    """The command ends as it likes; its status is the status."""
    program = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    with qsession("emulate", "--", PYTHON, "-c", program, folder=tmp_path) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.wait(60) == 7
    assert list(tmp_path.iterdir()) == []


def test_interrupt_from_the_terminal_is_the_commands_own_affair(tmp_path: Path) -> None:
    """It reaches both; the command may go on, and its status is the status."""
    program = (
        "import sys, time\n"
        "try: print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: sys.exit(3)\n"
    )
    with qsession("emulate", "--", PYTHON, "-c", program, folder=tmp_path, start_new_session=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(60) == 3
    assert list(tmp_path.iterdir()) == []


def test_signal_before_the_command_began_leaves_nothing(tmp_path: Path) -> None:
    """The emulator takes a second or two to come up."""
    with qsession("emulate", "--", PYTHON, "-c", "print('began')", folder=tmp_path) as running:
        begun = threading.Event()
        until = time.monotonic() + 30
        # Before its own folder Python tries the place with a file of a moment.
        while not list(tmp_path.glob("qsession-*")) and time.monotonic() < until:
            begun.wait(0.01)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (128 + signal.SIGTERM, "", "")
    assert list(tmp_path.iterdir()) == []


def test_signal_while_the_command_begins_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a child already that nobody knows of yet."""
    real = subprocess.Popen

    def popen(*arguments: object, **more: object) -> subprocess.Popen[bytes]:
        child = real(*arguments, **more)
        os.kill(os.getpid(), signal.SIGTERM)
        return child

    monkeypatch.setattr(subprocess, "Popen", popen)
    relay = Relay()
    with relay.listening():
        assert relay.run([PYTHON, "-c", "import time; time.sleep(60)"], os.environ) == 128 + signal.SIGTERM


def test_tls_uses_ibms_own_urls(capfd: pytest.CaptureFixture[str]) -> None:
    """As a program without an environment would."""
    program = (
        "import os, requests\n"
        "print(os.environ['QISKIT_IBM_URL'], os.environ['IAM_URL'])\n"
        "print(requests.get('https://quantum.cloud.ibm.com/api/v1/versions').status_code)\n"
    )
    assert main(["emulate", "--tls", "--", PYTHON, "-c", program]) == 0
    assert capfd.readouterr().out == "https://cloud.ibm.com https://iam.cloud.ibm.com\n200\n"


def test_log_has_a_line_for_each_request(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In words to standard error, or as JSON into a file, to which it is added."""
    program = (
        "import urllib.request; urllib.request.urlopen('http://quantum.qsession.invalid/api/v1/versions')"
    )
    assert main(["emulate", "--log", "-", "--", PYTHON, "-c", program]) == 0
    assert re.fullmatch(r"\S+Z GET /versions 200 \d+\.\dms\n", capfd.readouterr().err)
    log = tmp_path / "log.jsonl"
    log.write_text("kept\n")
    assert main(["emulate", "--json", "--log", str(log), "--", PYTHON, "-c", program]) == 0
    kept, line = log.read_text().splitlines()
    assert (kept, json.loads(line)["call"]) == ("kept", "versions.list")


def test_log_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything runs."""
    missing = tmp_path / "no" / "log"
    assert main(["emulate", "--log", str(missing), "--", PYTHON, "-c", "print('ran')"]) == 2
    assert capsys.readouterr() == (
        "",
        "qsession: The request log cannot be written. [QS151]\n"
        f"  [Errno 2] No such file or directory: '{missing}'\n"
        "To fix: --log - writes it to standard error\n",
    )


def test_json_without_a_log_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """There would be nothing to write."""
    assert main(["emulate", "--json", "--", PYTHON]) == 2
    assert capsys.readouterr().err == (
        "qsession: There is no request log to write as JSON. [QS155]\n"
        "To fix: qsession emulate --log requests.jsonl --json -- python my_program.py\n"
    )


def test_named_instance_is_the_accounts_only_one(capfd: pytest.CaptureFixture[str]) -> None:
    """For a program that has its own CRN, or the name of its instance, in its code."""
    crn = "crn:v1:bluemix:public:quantum-computing:eu-de:a/00000000000000000000000000000001:fake::"
    program = "import os; print(os.environ['QISKIT_IBM_INSTANCE'])"
    assert main(["emulate", "--instance", crn, "--", PYTHON, "-c", program]) == 0
    assert capfd.readouterr().out == crn + "\n"
    named = (
        "from qiskit_ibm_runtime import QiskitRuntimeService\n"
        "service = QiskitRuntimeService(token='own', instance='my-instance')\n"
        "print([each['name'] for each in service.instances()], service.backend('ibm_fez').name)\n"
    )
    assert main(["emulate", "--instance", "my-instance", "--", PYTHON, "-W", "ignore", "-c", named]) == 0
    assert capfd.readouterr().out == "['my-instance'] ibm_fez\n"


def test_instance_that_is_no_crn_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A cut one has no region."""
    assert main(["emulate", "--instance", "crn:v1:bluemix", "--", PYTHON]) == 2
    assert capsys.readouterr().err == (
        "qsession: The instance is no CRN: it has no region. [QS154]\n"
        "  fields: 3, and the sixth is the region\n"
        "To fix: --instance crn:v1:bluemix:public:quantum-computing:us-east:a/ACCOUNT:INSTANCE::\n"
    )


def test_python_that_is_told_to_ignore_the_hook_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It would go to IBM without a word."""
    assert main(["emulate", "--", PYTHON, "-I", "program.py"]) == 2
    assert capsys.readouterr().err == (
        "qsession: The command tells Python to ignore what would lead it to the emulator. [QS152]\n"
        "  option: -I\n"
        "  It could reach IBM's own hosts, with a key of yours.\n"
        "To fix: leave -I out\n"
    )


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ([PYTHON, "program.py", "-I"], None),
        ([PYTHON, "-c", "-I"], None),
        ([PYTHON, "-m", "pytest", "-E"], None),
        ([PYTHON, "-W", "ignore", "-X", "dev", "-bb", "x.py"], None),
        ([PYTHON, "-Wignore", "-I", "x.py"], "-I"),
        ([PYTHON, "-X", "dev", "-BE", "x.py"], "-E"),
        ([PYTHON, "-S"], "-S"),
        ([PYTHON, "--help-all", "-", "-I"], None),
        (["env", PYTHON, "-I"], "-I"),
        (["env", "A=1", "B=2", "python3.11", "-I"], "-I"),
        (["env", "A=1"], None),
        (["sh", "-E"], None),
        (["no-such-program-anywhere", "-I"], None),
    ],
)
def test_option_that_keeps_the_hook_out_is_found(command: list[str], option: str | None) -> None:
    """Python's own options end where the program begins."""
    assert ignored_by(command) == option


def test_first_line_of_a_script_is_read(tmp_path: Path) -> None:
    """A script names its Python, and how it wants it."""
    script = tmp_path / "script"
    for first, option in (
        (f"#!{PYTHON} -Es", "-E"),
        (f"#!{PYTHON}", None),
        ("#!/bin/sh -E", None),
        ("", None),
    ):
        script.write_text(first + "\nprint('x')\n")
        script.chmod(0o755)
        assert ignored_by([str(script), "-I"]) == option


def test_serve_over_tls_writes_whom_to_trust(tmp_path: Path) -> None:
    """And says so among what a client needs."""
    trusted = tmp_path / "ca.pem"
    with qsession("serve", "--tls", "--ca", str(trusted), "--json", "--log", "-", folder=tmp_path) as running:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        context = ssl.create_default_context(cafile=str(trusted))
        request = urllib.request.Request(
            told["url"] + "/api/v1/versions", headers={"ibm-api-version": "2026-04-15"}
        )
        with urllib.request.urlopen(request, context=context) as answer:
            assert answer.status == 200
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    assert told["url"].startswith("https://127.0.0.1:")
    assert told["environment"]["REQUESTS_CA_BUNDLE"] == str(trusted)
    assert json.loads(err)["call"] == "versions.list"
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]


@pytest.mark.parametrize("given", [["--tls"], ["--ca", "x.pem"]])
def test_serve_needs_both_tls_and_a_file(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody would trust it otherwise; and Ctrl-C is whose it was."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["serve", *given]) == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert capsys.readouterr().err == (
        "qsession: There is nowhere to write the certificate that clients must trust. [QS153]\n"
        "  --tls and --ca FILE go together: a client must be told whom to trust.\n"
        "To fix: qsession serve --tls --ca emulator.pem\n"
    )


def test_configuration_is_read_by_the_emulator(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By name or file, strict, with the key of this run; the seed only where one is given."""
    from qsession.emulator import Emulator

    asked: list[tuple[object, ...]] = []

    def from_config(source: str, *, strict: bool, api_key: str | None, seed: int | None) -> Emulator:
        asked.append((source, strict, seed))
        return Emulator(backends=("ibm_torino",), strict=strict, api_key=api_key)

    monkeypatch.setattr(Emulator, "from_config", staticmethod(from_config), raising=False)
    program = "import os; print(os.environ['QISKIT_IBM_QPU'])"
    assert main(["emulate", "--config", "ibm-suite", "--", PYTHON, "-c", program]) == 0
    assert main(["emulate", "--config", "ibm-suite", "--seed", "3", "--", PYTHON, "-c", program]) == 0
    assert capfd.readouterr().out == "ibm_torino\nibm_torino\n"
    assert asked == [("ibm-suite", True, None), ("ibm-suite", True, 3)]

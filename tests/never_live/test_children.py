"""Child processes of a replay keep off the network too."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest
from qiskit_ibm_runtime.accounts import AccountManager, management

import qsession
from qsession.errors import ReplayMismatch

_NOTED = (
    "A child process of the test was kept off the network. Nothing was sent. [QS317]\n"
    "  {command} asked for {host}\n"
    "  a recording answers the test's own process only\n"
    "To fix: make the requests in the test's own process\n"
    "If this is intended: record and test the command by itself: qsession replay {cassette} -- COMMAND\n"
    "Where: {cassette}"
)
_REFUSED = "OSError: qsession: {host} is not reached from a child process of a replay or of the emulator\n"


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    path = tmp_path / "nothing.yaml"
    with qsession.record(path, target="emulator"):
        pass
    return path


def child(program: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60, **options
    )


def look_up(host: str, answers: multiprocessing.SimpleQueue[str]) -> None:
    try:
        answers.put(str(socket.getaddrinfo(host, 443)))
    except OSError as refused:
        answers.put(str(refused))


@pytest.mark.parametrize("host", ["quantum.cloud.ibm.com", "example.com"])
def test_child_of_a_replay_reaches_nobody(cassette: Path, host: str) -> None:
    """Neither the service nor anybody else."""
    with pytest.raises(ReplayMismatch) as noted, qsession.replay(cassette):
        done = child(f"import socket; socket.create_connection(('{host}', 443))")
    command = Path(sys.executable).name + " -c"
    assert str(noted.value) == _NOTED.format(command=command, host=host, cassette=cassette)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(_REFUSED.format(host=host))


def test_grandchild_and_python_without_our_packages_reach_nobody(cassette: Path) -> None:
    """A child hands it on, and one that cannot import qsession loads the guard all the same."""
    inner = "import socket; socket.getaddrinfo('iam.cloud.ibm.com', 443)"
    outer = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-S', '-c', {inner!r}]).returncode)"
    isolated = f"import site; site.main(); {inner}"
    with pytest.raises(ReplayMismatch, match="QS317"), qsession.replay(cassette):
        done = child(outer.replace("'-S', ", ""))
        bare = subprocess.run(
            [sys.executable, "-S", "-c", isolated], capture_output=True, text=True, check=False, timeout=60
        )
    assert (done.returncode, bare.returncode) == (1, 1)
    assert done.stderr.endswith(_REFUSED.format(host="iam.cloud.ibm.com"))
    assert bare.stderr.endswith(_REFUSED.format(host="iam.cloud.ibm.com"))


def test_spawned_process_reaches_nobody(cassette: Path) -> None:
    """multiprocessing starts children of its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    with pytest.raises(ReplayMismatch, match="QS317"), qsession.replay(cassette):
        process = context.Process(target=look_up, args=("quantum.cloud.ibm.com", answers))
        process.start()
        process.join(60)
    assert answers.get() == _REFUSED.format(host="quantum.cloud.ibm.com").removeprefix("OSError: ").rstrip()


def test_child_may_reach_this_machine_and_allowed_hosts(cassette: Path) -> None:
    """What the replay itself may do."""
    program = "import socket; socket.getaddrinfo('localhost', 80); socket.getaddrinfo('files.invalid', 80)"
    with qsession.replay(cassette, allowed_hosts=["files.invalid"]):
        done = child(program)
    assert "is not reached" not in done.stderr
    assert "gaierror" in done.stderr


def test_proxy_of_the_environment_is_no_way_out(cassette: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy on this machine would carry a request anywhere."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    before = dict(os.environ)
    with pytest.raises(ReplayMismatch, match="past the client"), qsession.replay(cassette):
        urllib.request.urlopen("https://quantum.cloud.ibm.com/")
    assert dict(os.environ) == before


_SHOWN = """
import os, json
names = ["QISKIT_IBM_TOKEN", "QISKIT_IBM_URL", "IAM_URL", "GLOBAL_SEARCH_URL", "GLOBAL_CATALOG_URL",
         "RESOURCE_CONTROLLER_URL", "https_proxy"]
print(json.dumps({name: os.environ.get(name) for name in names}))
"""


@pytest.mark.parametrize("how", [subprocess.run, os.system])
def test_environment_of_a_child_opens_nothing(
    cassette: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], how: object
) -> None:
    """A key that opens nothing and addresses that nobody has, in whatever language it is written."""
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "a-planted-key-of-the-user")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    script = cassette.with_name("shown.py")
    script.write_text(_SHOWN)
    with qsession.replay(cassette):
        if how is os.system:
            os.system(f"{sys.executable} -I {script}")
        else:
            subprocess.run([sys.executable, "-I", script], check=True, timeout=60)
    shown = json.loads(capfd.readouterr().out)
    assert shown.pop("https_proxy") is None
    assert "planted" not in str(shown)
    assert all(".invalid" in address for name, address in shown.items() if name != "QISKIT_IBM_TOKEN")
    assert os.environ["QISKIT_IBM_TOKEN"] == "a-planted-key-of-the-user"


_ACCOUNTS = """
import os
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.accounts import AccountManager, AccountNotFoundError
print(QiskitRuntimeService.saved_accounts(), os.environ["HOME"])
try:
    QiskitRuntimeService(name="mine")
except AccountNotFoundError as missing:
    print(missing)
QiskitRuntimeService.save_account(token="a-planted-key-of-the-child", name="other")
print(AccountManager.get(name="other").token, AccountManager.get(filename=own, name="mine").token)
"""


def test_child_finds_an_empty_account_file_and_the_users_is_as_it_was(
    cassette: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account is opened by name in the test's own process only; what a child saves goes with the run."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    saved = tmp_path / ".qiskit" / "qiskit-ibm.json"
    monkeypatch.setattr(management, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(saved))
    AccountManager.save(token="a-planted-key-of-the-user", name="mine")
    before = saved.read_bytes(), saved.stat().st_mtime_ns
    with qsession.replay(cassette):
        done = child(f"own = {str(saved)!r}" + _ACCOUNTS)
        (folder,) = (tmp_path / "temporary").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert AccountManager.get(name="mine").token == "a-planted-key-of-the-user"
    assert done.stderr == ""
    assert done.stdout == (
        f"{{}} {tmp_path}\n"
        "'Account with the name mine does not exist on disk.'\n"
        "a-planted-key-of-the-child a-planted-key-of-the-user\n"
    )
    assert (saved.read_bytes(), saved.stat().st_mtime_ns) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_account_of_the_environment_is_the_users_in_the_test_itself(
    cassette: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is only meant for children changes nothing that the client says of its account."""
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "a-planted-key-of-the-user")
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", "my-instance")
    with qsession.replay(cassette, allow_unused=True) as run:
        account = AccountManager.get()
        monkeypatch.setenv("QISKIT_IBM_TOKEN", "one-that-the-test-sets")
        assert AccountManager.get().token == "one-that-the-test-sets"
        assert run.live_requests == 0
    assert (account.token, account.url) == ("a-planted-key-of-the-user", "https://cloud.ibm.com")


def test_port_of_another_program_is_refused_and_those_of_the_tree_are_not(cassette: Path) -> None:
    """Somebody else's may be a proxy; a child's and this process's lead nowhere."""
    serve = "import http.server as s, os; h = s.HTTPServer(('127.0.0.1', 0), s.SimpleHTTPRequestHandler);"
    serve += "print(h.server_address[1], os.getpid(), flush=True); h.serve_forever()"
    # Its parent ends at once: it belongs to nobody of this tree.
    apart = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {serve!r}])"
    other = subprocess.Popen([sys.executable, "-c", apart], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    foreign, process = map(int, other.stdout.readline().split())
    other.stdout.close()
    other.wait()
    with pytest.raises(ReplayMismatch) as refused, qsession.replay(cassette):
        mine = subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, text=True)
        assert mine.stdout is not None
        with socket.create_connection(("127.0.0.1", int(mine.stdout.readline().split()[0])), timeout=20):
            pass
        mine.stdout.close()
        mine.kill()
        mine.wait()
        with socket.create_server(("127.0.0.1", 0)) as own:
            socket.create_connection(own.getsockname(), timeout=20).close()
        with socket.socket() as plain, contextlib.suppress(ReplayMismatch):
            plain.connect(("localhost", foreign))
    try:
        assert str(refused.value) == (
            "A connection to another program of this machine was refused: it could lead to the network. [QS316]\n"
            f"  to {refused.value.evidence[0].split()[1].rstrip(',')}, where no process of this test run listens\n"
            "To fix: start the server in the test, or as its child process\n"
            f"If this is intended: name localhost:{foreign} in the ini option qsession_allowed_hosts\n"
            f"Where: {cassette}"
        )
        with qsession.replay(cassette, allowed_hosts=[f"localhost:{foreign}"]):
            socket.create_connection(("127.0.0.1", foreign), timeout=20).close()
    finally:
        os.kill(process, signal.SIGKILL)

"""Child processes of a replay keep off the network too."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import qsession
from qsession.errors import ReplayMismatch

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
    with qsession.replay(cassette):
        done = child(f"import socket; socket.create_connection(('{host}', 443))")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(_REFUSED.format(host=host))


def test_grandchild_and_python_without_our_packages_reach_nobody(cassette: Path) -> None:
    """A child hands it on, and one that cannot import qsession loads the guard all the same."""
    inner = "import socket; socket.getaddrinfo('iam.cloud.ibm.com', 443)"
    outer = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-S', '-c', {inner!r}]).returncode)"
    isolated = f"import site; site.main(); {inner}"
    with qsession.replay(cassette):
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
    with qsession.replay(cassette):
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

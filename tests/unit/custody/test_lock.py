"""One process at a time records a cassette."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import qsession
from qsession._lock import Lock
from qsession.errors import CassetteError

HOLDER = """
import os, sys
from pathlib import Path
from qsession._lock import Lock
lock = Lock(Path(sys.argv[1]), Path(sys.argv[2]))
lock.take()
print(os.getpid(), flush=True)
sys.stdin.read()
"""

FORKS = """
import os, sys, time
from pathlib import Path
from qsession._lock import Lock
lock = Lock(Path(sys.argv[1]), Path(sys.argv[2]))
lock.take()
if os.fork() == 0:
    os.close(1)
    sys.stdin.read()
    os._exit(0)
print(os.getpid(), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that records ``a.yaml``."""
    process = _start(HOLDER, tmp_path)
    yield process
    process.kill()
    process.communicate()


def _start(code, folder):
    command = [sys.executable, "-c", code, str(folder / ".qsession" / "locks"), str(folder / "a.yaml")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.number = int(process.stdout.readline())
    return process


def test_second_process_is_refused_before_anything_is_sent(tmp_path, monkeypatch, holder):
    """Two recordings at once would each replace the other's."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CassetteError) as caught, qsession.record("a.yaml", target="emulator"):
        pass
    assert str(caught.value) == (
        "Another process is recording this cassette. Nothing was sent. [QS219]\n"
        f"  process {holder.number} holds it\n"
        "To fix: let it end, or end it; its lock goes with it\n"
        "If this is intended: two tests that are to be recorded at once need a cassette each\n"
        f"Where: {tmp_path / 'a.yaml'}"
    )
    with qsession.record("b.yaml", target="emulator"):
        pass


def test_lock_of_a_dead_process_holds_nobody_up(tmp_path, monkeypatch, holder):
    """A kill leaves the file, not the lock."""
    monkeypatch.chdir(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert list(tmp_path.glob(".qsession/locks/*.lock"))
    with qsession.record("a.yaml", target="emulator"):
        pass
    assert (tmp_path / "a.yaml").exists()


def test_forked_child_does_not_keep_the_lock(tmp_path):
    """Its parent was killed; the child, which records nothing, lives on."""
    process = _start(FORKS, tmp_path)
    process.wait()
    try:
        lock = Lock(tmp_path / ".qsession" / "locks", tmp_path / "a.yaml")
        lock.take()
        lock.drop()
    finally:
        process.stdin.close()
        process.stdout.close()


def test_lock_leaves_nothing_behind(tmp_path, monkeypatch):
    """Neither after a recording nor after a failed one."""
    monkeypatch.chdir(tmp_path)
    with qsession.record("a.yaml", target="emulator"):
        assert list(tmp_path.glob(".qsession/locks/*.lock"))
    with pytest.raises(ZeroDivisionError), qsession.record("a.yaml", target="emulator"):
        raise ZeroDivisionError
    assert not list(tmp_path.glob(".qsession/locks/*.lock"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_no_reason_not_to_record(tmp_path, monkeypatch):
    """A lock is a help, not a condition."""
    scratch = tmp_path / ".qsession"
    scratch.mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path)
    with qsession.record("a.yaml", target="emulator"):
        pass


def test_folder_that_is_a_file_is_no_reason_not_to_record(tmp_path, monkeypatch):
    """The same, for whom root's rights do not help."""
    (tmp_path / ".qsession").write_text("")
    monkeypatch.chdir(tmp_path)
    with qsession.record("a.yaml", target="emulator"):
        pass
    assert (tmp_path / "a.yaml").exists()

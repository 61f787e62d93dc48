"""Notes on disk, the pipe, and what the watcher does with them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from money_fakes import BASE, FakeClock, FakeService, runtime

from qsession._model import SECOND, Request
from qsession._money import OpenNote, _notes, forget, leftovers
from qsession._money._access import Access, Target
from qsession._money._pace import Pace
from qsession._money._pipe import State, decode, encode
from qsession._money._reaper import reap
from qsession._money._watcher import Watcher
from qsession.errors import BudgetError


def note(session: str = "session-1", *, pid: int | None = None, born: str | None = None) -> OpenNote:
    own = os.getpid() if pid is None else pid
    return OpenNote(session, "batch", "ibm_fez", BASE, 7, own, _notes.born(own) if born is None else born)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _notes.prepare(tmp_path)
    return tmp_path


def finished_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_leftovers_of_a_dead_process_are_returned(folder: Path) -> None:
    """What its process can no longer close is left for the doctor."""
    left = note("left", pid=finished_process())
    _notes.add(folder, left)
    _notes.add(folder, note("mine"))
    assert leftovers(folder) == (left,)


def test_leftovers_of_an_earlier_process_with_the_same_number_are_returned(folder: Path) -> None:
    """A process number that was given out again does not hide an open session."""
    _notes.add(folder, note(born="1"))
    assert leftovers(folder) == (note(born="1"),)


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells the difference")
def test_leftovers_of_a_process_that_nobody_collected_are_returned(folder: Path) -> None:
    """A dead process that still has a number is dead."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left = note(pid=child.pid)
    _notes.add(folder, left)
    assert leftovers(folder) == ()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert leftovers(folder) == (left,)
    child.communicate()


def test_leftovers_without_a_folder_are_none(tmp_path: Path) -> None:
    """Asking writes nothing."""
    assert leftovers(tmp_path / "missing") == ()
    assert list(tmp_path.iterdir()) == []


def test_forget_drops_one_note_and_may_be_repeated(folder: Path) -> None:
    """Watcher and doctor may both come to the same note."""
    _notes.add(folder, note("a"))
    _notes.add(folder, note("b"))
    forget(folder, "a")
    forget(folder, "a")
    assert _notes.read(folder) == (note("b"),)


def test_note_that_is_damaged_is_an_error(folder: Path) -> None:
    """A session that may be open is not passed over in silence."""
    path = folder / "open" / "session-9.json"
    path.write_text('{"id": 9}')
    with pytest.raises(BudgetError) as caught:
        leftovers(folder)
    assert str(caught.value) == (
        "The note of a session that may still be open cannot be read. [QS607]\n"
        "  the file's name without .json is the session's id: session-9.json\n"
        f"To fix: cancel that session on the service's workloads page, then delete {path}\n"
        f"Where: {path}"
    )


@given(session=st.text(min_size=1))
def test_note_of_any_id_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, session: str) -> None:
    """An id that no file could be called after is kept all the same."""
    folder = tmp_path_factory.mktemp("notes")
    _notes.prepare(folder)
    try:
        session.encode()
    except UnicodeEncodeError:
        return
    _notes.add(folder, note(session))
    assert _notes.read(folder) == (note(session),)
    forget(folder, session)
    assert _notes.read(folder) == ()


def test_prepare_keeps_a_gitignore_of_the_user(tmp_path: Path) -> None:
    """What somebody changed stays."""
    (tmp_path / ".gitignore").write_text("!journal\n")
    _notes.prepare(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "!journal\n"


@given(st.lists(st.tuples(st.text(), st.text(), st.binary()), max_size=3))
def test_line_of_the_pipe_comes_back_as_it_was(parts: list[tuple[str, str, bytes]]) -> None:
    """What is told is one line, whatever is in it."""
    targets = [
        Target(a, b, Access({"authorization": a}, Request("POST", b, {"accept": b}, body)))
        for a, b, body in parts
    ]
    state = State(Path("folder"), tuple(targets))
    line = encode(state)
    assert line.count(b"\n") == 1
    assert decode(line) == state


def open_state(folder: Path, service: FakeService) -> State:
    service.sessions["session-1"] = {"id": "session-1", "state": "open"}
    _notes.add(folder, note())
    return State(folder, (Target("session-1", BASE, Access(runtime("GET", "/x").headers)),))


def test_reap_cancels_and_forgets(folder: Path) -> None:
    """A session that was closed leaves no note behind."""
    service, clock = FakeService(), FakeClock()
    assert reap(open_state(folder, service), service, clock) == ()
    assert service.sessions["session-1"]["state"] == "closed"
    assert _notes.read(folder) == ()
    assert clock.waits == []


def test_reap_tries_for_a_minute_and_keeps_the_note(folder: Path) -> None:
    """What cannot be closed stays noted for the doctor."""
    service, clock = FakeService(), FakeClock()
    state = open_state(folder, service)
    service.broken["DELETE /sessions/session-1/close"] = 503
    assert reap(state, service, clock) == ("session-1",)
    assert [wait // SECOND for wait in clock.waits] == [1, 2, 4, 8, 8, 8, 8, 8, 8]
    assert _notes.read(folder) == (note(),)


def test_reap_renews_an_expired_token(folder: Path) -> None:
    """Hours of queue may lie between the last token and the death."""
    service = FakeService()
    state = open_state(folder, service)
    service.tokens.clear()
    grant = Request("POST", "https://iam.cloud.ibm.com/identity/token")
    targets = tuple(replace(t, access=replace(t.access, grant=grant)) for t in state.targets)
    assert reap(replace(state, targets=targets), service, FakeClock()) == ()


def test_reap_goes_on_where_a_note_cannot_be_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next session matters more than the file of this one."""

    def forget(_folder: Path, _session: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_notes, "forget", forget)
    service = FakeService()
    state = open_state(folder, service)
    service.sessions["session-2"] = {"id": "session-2", "state": "open"}
    second = replace(state.targets[0], id="session-2")
    assert reap(replace(state, targets=(*state.targets, second)), service, FakeClock()) == ()
    assert {session["state"] for session in service.sessions.values()} == {"closed"}


def test_watcher_that_does_not_come_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the watcher no session is opened."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(BudgetError) as caught:
        Watcher().start()
    assert str(caught.value) == (
        "The process that cancels sessions when this one is killed does not run, so none is left open. "
        "[QS605]\n"
        "  /nowhere/python: No such file or directory\n"
        "To fix: python -c 'import qsession, requests'"
    )


def test_watcher_that_breaks_at_its_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The last line of its traceback is the evidence."""
    (tmp_path / "requests.py").write_text("raise ImportError('planted')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BudgetError) as caught:
        Watcher().start()
    assert caught.value.evidence == ("ImportError: planted",)


def test_watcher_that_was_killed_is_started_again(tmp_path: Path) -> None:
    """Whoever kills the watcher does not take the net away."""
    watcher = Watcher()
    watcher.start()
    assert watcher.pid is not None
    first = watcher.pid
    os.kill(first, 9)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    watcher.tell(State(tmp_path))
    assert watcher.pid != first
    watcher.leave()


def test_pace_lets_no_six_fall_into_one_minute() -> None:
    """However they come, the sixth after any submission is a minute later."""
    pace, given_out = Pace(), []
    for now in (0, 0, 1, 2, 2, 3, 3, 70, 70, 70, 200):
        given_out.append(pace.claim(now * SECOND))
    gaps = [late - early for early, late in zip(given_out, given_out[5:], strict=False)]
    assert min(gaps) >= 60 * SECOND

"""The purse by itself: turns, moments, what is on disk, and what is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from money_fakes import CRN, START, TOKEN, Recorder, runtime

from qsession import _lock
from qsession._lock import Turn
from qsession._model import SECOND
from qsession._money import Purse, _shares
from qsession._money._ledger import Job, Ledger, Session
from qsession._money._lives import Life, this_life
from qsession._money._pace import Claim, Pace, first_free, in_force
from qsession.errors import BudgetError

MINUTE = 61 * SECOND  # with the margin


def joined(folder: Path) -> Purse:
    return Purse(folder, name=Purse(folder).share(), pace=Pace())


def dead() -> Life:
    child = subprocess.Popen([sys.executable, "-c", ""])
    life = replace(this_life(), pid=child.pid)
    child.wait()
    return life


# Moments.


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40))
def test_moments_are_as_early_as_may_be_and_no_six_in_a_minute(asked: list[int]) -> None:
    """Whoever asks when, in whatever order: five a minute, and no moment is given away for nothing."""
    pace = Pace()
    given_out = sorted(pace.claim(moment * SECOND) for moment in sorted(asked))
    gaps = [late - early for early, late in zip(given_out, given_out[5:], strict=False)]
    assert all(gap >= MINUTE for gap in gaps)
    assert given_out[-1] <= max(asked) * SECOND + (len(asked) // 5) * MINUTE


def test_moment_that_a_dead_process_did_not_live_to_use_is_free() -> None:
    """Five of the living were submitted; five of the dead wait for nobody."""
    past = [Claim(START, START, number, this_life()) for number in range(5)]
    future = [Claim(START + MINUTE, START, number, dead()) for number in range(5)]
    claims = in_force([*past, *future], START + SECOND)
    assert claims == tuple(past)
    assert first_free(claims, START + SECOND) == START + MINUTE


def test_moment_that_a_dead_process_used_counts() -> None:
    """The service has seen that submission."""
    past = tuple(Claim(START, START, number, dead()) for number in range(5))
    assert in_force(past, START + SECOND) == past


def test_moment_of_a_process_elsewhere_counts() -> None:
    """The number of a process in another container says nothing here."""
    far = replace(dead(), place="elsewhere")
    claim = Claim(START + MINUTE, START, 1, far)
    assert in_force([claim], START) == (claim,)


def test_clock_that_was_set_back_keeps_nobody_waiting_for_hours() -> None:
    """What was given out an hour from now counts as given out now."""
    later = [Claim(START + 3600 * SECOND, START + 3600 * SECOND, number) for number in range(5)]
    assert first_free(in_force(later, START), START) == START + MINUTE


def test_clock_read_a_little_earlier_by_another_process_moves_no_moment() -> None:
    """Whoever reads the clock first need not come to its turn first."""
    claims = [Claim(START + MINUTE, START + SECOND, number) for number in range(5)]
    assert first_free(in_force(claims, START), START) == START
    assert in_force(claims, START) == tuple(claims)


@pytest.mark.parametrize("written", ["", "{", "[]", "[7]", '[{"moment": "soon"}]', "null", '{"a": 1}'])
def test_moments_that_cannot_be_read_are_begun_anew(tmp_path: Path, written: str) -> None:
    """The service may answer 429 once; nothing else comes of it."""
    (tmp_path / "purse").mkdir()
    (tmp_path / "purse" / "pace.json").write_text(written)
    assert Purse(tmp_path, pace=Pace()).claim(START) == START
    assert len(json.loads((tmp_path / "purse" / "pace.json").read_text())) == 1


def test_moments_hold_for_the_next_process_in_the_folder(tmp_path: Path) -> None:
    """A run that begins right after another has ended waits for its turn."""
    before = [asdict(Claim(START, START, number, dead())) for number in range(5)]
    (tmp_path / "purse").mkdir()
    (tmp_path / "purse" / "pace.json").write_text(json.dumps(before))
    assert Purse(tmp_path, pace=Pace()).claim(START + SECOND) == START + MINUTE


# Turns.


def test_turn_is_one_threads_at_a_time_and_may_be_taken_again(tmp_path: Path) -> None:
    """Many threads, many turns: never two at once, and nobody waits for himself."""
    turn, inside, most = Turn(tmp_path / "turn"), [], []

    def work() -> None:
        for _ in range(50):
            with turn, turn:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 200


def test_turn_ends_with_the_process_that_has_it(tmp_path: Path) -> None:
    """Whoever is killed in its turn holds nobody up."""
    script = (
        "import os, sys; from pathlib import Path; from qsession._lock import Turn\n"
        "with Turn(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "turn")], **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in\n"
        waiting = threading.Thread(target=Turn(tmp_path / "turn").__enter__, daemon=True)
        waiting.start()
        child.kill()
        waiting.join(60.0)
        assert not waiting.is_alive()


def test_turn_at_a_file_that_was_deleted_is_no_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited at the old file goes on to the new one, where the others wait."""
    path, waited, real = tmp_path / "turn", [], _lock._lock

    def wait(file: int, *, waits: bool) -> bool:
        taken = real(file, waits=waits)
        waited.append(file)
        if len(waited) == 1:
            path.unlink()
        return taken

    monkeypatch.setattr(_lock, "_lock", wait)
    with Turn(path) as turn:
        assert os.path.samestat(os.fstat(turn._file), path.stat())
    assert len(waited) == 2


# Shares.


def test_share_comes_back_as_it_was(tmp_path: Path) -> None:
    """Whatever a ledger may hold."""
    session = Session("s", "batch", "ibm_fez", START, START + 1, own=False, began=True, closed=3, usage=2.5)
    job = Job("j", "ibm_fez", "s", START, START, cost=7, estimate=None, answered=False, finished=9, usage=0.0)
    ledger = Ledger().with_session(session).with_job(job)
    share = _shares.Share(
        this_life(), 3.25, (ledger, Ledger()), {"s": _shares.Place("https://x/api", "mark")}
    )
    _shares.write(tmp_path / "a" / "1.json", share)
    assert _shares.read(tmp_path / "a" / "1.json") == share
    assert _shares.read_all(tmp_path / "a", but=()) == {"1.json": share}
    assert _shares.read_all(tmp_path / "a", but=("1.json",)) == {}
    assert _shares.read_all(tmp_path / "none", but=()) == {}


def test_share_holds_no_secret_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Neither token nor instance nor account."""
    with Recorder(tmp_path, purse=joined(tmp_path)) as run:
        run.submit(run.open_session())
        (path,) = (tmp_path / "purse").glob("*/*.json")
        written = path.read_text()
        assert "session-1" in written
        assert not [secret for secret in (TOKEN, CRN, "plantedaccount0001") if secret in written]
        assert path.stat().st_mode & 0o077 == 0


def test_share_that_an_heir_took_over_is_not_counted_twice(tmp_path: Path) -> None:
    """Even where the heir died before it could delete the file."""
    dead_one = _shares.Share(dead(), 5.0)
    _shares.write(tmp_path / "1.json", dead_one)
    _shares.write(tmp_path / "2.json", _shares.Share(dead(), 5.0, taken=("1.json",)))
    assert list(_shares.read_all(tmp_path, but=())) == ["2.json"]


def test_heir_of_an_heir_counts_what_both_left_once(tmp_path: Path) -> None:
    """The first heir died before it could delete what it took over."""
    purse = joined(tmp_path)
    folder = tmp_path / "purse" / purse._name
    running = Ledger().with_session(Session("s", "dedicated", "ibm_fez", START, START, began=True))
    _shares.write(folder / "1.json", _shares.Share(dead(), 5.0, (running,)))
    _shares.write(folder / "2.json", _shares.Share(dead(), 7.0, (running,), taken=("1.json",)))
    with Recorder(tmp_path, purse=purse) as run:
        run.clock.advance(10.0)
        assert run.total() == 17.0
        run.guard.look()
        run.clock.advance(1.0)
        assert run.total() == 18.0
        (share,) = _shares.read_all(folder, but=()).values()
        assert (share.settled, share.taken, share.spent(START)) == (7.0, ("2.json", "1.json"), 7.0)


def test_heir_that_cannot_write_leaves_it_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What died stays where it is, and counts where it is; this worker stops."""
    purse = joined(tmp_path)
    path = tmp_path / "purse" / purse._name / "1.json"
    _shares.write(path, _shares.Share(dead(), 5.0, (Ledger(),)))

    def full(_path: Path, _share: _shares.Share) -> None:
        raise OSError(28, "No space left on device")

    with Recorder(tmp_path, purse=purse) as run:
        assert run.total() == 5.0
        with monkeypatch.context() as patched:
            patched.setattr(_shares, "write", full)
            run.guard.look()
        assert run.guard.exceeded is not None
        assert run.guard.exceeded.code == "QS630"
        assert (path.exists(), run.total()) == (True, 5.0)


def test_job_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    """Whoever reads it then counts it, whatever becomes of this process."""
    seen = []
    run = Recorder(tmp_path, purse=joined(tmp_path))
    real = run.service._runtime

    def look(request, path):
        (share,) = [_shares.read(each) for each in (tmp_path / "purse").glob("*/*.json")]
        seen.append(share.spent(START))
        return real(request, path)

    run.service._runtime = look
    with run:
        run.submit(cost=25)
    assert seen == [25.0]


def test_what_is_less_is_told_within_a_second(tmp_path: Path) -> None:
    """A refused job is not held against the others for long, and not each poll is written."""
    with Recorder(tmp_path, purse=joined(tmp_path)) as run:
        run.service.broken["POST /jobs"] = 400
        run.ask(runtime("POST", "/jobs", {"backend": "ibm_fez", "cost": 25}))
        (path,) = (tmp_path / "purse").glob("*/*.json")
        assert _shares.read(path).spent(START) == 25.0
        run.clock.advance(1.0)
        run.ask(runtime("GET", "/jobs/none"))
        assert _shares.read(path).spent(START) == 0.0


def written_by_another(folder: Path, purse: Purse, share: _shares.Share | str) -> Path:
    path = folder / "purse" / purse._name / "7-another.json"
    if isinstance(share, str):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(share)
    else:
        _shares.write(path, share)
    return path


def test_what_a_living_worker_spends_is_counted_to_the_moment(tmp_path: Path) -> None:
    """Its session runs on although it says nothing new."""
    purse = joined(tmp_path)
    running = Session("session-7", "dedicated", "ibm_fez", START, START, began=True)
    elsewhere = Life(7, "1", "elsewhere")
    ledger = Ledger().with_session(running)
    written_by_another(tmp_path, purse, _shares.Share(elsewhere, 5.0, (ledger,)))
    with Recorder(tmp_path, purse=purse) as run:
        run.submit(cost=1)
        run.clock.advance(20.0)
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 45.0 s",
            "1.0 s  job job-1 (ibm_fez): cost",
            "19.0 s  unfinished jobs on ibm_fez: wall clock beyond these estimates, "
            "not all waiting since 2026-01-01T00:00:00.000Z",
            "25.0 s  process 7: another worker",
        )
        run.guard.look()
        run.clock.advance(40.0)
        run.guard.look()
        assert run.guard.exceeded is not None
        assert run.guard.exceeded.what == (
            "This run may have used 66 s of QPU time, its budget is 60 s. Its sessions were cancelled."
        )


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[]",
        '{"life": {}}',
        '{"life": {"pid": 7, "born": "", "place": ""}, "settled": -3, "ledgers": [], "places": {}, "taken": []}',
        '{"life": {"pid": 7, "born": "", "place": ""}, "settled": 0, "places": {}, "taken": [], '
        '"ledgers": [{"sessions": [], "jobs": [{"id": 3}]}]}',
    ],
)
def test_share_that_is_damaged_lets_nothing_more_be_spent(tmp_path: Path, damaged: str) -> None:
    """It may hold more than was agreed to."""
    purse = joined(tmp_path)
    with Recorder(tmp_path, purse=purse) as run:
        path = written_by_another(tmp_path, purse, damaged)
        with pytest.raises(BudgetError) as caught:
            run.submit(cost=1)
        assert str(caught.value) == (
            "What another worker of this run may have spent cannot be read, so nothing more is spent. "
            "[QS631]\n"
            f"  7-another.json in {path.parent} is damaged\n"
            f"To fix: end this run of pytest, delete {path.parent}, and begin again\n"
            f"Where: {path}"
        )
        assert run.service.asked == []
        path.unlink()


def test_folder_that_cannot_be_used_refuses_the_job_of_a_worker(tmp_path: Path) -> None:
    """Without a purse nobody knows what the others submit; nothing stays reserved."""
    purse = joined(tmp_path)
    with Recorder(tmp_path, purse=purse) as run:
        shutil.rmtree(tmp_path / "purse")
        (tmp_path / "purse").write_text("a file in the way")
        with pytest.raises(BudgetError) as caught:
            run.submit(cost=1)
        assert str(caught.value) == (
            "What is submitted cannot be counted together with what other processes submit. "
            "Nothing was sent. [QS630]\n"
            f"  {tmp_path / 'purse'}: File exists\n"
            f"To fix: make {tmp_path / 'purse'} a folder that this user may write to"
        )
        assert (run.service.asked, run.spent()) == ([], 0.0)


def test_folder_that_cannot_be_used_keeps_a_run_alone_to_its_own_pace(tmp_path: Path) -> None:
    """Its budget is nobody else's, so it submits, five a minute."""
    (tmp_path / "purse").write_text("a file in the way")
    with Recorder(tmp_path, budget=600.0, purse=Purse(tmp_path, pace=Pace())) as run:
        for _ in range(6):
            run.submit(cost=1)
        assert run.clock.waits == [MINUTE]


def test_job_that_cannot_be_told_of_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no longer reserved, neither here nor where its session is counted."""
    purse = joined(tmp_path)
    with Recorder(tmp_path, purse=purse) as opener, Recorder(tmp_path, purse=purse, beside=opener) as run:
        session = opener.open_session()

        def full(_path: Path, _share: _shares.Share) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(_shares, "write", full)
            for place in (session, ""):
                with pytest.raises(BudgetError, match="QS630"):
                    run.submit(place, cost=30)
        assert "POST /jobs" not in run.service.asked
        assert run.total() == 0.0


def test_purse_of_one_process_writes_no_shares(tmp_path: Path) -> None:
    """Only when the next submission may go out is anybody else's business."""
    with Recorder(tmp_path, purse=Purse(tmp_path, pace=Pace())) as run:
        run.submit(cost=1)
    assert sorted(path.name for path in (tmp_path / "purse").iterdir()) == ["pace.json", "turn.lock"]


def test_purse_that_nobody_submits_from_writes_nothing(tmp_path: Path) -> None:
    """A run that only reads leaves no trace."""
    with Recorder(tmp_path, purse=Purse(tmp_path, pace=Pace())) as run:
        run.clock.advance(1.0)
        run.guard.look()
    assert not (tmp_path / "purse").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forked_child_has_a_share_of_its_own(tmp_path: Path) -> None:
    """It does not write into its parent's, nor count what its parent settled once more."""
    script = """
import os, sys
from pathlib import Path
from money_fakes import Recorder
from qsession._money import Purse
from qsession._money._pace import Pace
folder = Path(sys.argv[1])
purse = Purse(folder, name=Purse(folder).share(), pace=Pace())
with Recorder(folder, purse=purse) as first:
    first.submit(cost=20)
with Recorder(folder, purse=purse) as run:
    if os.fork() == 0:
        run.submit(cost=5)
        os._exit(0)
    os.wait()
    run.clock.advance(1.0)
    print(run.total(), sorted(share.settled for share in purse._others.values()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("25.0 [0.0]\n", "")


def test_pause_between_looks_ends_when_the_budget_does(tmp_path: Path) -> None:
    """With four sessions that run, what is left is gone in a quarter of the time."""
    purse = joined(tmp_path)
    sessions = [Session(f"s{n}", "dedicated", "ibm_fez", START, START, began=True) for n in range(3)]
    ledgers = tuple(Ledger().with_session(session) for session in sessions)
    written_by_another(tmp_path, purse, _shares.Share(Life(7, "1", "elsewhere"), 0.0, ledgers))
    with Recorder(tmp_path, purse=purse) as run:
        assert run.guard._pause() == 20.0
        run.run_job(run.submit(run.open_session()))
        run.guard.look()
        assert run.guard._pause() == 15.0
        run.clock.advance(15.0)
        assert run.guard._pause() == 0.05

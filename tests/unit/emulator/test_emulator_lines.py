"""Emulators that fork: what both know, what only one does, and what one takes over."""

from __future__ import annotations

import json
import threading

import pytest
from emulator_caller import T0, Caller, encoded

from qsession._model import SECOND
from qsession.emulator import Emulator, Instance, PastJob, _programs
from qsession.emulator._instances import fake_crn
from qsession.errors import UsageError

LIMITED = Instance(fake_crn(1), usage_limit_seconds=2)


@pytest.fixture
def simulated(monkeypatch) -> list[tuple[int, int]]:
    """The spans for which jobs were simulated."""
    spans, run = [], _programs.run

    def counted(work, seed, started, ended):
        spans.append((started, ended))
        return run(work, seed, started, ended)

    monkeypatch.setattr("qsession.emulator._programs.run", counted)
    return spans


def forked(caller: Caller, name: str) -> Caller:
    return Caller(caller.emulator._fork(name))


def plain_job(caller: Caller, *, at: float = 0.0, **more) -> str:
    """A job whose PUB is none: it fails when it has run, and nothing is simulated."""
    params = {"pubs": [["x"]], "version": 2}
    body = {"program_id": "sampler", "backend": "ibm_fez", "params": params, **more}
    return caller.json("POST", "/jobs", encoded(body), at=at)["id"]


def counts(caller: Caller, job: str, *, at: float = 1.0) -> object:
    return caller.result(job, at=at)[0].data.meas.get_counts()


def body(caller: Caller, path: str, *, at: float = 1.0) -> bytes:
    response = caller.send("GET", path, at=at)
    assert response.status == 200, response
    return response.body


def everything(caller: Caller, *, at: float) -> list[bytes]:
    """All that an account shows of its sessions and jobs."""
    jobs = caller.json("GET", "/jobs", at=at)["jobs"]
    own = [f"/jobs/{job['id']}{part}" for job in jobs for part in ("", "/metrics")]
    return [body(caller, path, at=at) for path in ("/jobs", "/workloads", "/instances/usage", *own)]


# ---- fork ----


def test_fork_knows_what_its_parent_knows(caller, bell):
    """Sessions, jobs, results and their later life are the same to the byte."""
    session = caller.session(max_ttl=100)
    job = caller.job([(bell,)], session_id=session, tags=["t"])
    fork = forked(caller, "a")
    for at in (0.1, 0.3, 1, 61, 200):
        assert everything(fork, at=at) == everything(caller, at=at)
        path = f"/sessions/{session}"
        assert body(fork, path, at=at) == body(caller, path, at=at)
    assert body(fork, f"/jobs/{job}/results") == body(caller, f"/jobs/{job}/results")


def test_fork_and_parent_do_not_see_each_other(caller, bell):
    """What is made, cancelled, closed, tagged or deleted in one changes nothing in the other."""
    session = caller.session()
    job, other = caller.job([(bell,)], session_id=session), plain_job(caller)
    before, fork = everything(caller, at=5), forked(caller, "a")
    fork.send("POST", f"/jobs/{job}/cancel", at=0.1)
    fork.send("DELETE", f"/sessions/{session}/close", at=0.2)
    fork.send("PUT", f"/jobs/{job}/tags", {"tags": ["new"]}, at=0.3)
    fork.send("DELETE", f"/jobs/{other}", at=3)
    fork.session(at=3)
    plain_job(fork, at=3)
    assert everything(caller, at=5) == before
    mine = everything(fork, at=5)
    assert mine != before
    caller.send("DELETE", f"/jobs/{other}", at=5)
    caller.send("DELETE", f"/sessions/{session}/close", at=5)
    plain_job(caller, at=5)
    assert everything(fork, at=5) == mine


def test_fork_has_its_own_names_and_limits_of_instances(caller):
    """The resource controller renames and limits in one line only."""
    fork = forked(caller, "a")
    fork.send("PUT", "/instances/configuration", {"instance_limit": 7})
    assert fork.json("GET", "/instances/configuration") == {"instance_limit": 7}
    assert caller.json("GET", "/instances/configuration") == {"instance_limit": None}


def test_fork_takes_tokens_of_its_parent():
    """A client that was made before goes on with the token that it has."""
    parent = Caller(Emulator(backends=("ibm_fez",), strict=True, api_key="planted-key"))
    token = parent.emulator._world.tokens.issue(T0)
    headers = {"authorization": f"Bearer {token}", "service-crn": fake_crn(1)}
    assert forked(parent, "a").json("GET", "/jobs", **headers)["jobs"] == []


def test_fork_gives_ids_of_its_own(caller):
    """Equal requests get other ids in the parent and in each fork, and the same in forks of one name."""
    lines = [caller, *(forked(caller, name) for name in ("a", "b", ""))]
    ids = [(line.session(), plain_job(line)) for line in lines]
    assert len(set(ids)) == len({each for pair in ids for each in pair}) / 2 == 4
    again = forked(caller, "a")
    assert (again.session(), plain_job(again)) == ids[1]


def test_fork_of_a_fork_of_the_same_name_gives_no_id_twice(caller):
    """An id that the ancestor gave is skipped."""
    one = forked(caller, "a")
    first = one.session(), plain_job(one)
    two = forked(one, "a")
    second = two.session(), plain_job(two)
    assert not set(first) & set(second)
    assert len(two.json("GET", "/jobs")["jobs"]) == 2


def test_ids_of_an_emulator_that_is_no_fork_are_as_they_were(caller):
    """Recordings that were made before emulators forked are made again to the byte."""
    assert caller.session() == "9f6e68e5-be4e-484e-8119-fdaedc80bdc4"
    assert plain_job(caller) == "d6euk1r85a2oet496j47"


def test_draws_of_a_fork_do_not_depend_on_what_others_did(caller, bell):
    """The same job has the same counts in a fork that is alone and in one after others, its next one others."""
    alone = forked(caller, "a")
    expected = [counts(alone, alone.job([(bell,)])) for _ in range(2)]
    caller.job([(bell,)])
    forked(caller, "b").job([(bell,)])
    late = forked(caller, "a")
    assert [counts(late, late.job([(bell,)])) for _ in range(2)] == expected
    assert expected[0] != expected[1]


def test_fork_answers_alike_after_any_ancestor(caller, bell):
    """On the wire a test is the same to the byte whether it begins at once or after fixtures."""
    fixture = forked(caller, "fixture")
    plain_job(fixture)
    fixture.session()
    said = []
    for parent in (caller, fixture):
        fork = forked(parent, "test")
        session = fork.session(at=1)
        job = fork.job([(bell,)], session_id=session, at=1)
        paths = (f"/jobs/{job}", f"/jobs/{job}/results", f"/jobs/{job}/metrics", f"/sessions/{session}")
        said.append([body(fork, path, at=9) for path in paths])
    assert said[0] == said[1]


# ---- simulated once ----


@pytest.mark.parametrize("first", [0, 1, 2])
def test_job_of_the_parent_is_simulated_once_for_all(caller, bell, simulated, first):
    """Whoever asks first has it simulated; a fork made later has the results with it."""
    job = caller.job([(bell,)])
    lines = [caller, forked(caller, "a"), forked(caller, "b")]
    lines.insert(0, lines.pop(first))
    lines = [lines[0], *lines[1:], forked(lines[0], "late")]
    assert len({body(line, f"/jobs/{job}/results") for line in lines}) == 1
    assert len(simulated) == 1


def test_job_is_simulated_once_for_forks_in_threads(caller, bell, simulated):
    """Forks that ask at once wait for one another."""
    job = caller.job([(bell,)])
    lines = [forked(caller, str(number)) for number in range(8)]
    barrier, bodies = threading.Barrier(8), []

    def ask(line: Caller) -> None:
        barrier.wait()
        bodies.append(body(line, f"/jobs/{job}/results"))

    threads = [threading.Thread(target=ask, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(bodies)) == 1
    assert len(simulated) == 1


def test_job_that_runs_at_another_time_tells_that_time(caller, bell, simulated):
    """Where a job before it was cancelled, a job of a session runs earlier; its counts are the same."""
    session = caller.session()
    first, second = (caller.job([(bell,)], session_id=session) for _ in range(2))
    fork = forked(caller, "a")
    fork.send("POST", f"/jobs/{first}/cancel", at=0.1)
    assert counts(fork, second) == counts(caller, second)
    assert simulated == [(T0 + at * 100_000, T0 + (at + 3) * 100_000) for at in (2, 5)]
    assert body(fork, f"/jobs/{second}/results") != body(caller, f"/jobs/{second}/results")


def test_private_results_are_handed_out_once_in_each_line(caller, bell):
    """That a fork was given them is nothing that the parent knows of."""
    job = caller.job([(bell,)], private=True)
    fork = forked(caller, "a")
    for line in (fork, caller):
        assert [line.send("GET", f"/jobs/{job}/results", at=1).status for _ in range(2)] == [200, 204]


# ---- past and limits ----


@pytest.mark.parametrize("told", [False, True])
def test_history_is_the_same_in_every_line(make_caller, told):
    """Jobs from before anybody asked have their ids in all lines, whichever tells them first."""
    caller = make_caller(history=(PastJob(tags=("old",)), PastJob(ago_seconds=5)))
    if told:
        caller.json("GET", "/jobs")
    one, two = forked(caller, "a"), forked(caller, "b")
    listed = one.json("GET", "/jobs")
    assert len(listed["jobs"]) == 2
    two.emulator._adopt(one.emulator)
    assert two.json("GET", "/jobs") == caller.json("GET", "/jobs") == listed


def test_limit_that_was_reached_ends_sessions_in_later_forks_too(make_caller):
    """A fork begins to watch where its parent stopped."""
    caller = make_caller(instances=(LIMITED,), run_seconds=1)
    session = caller.session()
    for _ in range(5):
        plain_job(caller, session_id=session)
    early = forked(caller, "early")
    states = [line.json("GET", f"/sessions/{session}", at=3)["state"] for line in (caller, early)]
    late = forked(caller, "late")
    assert [*states, late.json("GET", f"/sessions/{session}", at=3)["state"]] == ["closed"] * 3
    closed = {line.send("GET", f"/sessions/{session}", at=9).body for line in (caller, early, late)}
    assert len(closed) == 1


# ---- adopt ----


def test_adopted_sessions_and_jobs_are_as_in_the_other_line(caller, bell):
    """Their states, results and later life are the same to the byte; the other line stays as it is."""
    test, fixture = forked(caller, "test"), forked(caller, "fixture")
    own = plain_job(test)
    session = fixture.session()
    job, alone = fixture.job([(bell,)], session_id=session), plain_job(fixture, at=0.5)
    fixture.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=0.6)
    before = everything(fixture, at=9)
    test.emulator._adopt(fixture.emulator)
    paths = (f"/sessions/{session}", f"/jobs/{job}", f"/jobs/{job}/results", f"/jobs/{alone}")
    assert [body(test, path) for path in paths] == [body(fixture, path) for path in paths]
    assert {each["id"] for each in test.json("GET", "/jobs")["jobs"]} == {own, job, alone}
    assert everything(fixture, at=9) == before


def test_adopted_things_change_in_one_line_only(caller):
    """After that the lines are independent again."""
    test, fixture = forked(caller, "test"), forked(caller, "fixture")
    session = fixture.session()
    test.emulator._adopt(fixture.emulator)
    test.send("DELETE", f"/sessions/{session}/close")
    plain_job(fixture, session_id=session, at=1)
    assert test.json("GET", f"/sessions/{session}", at=1)["state"] == "closed"
    assert test.json("GET", "/jobs", at=1)["jobs"] == []
    assert fixture.json("GET", f"/sessions/{session}", at=1.3)["state"] == "active"


def test_adopting_in_any_order_gives_the_same(caller):
    """Jobs of one moment stand in the same order."""
    fixtures = [forked(caller, name) for name in ("f", "g")]
    for fixture in fixtures:
        plain_job(fixture, session_id=fixture.session())
        plain_job(fixture)
    said = []
    for order in (fixtures, fixtures[::-1], fixtures * 2):
        test = forked(caller, "test")
        for fixture in order:
            test.emulator._adopt(fixture.emulator)
        plain_job(test)
        said.append(everything(test, at=9))
    assert said[0] == said[1] == said[2]
    assert len(json.loads(said[0][0])["jobs"]) == 5


@pytest.mark.parametrize("how", ["forked", "adopted"])
def test_jobs_of_one_moment_stand_in_the_order_of_their_submission(caller, how):
    """Those that a line makes itself come after those that it was given."""
    before = [plain_job(caller) for _ in range(3)]
    line = forked(caller, "a")
    if how == "adopted":
        line = Caller(Emulator(backends=("ibm_fez", "ibm_torino")))
        first = forked(line, "fixture")
        before, line = [plain_job(first) for _ in range(3)], forked(line, "a")
        line.emulator._adopt(first.emulator)
    own = [plain_job(line) for _ in range(3)]
    assert [job["id"] for job in line.json("GET", "/jobs?sort=ASC")["jobs"]] == before + own


def test_what_both_know_stays_as_it_is_here(caller):
    """Tags, a cancel and a close of this line outlive the adoption."""
    session = caller.session()
    job, alone = plain_job(caller, session_id=session), plain_job(caller)
    test, fixture = forked(caller, "test"), forked(caller, "fixture")
    test.send("PUT", f"/jobs/{job}/tags", {"tags": ["mine"]})
    test.send("POST", f"/jobs/{alone}/cancel", at=0.1)
    test.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=0.1)
    fixture.send("PUT", f"/jobs/{alone}/tags", {"tags": ["theirs"]})
    before = everything(test, at=9)
    test.emulator._adopt(fixture.emulator)
    assert everything(test, at=9) == before


def test_session_that_only_the_other_line_acted_on_is_taken_from_there(caller):
    """A fixture that works in the session of another one is seen in the test that uses both."""
    session = caller.session()
    job = plain_job(caller, session_id=session)
    test, fixture = forked(caller, "test"), forked(caller, "fixture")
    test.send("PUT", f"/jobs/{job}/tags", {"tags": ["mine"]})
    fixture.send("POST", f"/jobs/{job}/cancel", at=0.1)
    later = plain_job(fixture, session_id=session, at=0.2)
    test.emulator._adopt(fixture.emulator)
    for path in (f"/sessions/{session}", f"/jobs/{later}"):
        assert body(test, path, at=9) == body(fixture, path, at=9)
    shown = test.json("GET", f"/jobs/{job}", at=9)
    assert (shown["status"], shown["tags"]) == ("Cancelled", ["mine"])
    own = plain_job(test, session_id=session, at=9)
    assert test.status(own, at=9.3) == "Running"


@pytest.mark.parametrize("closes_at", [0.35, 5])
def test_job_of_a_session_that_went_two_ways_takes_its_own_course(caller, closes_at):
    """It has the states that it has in the other line, and the session those that it has here."""
    session = caller.session()
    test, fixture = forked(caller, "test"), forked(caller, "fixture")
    mine = plain_job(test, session_id=session)
    theirs = [plain_job(fixture, session_id=session) for _ in range(2)]
    fixture.send("DELETE", f"/sessions/{session}/close", at=closes_at)
    before = [body(test, path, at=9) for path in (f"/sessions/{session}", f"/jobs/{mine}")]
    test.emulator._adopt(fixture.emulator)
    assert [body(test, path, at=9) for path in (f"/sessions/{session}", f"/jobs/{mine}")] == before
    for at in (0, 0.3, 0.4, 0.6, 0.9, 9):
        for path in (f"/jobs/{job}{part}" for job in theirs for part in ("", "/metrics")):
            assert body(test, path, at=at) == body(fixture, path, at=at)


def test_adopted_use_counts_towards_the_limit(make_caller):
    """Sessions that are open here end when the other line has used up the limit."""
    caller = make_caller(instances=(LIMITED,), run_seconds=1)
    test, fixture = forked(caller, "test"), forked(caller, "fixture")
    session = test.session()
    for at in (0, 1):
        plain_job(fixture, at=at)
    test.json("GET", f"/sessions/{session}", at=5)
    test.emulator._adopt(fixture.emulator)
    assert test.json("GET", "/instances/usage", at=5)["usage_limit_reached"] is True
    assert test.json("GET", f"/sessions/{session}", at=5)["state"] == "closed"


def test_emulator_of_another_pace_adopts_what_keeps_its_times(caller):
    """A scenario goes on with what fixtures made; its own jobs take their time."""
    fixture = forked(caller, "fixture")
    job = plain_job(fixture, session_id=fixture.session())
    slow = Caller(Emulator(queue_seconds=100))
    slow.emulator._adopt(fixture.emulator)
    own = plain_job(slow, session_id=fixture.emulator.open_sessions(T0)[0])
    assert [slow.status(each, at=1) for each in (job, own)] == ["Failed", "Queued"]


def test_adopting_from_another_account_is_refused(caller):
    """Nobody could ask for it here."""
    stranger = Emulator(backends=("ibm_fez", "ibm_marrakesh"), instances=(Instance(fake_crn(7), "research"),))
    with pytest.raises(UsageError) as refused:
        caller.emulator._adopt(stranger)
    assert str(refused.value) == (
        "The emulator of this test cannot take over what a wider fixture made on another account. [QS144]\n"
        "  not here: backend 'ibm_marrakesh', instance 'research'\n"
        "To fix: leave scenario= out of the marker, or give the fixture the scope 'function'"
    )


def test_two_lines_can_adopt_each_other_while_threads_use_them(caller):
    """Nobody waits for ever, and nothing is lost."""
    lines = [forked(caller, name) for name in "ab"]
    errors: list[BaseException] = []

    def work(own: Caller, other: Caller) -> None:
        try:
            for number in range(30):
                plain_job(own, session_id=own.session(at=number), at=number)
                own.emulator._adopt(other.emulator)
                forked(own, f"c{number}").json("GET", "/jobs", at=number)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in (lines, lines[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    for own, other in (lines, lines[::-1]):
        own.emulator._adopt(other.emulator)
    assert len(lines[0].json("GET", "/jobs", at=99)["jobs"]) == 60
    assert everything(lines[0], at=99) == everything(lines[1], at=99)
    assert lines[0].emulator.open_sessions(T0 + 99 * SECOND) == lines[1].emulator.open_sessions(
        T0 + 99 * SECOND
    )

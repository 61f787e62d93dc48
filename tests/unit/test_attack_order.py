"""Attempts to make a replay show a state at the wrong moment, or take a program in another order."""

import json
import threading

import pytest

from qsession._discovery import Discovery, fake_crn
from qsession._model import Asked, InstanceShape, Interaction, Place, Provenance, Recording, Request, Response
from qsession._replay import Replay
from qsession.errors import ReplayMismatch

BASE = "https://quantum.cloud.ibm.com/api/v1"
MS = 1000
MINE = "crn:v1:bluemix:public:quantum-computing:us-east:a/1111aaaa1111aaaa:aaaa1111-0000-4000-8000-000000000001::"
YOURS = "crn:v1:bluemix:public:quantum-computing:us-east:a/1111aaaa1111aaaa:bbbb2222-0000-4000-8000-000000000002::"


def exchange(endpoint, method, path, at, answer=None, body=None, status=200, *, instance=0, last=None):
    asked = json.dumps(body).encode() if body is not None else b""
    answered = json.dumps(answer).encode() if answer is not None else b""
    request, response = Request(method, BASE + path, {}, asked), Response(status, "OK", {}, answered)
    last = at if last is None else last
    return Interaction(endpoint, instance, request, response, at * MS, MS, 1, last * MS)


def submit(at, job="j1", status=200):
    body = {"program_id": "other", "session_id": "s1", "params": {"x": job}}
    return exchange("jobs.create", "POST", "/jobs", at, {"id": job}, body, status)


def close(at, status=204):
    return exchange("sessions.update", "PATCH", "/sessions/s1", at, None, {"accepting_jobs": False}, status)


def cancel(at, status=204):
    return exchange("jobs.cancel", "POST", "/jobs/j1/cancel", at, status=status)


def tag(at, name):
    return exchange("jobs.tags", "PUT", "/jobs/j1/tags", at, None, {"tags": [name]}, 204)


def session(at, state, last=None):
    return exchange("sessions.get", "GET", "/sessions/s1", at, {"id": "s1", "state": state}, last=last)


def job(at, status, last=None):
    return exchange("jobs.get", "GET", "/jobs/j1", at, {"state": {"status": status}}, last=last)


def results(at):
    return exchange("jobs.results", "GET", "/jobs/j1/results", at, {"counts": 1})


def jobs(at):
    return exchange("jobs.list", "GET", "/jobs", at, {"jobs": []})


def usage(at):
    return exchange("instances.usage", "GET", "/instances/usage", at, {"usage_consumed_seconds": at})


class Program(Replay):
    """Sends each request when it was recorded, or as soon as the one before it is answered."""

    now = 0

    def reply(self, request, at):
        reply = super().reply(request, max(at, self.now))
        self.now = reply.until
        return reply


def replaying(*interactions, allow_unused=False):
    recording = Recording(Provenance("emulator", 0), interactions)
    return Program(recording, Discovery(()), Place("a.yaml"), allow_unused)


def send(replay, *interactions):
    return [replay.answer(i.request, i.at).body for i in interactions][-1]


def refusal(replay, interaction):
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, interaction)
    return caught.value


def test_session_read_before_it_is_closed_does_not_show_it_closed():
    """It was only ever read after that."""
    replay = replaying(close(10), session(20, "closed"))
    assert str(refusal(replay, session(0, ""))) == (
        "The code under test reads something at a moment that was not recorded. Nothing was sent. [QS301]\n"
        "  asked: GET /sessions/s1\n"
        "  recorded only after PATCH /sessions/s1, which was not sent\n"
        "To fix: pytest --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: a.yaml"
    )
    send(replay, close(10))
    assert b"closed" in send(replay, session(0, ""))


def test_session_read_after_it_is_closed_does_not_show_it_open():
    """It was only ever read before that."""
    replay = replaying(session(5, "open"), close(10))
    send(replay, session(5, ""), close(10))
    assert refusal(replay, session(0, "")).evidence == (
        "asked: GET /sessions/s1",
        "recorded only before PATCH /sessions/s1, which was sent already",
    )


def test_poll_of_another_thread_during_the_close_is_answered():
    """Which of the two comes first is chance, as it was when recorded."""
    replay = replaying(session(5, "open"), close(10))
    send(replay, session(5, ""))
    closing = threading.Thread(target=send, args=(replay, close(10)))
    closing.start()
    closing.join()
    assert b"open" in send(replay, session(5, ""))


def test_state_that_was_polled_on_after_a_write_is_known_after_it():
    """Equal polls are one interaction that began before the write."""
    replay = replaying(session(5, "open", last=30), close(10))
    send(replay, session(5, ""), close(10))
    assert b"open" in send(replay, session(0, ""))


def test_write_that_was_refused_changes_nothing_to_read():
    """A final job cannot be cancelled, and reads as before."""
    replay = replaying(job(5, "Running"), cancel(10, status=409))
    send(replay, job(5, ""), cancel(10))
    assert b"Running" in send(replay, job(5, ""))


def test_final_job_reads_the_same_after_it_was_cancelled():
    """Whether a thread asks once more after that is chance."""
    replay = replaying(job(5, "Completed"), results(6), cancel(10))
    send(replay, job(5, ""), cancel(10))
    assert b"Completed" in send(replay, job(5, ""))
    assert b"counts" in send(replay, results(6))


def test_queued_job_is_not_queued_after_it_was_cancelled():
    """What it became was not recorded."""
    replay = replaying(job(5, "Queued"), cancel(10))
    send(replay, job(5, ""), cancel(10))
    assert refusal(replay, job(5, "")).code == "QS301"


def test_tags_read_before_they_are_set_are_not_shown():
    """The first answer holds them already."""
    replay = replaying(tag(10, "a"), job(20, "Completed"))
    assert refusal(replay, job(20, "")).code == "QS301"


def test_session_read_before_its_only_job_does_not_show_it_active():
    """Code that reads before it submits saw a session that waits."""
    replay = replaying(submit(10), session(20, "active"))
    assert (
        refusal(replay, session(20, "")).evidence[1] == "recorded only after POST /jobs, which was not sent"
    )


def test_session_read_between_jobs_of_threads_is_answered():
    """Threads submit in any order: one that has submitted may read."""
    replay = replaying(
        submit(1, "j1"), submit(2, "j2"), session(3, "active"), submit(4, "j3"), submit(5, "j4")
    )
    send(replay, submit(2, "j2"))
    assert b"active" in send(replay, session(3, ""))
    send(replay, submit(4, "j3"))
    assert b"active" in send(replay, session(3, ""))


def test_list_of_jobs_after_the_last_one_is_not_the_one_before():
    """A list that lacks the job that was just submitted is wrong."""
    replay = replaying(jobs(5), submit(10))
    send(replay, jobs(5), submit(10))
    assert refusal(replay, jobs(5)).code == "QS301"


def test_usage_is_not_shown_before_the_job_that_caused_it():
    """Reading twice before the job shows what was before the job twice."""
    replay = replaying(usage(1), submit(10), usage(20))
    assert [json.loads(send(replay, usage(1)))["usage_consumed_seconds"] for _ in range(3)] == [1, 1, 1]
    send(replay, submit(10))
    assert json.loads(send(replay, usage(1)))["usage_consumed_seconds"] == 20


def test_left_out_write_that_is_allowed_does_not_hide_what_came_after():
    """Whoever allows unused writes gets what was recorded after them."""
    replay = replaying(tag(10, "a"), job(20, "Completed"), allow_unused=True)
    assert b"Completed" in send(replay, job(20, ""))


def test_read_after_the_close_skips_what_was_polled_before_it():
    """Code that polls less often than when recorded still sees what it did."""
    states = [session(at, f"state {at}") for at in (2, 4, 6)]
    replay = replaying(*states, close(10), session(20, "closed"))
    send(replay, session(2, ""), close(10))
    assert b"closed" in send(replay, session(2, ""))


def test_list_after_the_job_has_the_job():
    """Code that did not list before it submitted gets no list of before."""
    after = exchange("jobs.list", "GET", "/jobs", 20, {"jobs": ["j1"]})
    replay = replaying(jobs(5), submit(10), after)
    send(replay, submit(10))
    assert b"j1" in send(replay, jobs(5))


def test_read_after_the_first_of_two_jobs_stays_before_the_second():
    """Moving past one write does not move past the next."""
    states = [session(at, f"state {at}") for at in (2, 4, 12, 22)]
    replay = replaying(*states[:2], submit(10, "j1"), states[2], submit(20, "j2"), states[3])
    send(replay, submit(10, "j1"))
    assert [send(replay, states[0]) for _ in range(2)] == [states[2].response.body] * 2


def test_job_after_the_close_is_not_answered_as_before_it():
    """A session that was closed too early takes no job on the service."""
    replay = replaying(submit(10), close(20))
    send(replay, close(20))
    assert str(refusal(replay, submit(10))) == (
        "The code under test sends a request in another order than it was recorded. Nothing was sent. [QS302]\n"
        "  asked: POST /jobs (other (not fully understood))\n"
        "  recorded only before PATCH /sessions/s1, which was sent already\n"
        "To fix: pytest --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: a.yaml"
    )


def test_job_before_the_close_does_not_get_the_refusal_after_it():
    """It would have run."""
    replay = replaying(close(10), submit(20, status=400))
    assert refusal(replay, submit(20)).evidence[1] == (
        "recorded only after PATCH /sessions/s1, which was not sent"
    )


def test_equal_jobs_before_and_after_the_close_each_get_their_own_answer():
    """The second one is the one that was refused."""
    replay = replaying(submit(10), close(20), submit(30, status=400))
    request = submit(10).request
    assert replay.answer(request, 0).status == 200
    assert refusal(replay, submit(10)).code == "QS302"
    send(replay, close(20))
    assert replay.answer(request, 0).status == 400


def test_job_runs_on_while_nobody_sets_its_tags():
    """Tags that are set later do not make its end come later."""
    recorded = [submit(1), job(5, "Running", last=12), tag(10, "a"), job(3000, "Completed")]
    replay = replaying(*recorded)
    send(replay, submit(1), job(5, ""))
    replay.answer(recorded[2].request, 5000 * MS)
    assert b"Completed" in replay.answer(job(5100, "").request, 5100 * MS).body


def test_refusal_of_a_write_is_not_the_answer_after_another_write():
    """A job that is queued cannot be deleted, one that was cancelled can."""
    delete = exchange("jobs.delete", "DELETE", "/jobs/j1", 5, status=409)
    replay = replaying(submit(1), delete, cancel(10))
    send(replay, submit(1), cancel(10))
    error = refusal(replay, delete)
    assert (error.code, error.evidence[1]) == (
        "QS302",
        "recorded only before POST /jobs/j1/cancel, which was sent already",
    )
    # In the order of the recording, and once more from its beginning, it is.
    replay = replaying(submit(1), delete, cancel(10))
    send(replay, submit(1), delete, cancel(10))


def test_tags_in_another_order_are_refused():
    """Else the job would end with the other tags than the code set last."""
    replay = replaying(tag(10, "a"), tag(20, "b"))
    assert refusal(replay, tag(20, "b")).code == "QS302"
    send(replay, tag(10, "a"), tag(20, "b"))


def test_two_named_instances_stand_for_the_two_recorded_ones():
    """Each answers for itself, though both are called otherwise than when recorded."""
    discovery = Discovery([InstanceShape(), InstanceShape()])
    for crn in (MINE, YOURS):
        discovery.ask(Asked(crn=crn))
        search = Request("POST", "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search")
        Replay(Recording(Provenance("ibm", 0), ()), discovery, Place("a.yaml")).answer(search, 0)
    assert [discovery.index_of(crn) for crn in (MINE, YOURS, MINE)] == [0, 1, 0]


def test_named_instances_are_counted_by_first_use():
    """The recording counts them so, whichever service was made first."""
    discovery = Discovery([InstanceShape(), InstanceShape()])
    for crn in (MINE, YOURS):
        discovery.ask(Asked(crn=crn))
    assert [discovery.index_of(crn) for crn in (YOURS, MINE)] == [0, 1]


def test_request_to_the_second_instance_is_not_answered_by_the_first():
    """What one instance says is not true of the other."""
    here = exchange("instances.usage", "GET", "/instances/usage", 1, {"usage_consumed_seconds": 7})
    there = exchange("backends.list", "GET", "/backends", 2, {"devices": []}, instance=1)
    discovery = Discovery([InstanceShape(), InstanceShape()])
    replay = Replay(Recording(Provenance("ibm", 0), (here, there)), discovery, Place("a.yaml"))
    second = Request("GET", here.request.url, {"service-crn": fake_crn(1, "us-east")})
    with pytest.raises(ReplayMismatch, match=r"QS301"):
        replay.answer(second, 0)


def test_job_is_not_read_before_it_was_submitted():
    """Where its id is known from elsewhere, it has no state yet."""
    replay = replaying(submit(10), job(20, "Completed"))
    assert refusal(replay, job(20, "")).evidence[1] == "recorded only after POST /jobs, which was not sent"
    send(replay, submit(10))
    assert b"Completed" in send(replay, job(20, ""))


def test_job_is_not_cancelled_before_it_was_submitted():
    """There is none."""
    replay = replaying(submit(10), cancel(20))
    assert refusal(replay, cancel(20)).code == "QS302"
    send(replay, submit(10), cancel(20))


def test_job_between_two_sets_of_tags_does_not_show_the_later_ones():
    """Nobody looked there when it was recorded."""
    replay = replaying(tag(10, "a"), tag(20, "b"), job(30, "Completed"))
    send(replay, tag(10, "a"))
    assert (
        refusal(replay, job(30, "")).evidence[1]
        == "recorded only after PUT /jobs/j1/tags, which was not sent"
    )
    send(replay, tag(20, "b"))
    assert b"Completed" in send(replay, job(30, ""))


def test_job_between_two_sets_of_tags_does_not_show_the_later_ones_though_seen_before():
    """What was seen before the first does not hold, what was seen after the second not yet."""
    replay = replaying(job(5, "Queued"), tag(10, "a"), tag(20, "b"), job(30, "Completed"))
    send(replay, job(5, ""), tag(10, "a"))
    assert refusal(replay, job(30, "")).code == "QS301"


def metrics(at, finished=None):
    return exchange("jobs.metrics", "GET", "/jobs/j1/metrics", at, {"timestamps": {"finished": finished}})


def workloads(at):
    return exchange("workloads.list", "GET", "/workloads", at, {"workloads": []})


def in_one_thread(*interactions):
    recording = Recording(Provenance("emulator", 0), interactions)
    return Program(recording, Discovery(()), Place("a.yaml"), alone=lambda: True)


@pytest.mark.parametrize("read", [jobs, workloads])
def test_read_between_two_jobs_of_one_thread_is_not_the_one_before_both(read):
    """With a second job yet to come, the first one is not shown by what was read before it."""
    replay = in_one_thread(read(5), submit(10, "j1"), submit(20, "j2"))
    send(replay, read(5), submit(10, "j1"))
    assert refusal(replay, read(5)).evidence[1] == "recorded only before POST /jobs, which was sent already"


@pytest.mark.parametrize("read", [jobs, workloads])
def test_read_between_two_jobs_of_one_thread_is_not_the_one_after_both(read):
    """It was read before both jobs and after both."""
    replay = in_one_thread(
        read(5), submit(10, "j1"), submit(20, "j2"), exchange(*_asked(read(30)), 30, {"after": "both"})
    )
    send(replay, read(5), submit(10, "j1"))
    assert refusal(replay, read(5)).evidence[1] == "recorded only after POST /jobs, which was not sent"
    send(replay, submit(20, "j2"))
    assert b"both" in send(replay, read(30))


@pytest.mark.parametrize("read", [jobs, workloads])
def test_read_before_the_second_job_of_one_thread_is_not_the_one_after_it(read):
    """It was read after both jobs only."""
    replay = in_one_thread(submit(10, "j1"), submit(20, "j2"), read(30))
    send(replay, submit(10, "j1"))
    assert refusal(replay, read(30)).evidence[1] == "recorded only after POST /jobs, which was not sent"


def test_metrics_of_an_end_are_not_those_of_a_job_that_runs():
    """They were asked for after the job had ended."""
    replay = replaying(submit(1), job(5, "Running", last=500), job(600, "Completed"), metrics(700, "now"))
    send(replay, submit(1), job(5, ""))
    assert refusal(replay, metrics(100)).evidence == (
        "asked: GET /jobs/j1/metrics",
        "recorded only when a job had ended that has not by now",
    )
    assert b"now" in send(replay, metrics(700))


def test_metrics_of_a_job_that_runs_are_not_those_of_its_end():
    """They were asked for before the job had ended."""
    replay = replaying(submit(1), metrics(5), job(6, "Running"), job(9000, "Completed"), submit(19_500, "j2"))
    send(replay, submit(1))
    assert b"null" in send(replay, metrics(6))
    assert refusal(replay, metrics(12_000)).evidence[1] == (
        "recorded only before a job had ended that has by now"
    )


def test_metrics_of_a_job_that_runs_are_not_those_of_one_that_was_cancelled():
    """The cancel ended it."""
    replay = replaying(submit(1), metrics(5), cancel(10))
    send(replay, submit(1), cancel(10))
    assert refusal(replay, metrics(5)).evidence[1] == (
        "recorded only before POST /jobs/j1/cancel, which was sent already"
    )

    replay = replaying(submit(1), metrics(5, "now"), cancel(10, status=409))
    send(replay, submit(1), cancel(10))
    assert b"now" in send(replay, metrics(5))


def session_cancel(at):
    return exchange("sessions.cancel", "DELETE", "/sessions/s1/close", at, status=204)


def test_job_is_not_cancelled_when_its_session_was():
    """Its cancel was recorded before that; afterwards there is nothing left to cancel."""
    replay = replaying(submit(1), cancel(10), session_cancel(20))
    send(replay, submit(1), session_cancel(20))
    assert refusal(replay, cancel(10)).evidence[1] == (
        "recorded only before DELETE /sessions/s1/close, which was sent already"
    )

    replay = replaying(submit(1), session_cancel(10), cancel(20, status=409))
    send(replay, submit(1))
    assert refusal(replay, cancel(20)).evidence[1] == (
        "recorded only after DELETE /sessions/s1/close, which was not sent"
    )


def test_metrics_of_a_job_that_runs_are_not_known_past_the_end():
    """What became of the job was not recorded."""
    replay = replaying(submit(1), metrics(5))
    send(replay, submit(1))
    assert refusal(replay, metrics(30_000)).code == "QS304"


@pytest.mark.parametrize("read", [jobs, workloads])
def test_what_tells_of_jobs_in_one_thread_is_of_before_their_end_or_of_after_it(read):
    """Lists change when a job ends, though nobody sends anything then."""
    replay = in_one_thread(
        submit(1), read(2), job(5, "Running", last=5000), job(6000, "Completed"), job(60_000, "Completed")
    )
    send(replay, submit(1), read(2))
    assert refusal(replay, read(20_000)).evidence[1] == "recorded only before a job had ended that has by now"

    replay = in_one_thread(submit(1), job(5, "Running", last=5000), job(6000, "Completed"), read(7000))
    send(replay, submit(1))
    assert refusal(replay, read(2)).evidence[1] == "recorded only when a job had ended that has not by now"
    send(replay, read(7000))


@pytest.mark.parametrize("read", [job, session])
def test_state_that_nobody_looked_at_for_long_is_not_that_of_today(read):
    """With one thread each look was taken down: what is asked at another moment is not known."""
    replay = in_one_thread(submit(1), read(5, "Running"), jobs(90_000))
    send(replay, submit(1), read(5, ""))
    assert b"Running" in send(replay, read(900, ""))
    assert refusal(replay, read(30_000, "")).evidence[1] == "recorded last 29.995 s before this moment"


def test_job_that_is_gone_has_ended():
    """That it is not found any more is no state of its life."""
    gone = exchange("jobs.get", "GET", "/jobs/j1", 30, {"errors": []}, status=404)
    delete = exchange("jobs.delete", "DELETE", "/jobs/j1", 12, status=204)
    replay = in_one_thread(
        submit(1), job(5, "Running"), job(9, "Completed"), jobs(20), delete, gone, jobs(9000)
    )
    send(replay, submit(1), job(5, ""), job(9, ""), delete)
    assert send(replay, jobs(20)) == jobs(20).response.body
    assert replay.answer(gone.request, 8000 * MS).status == 404


def test_usage_that_the_client_asks_for_before_a_job_hides_nothing_of_that_job():
    """What is said of a job that was not recorded tells more than that its usage is unknown."""
    replay = in_one_thread(usage(5), submit(10, "j1"), usage(15), submit(20, "j2"))
    send(replay, usage(5), submit(10, "j1"), usage(15), submit(20, "j2"))
    send(replay, usage(30))
    assert refusal(replay, submit(40, "j3")).code == "QS302"


@pytest.mark.parametrize("read", [jobs, workloads])
def test_list_of_jobs_that_were_submitted_in_another_order_is_not_the_recorded_one(read):
    """The newest comes first in it, and with a limit the others do not come at all."""
    replay = in_one_thread(submit(10, "j1"), submit(20, "j2"), read(30))
    send(replay, submit(20, "j2"), submit(10, "j1"))
    assert refusal(replay, read(30)).evidence[1] == (
        "recorded when what it lists had been made in another order"
    )

    replay = in_one_thread(submit(10, "j1"), submit(20, "j2"), read(30))
    send(replay, submit(10, "j1"), submit(20, "j2"), read(30))


def private(at):
    return exchange("jobs.create", "POST", "/jobs", at, {"id": "j1"}, {"program_id": "x", "private": True})


def no_results(at):
    return exchange("jobs.results", "GET", "/jobs/j1/results", at, status=204)


def test_results_of_a_private_job_are_given_once():
    """The service keeps them until they are read."""
    replay = replaying(private(10), results(20))
    send(replay, private(10), results(20))
    assert refusal(replay, results(30)).evidence == (
        "asked: GET /jobs/j1/results",
        "recorded once, and a private job gives its results once",
    )


def test_results_of_a_private_job_are_given_first_and_gone_then_whenever_it_is_asked():
    """Reading them is what changes the answer, not time."""
    replay = replaying(private(10), results(20), no_results(30))
    send(replay, private(10))
    assert [replay.answer(results(20).request, moment * MS).status for moment in (40, 41, 42)] == [
        200,
        204,
        204,
    ]

    replay = replaying(private(10), results(20), no_results(9000))
    send(replay, private(10))
    assert [replay.answer(results(20).request, moment * MS).status for moment in (11, 12)] == [200, 204]


def deleted(at):
    return exchange("jobs.delete", "DELETE", "/jobs/j1", at, status=204)


def test_results_of_a_private_job_that_was_deleted_are_gone_no_sooner_and_no_later():
    """What was told after the delete is not what comes after the first look, and the other way round."""
    gone = exchange("jobs.results", "GET", "/jobs/j1/results", 40, status=404)
    replay = replaying(private(10), results(20), deleted(30), gone)
    send(replay, private(10), results(20))
    assert refusal(replay, results(21)).evidence[1] == (
        "recorded once, and a private job gives its results once"
    )
    send(replay, deleted(30))
    assert replay.answer(gone.request, 40 * MS).status == 404

    replay = replaying(private(10), results(20), deleted(30), gone)
    send(replay, private(10), deleted(30))
    assert [replay.answer(gone.request, moment * MS).status for moment in (40, 41)] == [404, 404]


def test_results_of_a_job_that_is_not_private_are_given_again():
    """They stay."""
    replay = replaying(submit(10), results(20))
    assert send(replay, submit(10), results(20)) == send(replay, results(30))


def _asked(interaction):
    return interaction.endpoint, interaction.request.method, interaction.request.url.removeprefix(BASE)

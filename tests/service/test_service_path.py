"""The path to the service, as it will be: TLS, IBM's host names, IAM, search, catalog, retries."""

from __future__ import annotations

import gzip

from emulated_service import EmulatedService, Outcome

_HOSTS = {
    "iam.token": "iam.cloud.ibm.com",
    "search.resources": "api.global-search-tagging.cloud.ibm.com",
    "catalog.entry": "globalcatalog.cloud.ibm.com",
    "sessions.create": "quantum.cloud.ibm.com",
    "jobs.create": "quantum.cloud.ibm.com",
}


def test_recording_of_a_whole_session_says_nothing_and_sends_everything(recorded: Outcome) -> None:
    """The recording succeeds; each answered request went to the service."""
    (run,) = recorded.runs
    assert (recorded.status, recorded.stderr, run["error"]) == (0, "", "")
    assert run["requests"] == run["live"] > 25


def test_recording_asks_for_each_host_under_its_own_name(recorded: Outcome) -> None:
    """IAM, search, catalog and the runtime are reached by TLS under IBM's names."""
    assert {each["scheme"] for each in recorded.asked} == {"https"}
    hosts = {(each["call"], each["host"]) for each in recorded.asked if each["call"] in _HOSTS}
    assert hosts == set(_HOSTS.items())


def test_recording_is_below_the_retries_of_the_client(recorded: Outcome) -> None:
    """An answer of 503 or 502 is retried by the client, and both answers are recorded."""
    assert recorded.statuses("backends.configuration") == [503, 200]
    assert recorded.statuses("jobs.create") == [502, 200]
    cassette = (recorded.folder / "cassettes" / "whole.yaml").read_text()
    assert cassette.count("code: 503") == 1
    assert cassette.count("code: 502") == 1


def test_recording_of_a_closed_session_cancels_nothing(recorded: Outcome) -> None:
    """The session was seen closed before the run ended, so the guard leaves it alone."""
    assert recorded.statuses("sessions.update") == [204]
    assert recorded.statuses("sessions.cancel") == []


def test_recording_counts_the_final_usage_of_a_closed_session(recorded: Outcome) -> None:
    """What the service says that the session used is what the run spent, not an upper bound."""
    (run,) = recorded.runs
    assert run["spent"] == recorded.seen["usage at the end"] > 0


def test_recording_leaves_no_session_open(service: EmulatedService, recorded: Outcome) -> None:
    """The service knows of no open session after the run."""
    assert recorded.status == 0
    assert service.open_sessions() == []


def test_replay_sees_what_the_recording_saw(recorded: Outcome, replayed: Outcome) -> None:
    """Counts, details, status, usage, metrics and ids are the same, with nothing listening."""
    assert replayed.seen == recorded.seen


def test_replay_tries_no_connection(replayed: Outcome) -> None:
    """No look-up of a name, no connect, not a word on standard error."""
    (run,) = replayed.runs
    assert (replayed.status, replayed.stderr, replayed.events, run["live"]) == (0, "", {}, 0)


def test_code_under_test_sees_no_id_of_the_service(service: EmulatedService, recorded: Outcome) -> None:
    """Ids that the service made are neither seen by the code nor in any file."""
    given = service.handed_out()
    real = given["session"] + given["job"]
    assert len(real) >= 2
    files = [path for path in recorded.folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes() for path in files]
    texts += [gzip.decompress(path.read_bytes()) for path in files if path.suffix == ".gz"]
    assert [
        name for name in real for text in [*texts, recorded.stdout.encode()] if name.encode() in text
    ] == []

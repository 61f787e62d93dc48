"""Every way out of a replay is shut, and trying one fails the test that swallowed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trap import Trap

_TO_SOMEBODY_ELSE = (
    "A request to another host than IBM's was refused: a replay sends nothing. [QS305]\n"
    "  {asked}\n"
    "To fix: keep the request out of the test, or serve it from this machine (localhost is allowed)\n"
    "If this is intended: name the host in the ini option qsession_allowed_hosts\n"
    "Where: CASSETTE"
)
_STRANGER = _TO_SOMEBODY_ELSE.format(asked="GET https://somebody.example.invalid/path")
_TOO_LATE = (
    "A request came after its run had ended. Nothing was sent. [QS307]\n"
    "  GET https://quantum.cloud.ibm.com/api/v1/sessions/{session}\n"
    "To fix: end the threads of a test, and its services, before the test ends\n"
    "Where: CASSETTE"
)

BELOW_HTTP = {
    "http_client": "quantum.cloud.ibm.com",
    "urllib_request": "quantum.cloud.ibm.com",
    "create_connection": "quantum.cloud.ibm.com",
    "open_connection": "quantum.cloud.ibm.com",
    "look_up": "quantum.cloud.ibm.com",
    "connect_by_address": "198.51.100.7",
    "connect_ex": "198.51.100.7",
    "datagram_sendto": "198.51.100.7",
    "datagram_sendmsg": "198.51.100.7",
    "look_up_backwards": "198.51.100.7",
}


@pytest.fixture(scope="module")
def trap(make_trap: Callable[[], Trap]) -> Trap:
    return make_trap()


@pytest.fixture(scope="module")
def attempts(trap: Trap, recorded: Path) -> dict[str, dict[str, object]]:
    return trap.run("attempts.py", recorded)


def _refused(message: str) -> dict[str, object]:
    """Refused at once, again at the end although it was swallowed, and nothing was tried."""
    return {"got": message, "end": message, "events": {}}


@pytest.mark.parametrize("way", BELOW_HTTP)
def test_replay_refuses_what_is_not_sent_by_requests(
    attempts: dict[str, dict[str, object]], way: str
) -> None:
    """Below HTTP the host is all that is known, and is named."""
    seen = attempts[way]
    assert f" [QS305]\n  to {BELOW_HTTP[way]}\n" in str(seen["got"])
    assert seen == _refused(str(seen["got"]))


def test_replay_refuses_a_connection_to_an_address(attempts: dict[str, dict[str, object]]) -> None:
    """The whole message of a refused connection."""
    assert attempts["connect_by_address"] == _refused(
        "A connection to another host was refused: a replay sends nothing. [QS305]\n"
        "  to 198.51.100.7\n"
        "To fix: keep it out of the test, or serve it from this machine (localhost is allowed)\n"
        "If this is intended: name the host in the ini option qsession_allowed_hosts\n"
        "Where: CASSETTE"
    )


def test_replay_says_when_ibm_was_asked_past_the_client(attempts: dict[str, dict[str, object]]) -> None:
    """No request of the client: nothing could answer it."""
    assert str(attempts["http_client"]["got"]).startswith(
        "A connection to IBM, past the client, was refused: a replay sends nothing. [QS305]\n"
        "  to quantum.cloud.ibm.com\n"
    )


def test_replay_refuses_a_request_to_somebody_else_without_its_query(
    attempts: dict[str, dict[str, object]],
) -> None:
    """The address is named, what stood behind its question mark is not."""
    assert attempts["requests_to_somebody_else"] == _refused(_STRANGER)


def test_replay_refuses_a_request_through_a_proxy_of_this_machine(
    attempts: dict[str, dict[str, object]],
) -> None:
    """Where the request is bound for counts, not that its next stop is on this machine."""
    assert attempts["requests_through_a_proxy"] == _refused(_STRANGER)


def test_replay_refuses_a_request_of_another_thread(attempts: dict[str, dict[str, object]]) -> None:
    """A thread that swallows the refusal does not hide it from the run."""
    assert attempts["in_a_thread"] == _refused(_STRANGER)


def test_replay_refuses_a_request_of_a_forked_child(attempts: dict[str, dict[str, object]]) -> None:
    """A forked child is in the replay as well; what it swallows its parent cannot know."""
    assert attempts["forked_child"] == {"got": f"answer: {_STRANGER}", "end": "", "events": {}}


def test_replay_refuses_an_unrecorded_read_of_the_service(
    attempts: dict[str, dict[str, object]],
) -> None:
    """A request of the code's own to IBM is looked for in the recording, and not sent."""
    assert attempts["requests_to_the_service"] == _refused(
        "The code under test reads something that was not recorded. Nothing was sent. [QS301]\n"
        "  asked: GET /backends/ibm_nowhere/status\n"
        "  recorded: GET /backends/ibm_fez/status\n"
        "  recorded: GET /backends/ibm_fez/properties\n"
        "  recorded: GET /backends/ibm_fez/configuration\n"
        "To fix: qsession.record('CASSETTE', target='emulator')\n"
        "If this is intended: the command above records the new behaviour; "
        "review the difference before you commit it\n"
        "Where: CASSETTE"
    )


def test_replay_refuses_and_names_an_unrecorded_job(
    attempts: dict[str, dict[str, object]], session_id: str
) -> None:
    """A job that differs from the recorded one is not submitted, and its differences are told."""
    seen = attempts["unrecorded_job"]
    assert seen == _refused(str(seen["got"]))
    assert str(seen["got"]).splitlines() == [
        "The code under test submits a job that was not recorded. Nothing was sent. [QS302]",
        "  asked: POST /jobs (sampler, 1 PUB: 2 qubits used of 156, 13 operations, shots 101)",
        str(seen["got"]).splitlines()[2],  # the moment of the recording
        f'    session_id: asked nothing, recorded "{session_id}"',
        "    PUB 0: shots: asked 101, recorded 100",
        "To fix: qsession.record('CASSETTE', target='emulator')",
        "If this is intended: the command above records the new behaviour; "
        "review the difference before you commit it",
        "Where: CASSETTE",
    ]


def test_replay_lets_this_machine_be_reached(attempts: dict[str, dict[str, object]]) -> None:
    """A server of the test's own answers, and nobody complains."""
    seen = attempts["loopback"]
    assert (seen["got"], seen["end"]) == ("answer: from this machine", "")


def test_replay_that_is_over_still_answers_no_thread(
    attempts: dict[str, dict[str, object]], session_id: str
) -> None:
    """Each late poll is refused, not only the first: urllib3 drops the connection and makes another."""
    assert attempts["outliving"] == {
        "answers": 4,
        "refused": 80,
        "messages": [_TOO_LATE.format(session=session_id)],
        "events": {},
    }


def test_replay_never_reached_the_listening_server(
    attempts: dict[str, dict[str, object]], trap: Trap
) -> None:
    """After all these attempts nobody has come."""
    assert len(attempts) == 18
    assert trap.listener.accepted == 0

"""Exchanges become a recording."""

import json

from qsession import _cassette
from qsession._endpoints import identify
from qsession._model import InstanceShape, Provenance, Request, Response
from qsession._recording import Recorder

BASE = "https://quantum.cloud.ibm.com/api/v1"
ACCOUNT = "0123456789abcdef0123456789abcdef"
CRN = f"crn:v1:bluemix:public:quantum-computing:eu-de:a/{ACCOUNT}:11111111-2222-4333-8444-555555555555::"
START = 1_000_000


def exchange(recorder, method, path, answer, *, at=0, took=5, body=None, status=200, crn=CRN):
    url = path if path.startswith("https") else BASE + path
    raw = json.dumps(body).encode() if body is not None else b""
    request = Request(method, url, {"service-crn": crn, "ibm-api-version": "2026-04-15"} if crn else {}, raw)
    call = identify(request)
    outgoing = recorder.outgoing(call, request)
    response = Response(status, "OK", {}, json.dumps(answer).encode())
    seen = recorder.incoming(call, request, response, START + at, START + at + took)
    return outgoing, json.loads(seen.body)


def finished(recorder):
    return recorder.finished(Provenance("emulator", START))


def test_equal_polls_stand_as_one_with_their_count():
    """Two hours of polling are a handful of entries."""
    recorder = Recorder(START)
    for at, status in [
        (0, "Queued"),
        (100, "Queued"),
        (200, "Queued"),
        (300, "Running"),
        (400, "Completed"),
        (500, "Completed"),
    ]:
        exchange(recorder, "GET", "/jobs/abc", {"state": {"status": status}}, at=at)
    assert [(i.at, i.seen, i.last) for i in finished(recorder).interactions] == [
        (0, 3, 200),
        (300, 1, 300),
        (400, 2, 500),
    ]


def test_clock_that_is_set_back_gives_a_recording_that_can_be_read():
    """Hours of queue are long enough for that, and what was paid for must replay."""
    recorder = Recorder(START)
    exchange(recorder, "GET", "/jobs/abc", {"s": 1}, at=-2_000_000, took=-5)
    exchange(recorder, "GET", "/jobs/abc", {"s": 1}, at=-1_000_000)
    exchange(recorder, "GET", "/jobs/abc", {"s": 2}, at=7)
    recording = finished(recorder)
    assert [(i.at, i.took, i.seen, i.last) for i in recording.interactions] == [(0, 0, 2, 0), (7, 5, 1, 7)]
    text, bodies = _cassette.encode(recording)
    assert _cassette.decode(text, bodies.__getitem__, where="a.yaml") == recording


def test_equal_polls_merge_across_other_requests():
    """What happens in between does not split a run."""
    recorder = Recorder(START)
    exchange(recorder, "GET", "/jobs/abc", {"s": 1}, at=0)
    exchange(recorder, "GET", "/instances/usage", {}, at=10)
    exchange(recorder, "GET", "/jobs/abc", {"s": 1}, at=20)
    assert [(i.endpoint, i.seen) for i in finished(recorder).interactions] == [
        ("jobs.get", 2),
        ("instances.usage", 1),
    ]


def test_equal_writes_are_never_merged():
    """Each of them changed something."""
    recorder = Recorder(START)
    for at in (0, 10):
        exchange(recorder, "PATCH", "/sessions/s", {}, at=at, body={"accepting_jobs": False})
    assert [i.seen for i in finished(recorder).interactions] == [1, 1]


def test_code_under_test_never_sees_a_real_id():
    """Not in the answer that made it, not in later ones; and the service gets its own back."""
    recorder = Recorder(START)
    real = "5a6d4397-42c6-4dc6-969a-b1c90286a715"
    _, made = exchange(recorder, "POST", "/sessions", {"id": real}, body={"mode": "batch"})
    assert made["id"] != real
    outgoing, details = exchange(recorder, "GET", f"/sessions/{made['id']}", {"id": real, "state": "open"})
    assert outgoing.url == f"{BASE}/sessions/{real}"
    assert details["id"] == made["id"]
    sent, _ = exchange(
        recorder,
        "POST",
        "/jobs",
        {"id": "d0real0job0id0000000"},
        body={"program_id": "x", "session_id": made["id"]},
    )
    assert json.loads(sent.body)["session_id"] == real
    text = repr(finished(recorder))
    assert real not in text
    assert "d0real0job0id0000000" not in text


def test_pseudonyms_do_not_depend_on_the_real_ids():
    """Recording again gives the same ids, whatever the service made."""
    ids = []
    for real in ("aaaaaaaa-1", "bbbbbbbb-2"):
        _, made = exchange(
            Recorder(START), "POST", "/sessions", {"id": real}, body={"mode": "batch", "instance": CRN + real}
        )
        ids.append(made["id"])
    assert ids[0] == ids[1]


def test_refused_creation_gets_no_pseudonym():
    """An error that has an id is no session."""
    recorder = Recorder(START)
    _, answer = exchange(
        recorder, "POST", "/sessions", {"id": "x", "errors": []}, status=400, body={"mode": "batch"}
    )
    assert answer["id"] == "x"


def test_provenance_is_filled_from_the_exchanges():
    """What the answers tell need not be told again."""
    recorder = Recorder(START)
    search = "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search"
    exchange(recorder, "POST", search, {"items": [{"crn": CRN, "service_plan_unique_id": "p1"}]}, crn="")
    plan = {"overview_ui": {"en": {"display_name": "Flex"}}, "metadata": {"pricing": {"type": "Paygo"}}}
    exchange(recorder, "GET", "https://globalcatalog.cloud.ibm.com/api/v1/p1", plan, crn="")
    exchange(recorder, "GET", "/backends/ibm_fez/properties", {"last_update_date": "2026-01-01T00:00:00Z"})
    exchange(
        recorder, "POST", "/sessions", {"id": "real-session"}, body={"mode": "batch", "backend": "ibm_fez"}
    )
    exchange(recorder, "GET", "/jobs/brought", {})
    provenance = finished(recorder).provenance
    assert provenance.backend == "ibm_fez"
    assert provenance.calibrated_at == "2026-01-01T00:00:00Z"
    assert provenance.api_version == "2026-04-15"
    assert provenance.instances == (InstanceShape("flex", "paygo", "eu-de"),)
    assert provenance.literal_ids == ("brought",)


def test_backend_of_a_refused_submission_is_not_the_one_that_was_used():
    """It may not even exist."""
    recorder = Recorder(START)
    body = {"program_id": "x", "backend": "ibm_no_such"}
    exchange(recorder, "POST", "/jobs", {"errors": []}, status=404, body=body)
    exchange(recorder, "GET", "/backends/ibm_fez/status", {})
    assert finished(recorder).provenance.backend == "ibm_fez"


def test_second_instance_is_counted_from_its_first_use():
    """Which account it was is not written, which of several is."""
    recorder = Recorder(START)
    other = CRN.replace("555555555555", "666666666666")
    exchange(recorder, "GET", "/backends", {"devices": []}, crn=other)
    exchange(recorder, "GET", "/backends", {"devices": []}, crn=CRN)
    assert [i.instance for i in finished(recorder).interactions] == [0, 1]
    assert ACCOUNT not in repr(finished(recorder))


def test_instance_that_was_only_asked_for_its_backends_is_not_one_that_was_used():
    """The client asks every instance of an account before it chooses."""
    recorder = Recorder(START)
    other = CRN.replace("eu-de", "us-east").replace("555555555555", "666666666666")
    exchange(recorder, "GET", "/backends", {"devices": []}, crn=other)
    exchange(recorder, "GET", "/backends", {"devices": []}, crn=CRN)
    exchange(recorder, "GET", "/backends/ibm_fez/configuration", {}, crn=CRN)
    assert [(shape.region, shape.used) for shape in finished(recorder).provenance.instances] == [
        ("us-east", False),
        ("eu-de", True),
    ]

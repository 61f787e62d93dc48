"""Random requests over the whole grammar: answered each, and the state afterwards is intact."""

from __future__ import annotations

import functools
import json
from urllib.parse import quote

from emulator_caller import GRANT, T0, Caller, bell_circuit, encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsession._endpoints import ENDPOINTS
from qsession._model import SECOND, Request
from qsession.emulator import Backend, Emulator, Instance, PastJob
from qsession.emulator import _calibrations as calibrations
from qsession.emulator._devices import device
from qsession.emulator._instances import fake_crn

HOSTS = {
    "iam": "https://iam.cloud.ibm.com",
    "search": "https://api.global-search-tagging.cloud.ibm.com",
    "catalog": "https://globalcatalog.cloud.ibm.com",
    "resource": "https://resource-controller.cloud.ibm.com",
    "runtime": "https://quantum.cloud.ibm.com/api/v1",
}
FIRST, OWN = Instance(fake_crn(1), "first"), Instance(fake_crn(2), "second")
ANSWERS = {200, 204, 400, 401, 403, 404, 405, 409, 413, 429}

# What a call refuses to go without.
NEEDED = {
    "analytics.by_date": "group_by=instance",
    "analytics.grouped": "group_by=plan",
    "tags.list": "type=job&search=abc",
}
KNOWN = {
    "plan": [FIRST.plan_id],
    "crn": [FIRST.crn],
    "account": ["0" * 32],
    "backend": ["ibm_fez", "mock_fez", "ibm_torino"],
    "session": ["@session"],
    "job": ["@job"],
}

TEXT = st.text(max_size=12) | st.sampled_from(
    ["", ".", "..", "%", "%00", "\u202e", "ä" * 300, "🜁", "null", "a/b"]
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("-inf"), 1.5])
)
JUNK = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DATES = st.sampled_from(
    [
        "2023-11-14T22:13:20Z",
        "2023-11-14",
        "9999-12-31T23:59:59.999999+00:00",
        "0001-01-01T00:00:00-14:00",
        "now",
    ]
)
PARAMETERS = {
    "limit": NUMBERS.map(str) | TEXT,
    "offset": NUMBERS.map(str) | TEXT,
    "sort": st.sampled_from(["ASC", "DESC", "createdAt", "-createdAt"]) | TEXT,
    "pending": st.sampled_from(["true", "false", "maybe"]),
    "mode": st.sampled_from(["job", "session", "batch", "x"]),
    "status": st.sampled_from(["pending", "failed", "x"]),
    "group_by": st.sampled_from(["instance", "backend", "user_id", "plan", "x"]),
    "interval_start": DATES,
    "interval_end": DATES,
    "created_after": DATES,
    "created_before": DATES,
    "updated_before": DATES,
    "calibration_id": TEXT | st.just(calibrations.ident(device("ibm_fez"), 7)),
    "include_mocks": st.sampled_from(["true", "True", "1"]),
    "exclude_params": st.sampled_from(["true", "false"]),
    "next": TEXT | st.sampled_from(["MXxh", "fA==", "eHx5"]),
    "previous": TEXT | st.just("MXxh"),
    "tags": TEXT,
    "search": TEXT,
    "type": st.sampled_from(["job", "x"]),
    "fields": st.just("wait_time_seconds"),
    "backend": st.sampled_from(["ibm_fez", "mock_fez", "x"]),
    "user": st.sampled_from(["me", "x"]),
    "name": TEXT,
    "plan_id": TEXT,
    "instance": TEXT | st.just(FIRST.crn),
}


@functools.cache
def good_bodies() -> dict[str, list[dict]]:
    """Bodies that calls take, by the call; the strategies break them."""
    bell = json.loads(encoded([bell_circuit(), None, 3]))
    inputs = {"pubs": [bell], "options": {}, "version": 2, "support_qiskit": True}
    job = {"program_id": "sampler", "backend": "ibm_fez", "params": inputs, "tags": ["a"], "cost": 5}
    return {
        "sessions.create": [
            {"mode": "dedicated", "backend": "ibm_fez", "instance": FIRST.crn, "max_ttl": 60},
            {"mode": "batch", "backend_name": "mock_fez", "active_ttl": 9, "interactive_ttl": 3},
        ],
        "jobs.create": [
            job,
            job | {"session_id": "@session"},
            job | {"params": {"pubs": [["x"]]}, "private": True, "log_level": "DEBUG"},
            job | {"program_id": "estimator", "params": {"pubs": [[bell[0], {"Z" * 156: 1}]]}},
        ],
        "sessions.update": [{"accepting_jobs": False}, {"accepting_jobs": True}],
        "jobs.tags": [{"tags": ["b", "c"]}],
        "instances.configure": [{"instance_limit": 10_000}, {"instance_limit": None}],
        "resources.update": [{"name": "renamed", "parameters": {"usage_allocation_seconds": "5"}}],
        "search.resources": [{"query": "service_name:quantum-computing AND name:f*", "fields": ["doc"]}],
    }


@st.composite
def bodies(draw, name: str) -> bytes:
    """A good body, one with parts replaced or dropped, junk, or no JSON at all."""
    kind = draw(st.sampled_from(["good", "good", "good", "broken", "broken", "broken", "junk", "bytes"]))
    if name == "iam.token":
        return draw(st.sampled_from([f"{GRANT}&apikey=k", "grant_type=refresh_token", "a=%ff&b"])).encode()
    if kind == "bytes":
        return draw(
            st.binary(max_size=40) | st.sampled_from([b"[" * 3000, b'{"a":' * 3000, b"\xef\xbb\xbf{}"])
        )
    if kind == "junk":
        return json.dumps(draw(JUNK)).encode()
    if name not in good_bodies():
        return b""
    body = dict(draw(st.sampled_from(good_bodies()[name])))
    if kind == "broken":
        for key in draw(st.lists(st.sampled_from(sorted(body)), max_size=2)):
            body[key] = draw(JUNK)
        more = ["session_id", "log_level", "runtime", "cost", "private", "calibration_id"]
        body |= draw(st.dictionaries(st.sampled_from(more), JUNK, max_size=1))
    return json.dumps(body).encode()


RARELY = st.sampled_from([False] * 14 + [True])


@st.composite
def requests(draw) -> Request:
    """A call of the grammar with ids, parameters, headers and a body that may fit or not."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    path = endpoint.template
    for name, known in KNOWN.items():
        if "{" + name + "}" in path:
            ident = draw(TEXT) if draw(RARELY) else draw(st.sampled_from(known))
            path = path.replace("{" + name + "}", ident if ident.startswith("@") else quote(ident, safe=""))
    names = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=3))
    query = "&".join(f"{name}={quote(draw(PARAMETERS[name]))}" for name in names)
    if not draw(RARELY):
        query = f"{query}&{NEEDED.get(endpoint.name, '')}"
    headers = {"authorization": "Bearer x", "service-crn": FIRST.crn, "ibm-api-version": "2026-04-15"}
    if draw(RARELY):
        odd = ["", "apikey", "Basic eDp5", "Bearer ä", "crn:", "2024-01-01", "2026-02-15", "\U0001f4a5"]
        headers[draw(st.sampled_from(sorted(headers)))] = draw(st.sampled_from(odd))
    if draw(RARELY):
        del headers[draw(st.sampled_from(sorted(headers)))]
    others = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "X"])
    method = draw(others) if draw(RARELY) else endpoint.method
    return Request(method, f"{HOSTS[endpoint.family]}{path}?{query}", headers, draw(bodies(endpoint.name)))


@functools.cache
def fleet() -> tuple[Backend, ...]:
    return (Backend("ibm_fez"), Backend("mock_fez", mock=True), Backend("ibm_torino", status="paused"))


def first_requests() -> list[tuple[Request, int]]:
    """A session and a job, so that there is something to ask for."""
    headers = {"authorization": "Bearer x", "service-crn": FIRST.crn, "ibm-api-version": "2026-04-15"}
    made = [("/sessions", "sessions.create", 0), ("/jobs", "jobs.create", 1)]
    return [
        (Request("POST", HOSTS["runtime"] + path, headers, json.dumps(good_bodies()[name][n]).encode()), 0)
        for path, name, n in made
    ]


def fresh() -> Emulator:
    return Emulator(backends=fleet(), instances=(FIRST, OWN), history=(PastJob(status="Failed"),))


def answered(emulator: Emulator, asked: list[tuple[Request, int]]) -> list[tuple[int, bytes]]:
    """Ask one after the other; what was made is what ``@session`` and ``@job`` stand for."""
    found, made, at = [], {"@session": "none", "@job": "none"}, T0
    for request, wait in [*first_requests(), *asked]:
        at += wait * SECOND // 1000
        url, body = request.url, request.body
        for name, ident in made.items():
            url, body = url.replace(name, ident), body.replace(name.encode(), ident.encode())
        response = emulator.answer(Request(request.method, url, request.headers, body), at)
        assert response.status in ANSWERS, (request, response)
        if response.body and response.headers["content-type"] == "application/json":
            document = json.loads(response.body)
            if request.method == "POST" and response.status == 200 and "id" in (document or {}):
                made["@session" if "mode" in document else "@job"] = document["id"]
        found.append((response.status, response.body))
    return found


def flow(emulator: Emulator) -> list[object]:
    """A session with a job, from its opening to its usage, on an instance of its own."""
    caller, at = Caller(emulator), 1e6
    caller.headers["service-crn"] = OWN.crn
    session = caller.session(at=at)
    job = caller.job([[bell_circuit(), None, 64]], session_id=session, at=at)
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=at + 1)
    counts = caller.result(job, at=at + 1)[0].data.meas.get_counts()
    document = caller.json("GET", f"/sessions/{session}", at=at + 2)
    usage = caller.json("GET", "/instances/usage", at=at + 2)["usage_consumed_seconds"]
    return [session, job, counts, document["state"], document["elapsed_time"], usage]


@functools.cache
def undisturbed() -> list[object]:
    return flow(fresh())


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(st.tuples(requests(), st.sampled_from([0, 1, 300, 5000])), min_size=10, max_size=25))
def test_random_requests_are_answered_and_leave_the_state_intact(asked):
    """Never an exception, never a 500; equal requests give equal bytes; a flow works as if none had come."""
    emulator = fresh()
    found = answered(emulator, asked)
    assert answered(fresh(), asked) == found
    assert flow(emulator) == undisturbed()

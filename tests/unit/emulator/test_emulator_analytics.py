"""Usage analytics, in milliseconds."""

from __future__ import annotations

import pytest
from emulator_caller import Caller, encoded

from qsession.emulator import Backend, Emulator, Instance
from qsession.emulator._instances import fake_crn

FIRST = Instance(fake_crn(1), "first")
SECOND = Instance(fake_crn(2), "second", plan="Flex", pricing_type="subscription")
NOTHING = {
    "usage": 0,
    "sessions": 0,
    "batch_sessions": 0,
    "dedicated_sessions": 0,
    "individual_jobs": 0,
    "queue_time": 0,
}


def plain_job(**more) -> bytes:
    return encoded(
        {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [["x"]], "version": 2}, **more}
    )


@pytest.fixture
def used():
    """A session of 1.8 s, a batch of 0.3 s, a job of 0.3 s on each of two instances, a dry run, a day later one."""
    backends = ("ibm_fez", "ibm_torino", Backend("mock_fez", mock=True))
    caller = Caller(Emulator(backends=backends, instances=(FIRST, SECOND)))
    caller.headers["service-crn"] = FIRST.crn
    for mode in ("dedicated", "batch"):
        session = caller.session(mode)
        caller.json("POST", "/jobs", plain_job(session_id=session))
        caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=2)
    caller.json("POST", "/jobs", plain_job(backend="ibm_torino"))
    caller.json("POST", "/jobs", plain_job(backend="mock_fez"))
    caller.json("POST", "/jobs", plain_job(), service_crn=SECOND.crn)
    caller.json("POST", "/jobs", plain_job(), service_crn=SECOND.crn, at=86_400)
    return caller


def get(caller, path: str, *, at: float = 90_000):
    return caller.json("GET", f"/analytics/{path}", at=at)


def test_usage_is_summed_by_kind(used):
    """All instances of the account; what a mock backend did costs nothing."""
    assert get(used, "usage") == {
        "usage": 1800 + 300 + 3 * 300,
        "sessions": 2100,
        "batch_sessions": 300,
        "dedicated_sessions": 1800,
        "individual_jobs": 900,
        "queue_time": 5 * 200,
    }


def test_usage_before_anything_is_over_is_nothing(used):
    """What still runs does not count."""
    assert get(used, "usage", at=0.1) == NOTHING


@pytest.mark.parametrize(
    ("query", "usage"),
    [
        (f"instance={FIRST.crn}", 2400),
        (f"instance={FIRST.crn}&instance={SECOND.crn}", 3000),
        ("instance=other", 0),
        ("backend=ibm_torino", 300),
        ("backend=mock_fez", 0),
        ("user_id=IBMid-0000000000", 3000),
        ("user_id=else", 0),
        ("plan=flex", 600),
        (f"subscription_id={'0' * 32}", 3000),
        ("interval_start=2023-11-15T00:00:00Z", 300),
        ("interval_end=2023-11-15T00:00:00Z", 2700),
        ("interval_start=2023-11-14T22:13:22Z&interval_end=2023-11-14T22:13:22.001Z", 2100),
        ("interval_start=2023-11-14T22:13:22Z&interval_end=2023-11-14T22:13:22Z", 0),
        ("simulators=false", 3000),
    ],
)
def test_usage_is_filtered(used, query, usage):
    """Each parameter alone; the end of the interval is not part of it."""
    assert get(used, f"usage?{query}")["usage"] == usage


@pytest.mark.parametrize(
    ("key", "groups"),
    [
        ("instance", {FIRST.crn: 2400, SECOND.crn: 600}),
        ("backend", {"ibm_fez": 2700, "ibm_torino": 300}),
        ("user_id", {"IBMid-0000000000": 3000}),
        ("plan", {"premium": 2400, "flex": 600}),
        ("subscription_id", {"0" * 32: 3000}),
    ],
)
def test_groups_add_up_to_the_usage(used, key, groups):
    """One entry for each value, and together the whole."""
    data = get(used, f"usage_grouped?group_by={key}")["data"]
    assert {entry[key]: entry["usage"] for entry in data} == groups
    assert [entry[key] for entry in data] == sorted(groups)
    whole = get(used, "usage")
    assert {name: sum(entry[name] for entry in data) for name in whole} == whole


def test_days_are_grouped_by_instance(used):
    """One entry for each day and instance, on UTC days, with both ends of the day."""
    data = get(used, "usage_grouped_by_date?group_by=instance")["data"]
    assert [(e["interval_start"], e["interval_end"], e["instance"], e["usage"]) for e in data] == [
        ("2023-11-14T00:00:00.000Z", "2023-11-15T00:00:00.000Z", FIRST.crn, 2400),
        ("2023-11-14T00:00:00.000Z", "2023-11-15T00:00:00.000Z", SECOND.crn, 300),
        ("2023-11-15T00:00:00.000Z", "2023-11-16T00:00:00.000Z", SECOND.crn, 300),
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("usage_grouped", "group_by must be one of instance, backend, user_id, plan, subscription_id"),
        (
            "usage_grouped?group_by=day",
            "group_by must be one of instance, backend, user_id, plan, subscription_id",
        ),
        ("usage_grouped_by_date?group_by=backend", "group_by must be one of instance"),
        ("usage?interval_start=monday", "interval_start must be a date and time with its zone"),
        (
            "usage?interval_start=2023-11-15T00:00:00Z&interval_end=2023-11-14T00:00:00Z",
            "interval_start must not be after interval_end",
        ),
    ],
)
def test_malformed_queries_are_400(used, path, reason):
    """What is not understood is refused with its reason."""
    status, error = used.refusal("GET", f"/analytics/{path}")
    assert (status, error["message"]) == (400, f"Request validation of query failed, because: {reason}")
    assert error["solution"] == "Correct the query parameters."


def test_filters_are_what_can_be_filtered_by(used):
    """Instances, backends, users, plans and subscriptions of the account, or of one instance."""
    assert get(used, "filters") == {
        "instances": [{"id": FIRST.crn, "name": "first"}, {"id": SECOND.crn, "name": "second"}],
        "backends": ["ibm_fez", "ibm_torino"],
        "users": ["IBMid-0000000000"],
        "plans": ["flex", "premium"],
        "subscriptions": ["0" * 32],
    }
    assert get(used, f"filters?instance={SECOND.crn}")["plans"] == ["flex"]
    assert get(used, "filters?instance=x")["users"] == []


def test_usage_agrees_with_the_instances(used):
    """Milliseconds of the analytics are the seconds of the instances' own usage."""
    for own in (FIRST, SECOND):
        seconds = used.json("GET", "/instances/usage", at=90_000, service_crn=own.crn)[
            "usage_consumed_seconds"
        ]
        assert get(used, f"usage?instance={own.crn}")["usage"] == round(seconds * 1000)

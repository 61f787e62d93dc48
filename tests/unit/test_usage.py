"""QPU seconds, as far as the answers of a recording tell."""

import json

import pytest

from qsession._model import Interaction, Request, Response
from qsession._usage import qpu_seconds

BASE = "https://quantum.cloud.ibm.com/api/v1"


def exchange(endpoint, path, answer, body=None):
    request = Request("GET", BASE + path, {}, json.dumps(body or {}).encode())
    return Interaction(endpoint, 0, request, Response(200, body=json.dumps(answer).encode()), 0, 0)


def charge(job, seconds):
    usage = {"usage": {"qpu_charge_time_seconds": seconds}}
    return [
        exchange("jobs.create", "/jobs", {"id": job}, {"session_id": "s"}),
        exchange("jobs.get", f"/jobs/{job}", usage),
    ]


def elapsed(seconds, mode="dedicated"):
    return exchange("sessions.get", "/sessions/s", {"id": "s", "mode": mode, "elapsed_time": seconds})


@pytest.mark.parametrize(
    ("exchanges", "expected"),
    [
        ([], 0.0),
        (charge("a", 2) + charge("b", 3.5), 5.5),
        ([*charge("a", 2), elapsed(60)], 60.0),
        ([elapsed(None), *charge("a", 2)], 2.0),
        ([elapsed(4, "batch"), *charge("a", 2)], 2.0),
        (
            [
                *charge("a", 1),
                exchange("jobs.metrics", "/jobs/a/metrics", {"usage": {"qpu_charge_time_seconds": 3}}),
            ],
            3.0,
        ),
        ([exchange("jobs.get", "/jobs/a", ["no", "object"])], 0.0),
    ],
    ids=["nothing", "jobs", "session", "session without usage", "batch", "last charge counts", "odd answer"],
)
def test_qpu_seconds_counts_sessions_by_wall_clock_and_batches_by_jobs(exchanges, expected):
    """The documented rule of what is charged."""
    assert qpu_seconds(exchanges) == expected

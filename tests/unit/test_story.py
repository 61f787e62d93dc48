"""What happened in a recording, told in lines."""

import json

from qsession._model import Interaction, Request, Response
from qsession._story import story


def exchange(endpoint, answer, *, at=0, seen=1, status=200):
    body = json.dumps(answer).encode()
    request = Request("GET", "https://quantum.cloud.ibm.com/api/v1/jobs/a")
    return Interaction(endpoint, 0, request, Response(status, body=body), at, 0, seen, at)


def test_story_tells_each_change_once_with_its_polls():
    """States that did not change are not told again, and what is no job is left out."""
    lines = story(
        [
            exchange("jobs.create", {"id": "a"}),
            exchange("jobs.get", {"id": "a", "state": {"status": "Queued"}}, at=1_000_000, seen=4),
            exchange("jobs.get", {"id": "a", "state": {"status": "Queued"}}, at=2_000_000),
            exchange("jobs.get", ["no", "job"], at=3_000_000),
            exchange("jobs.cancel", {}, at=4_000_000, status=409),
        ]
    )
    assert list(lines) == [
        "   0.000 s  job submitted",
        "   1.000 s  job is queued (4 polls)",
        "   4.000 s  job cancelled: refused, 409",
    ]

"""What a journal costs: ``python -m benchmarks.journal_cost`` takes 2,000 interactions down.

Two kinds: polls of a job (about 1 kB each, none equal to the one before), and submissions, which are
on the disk before they are sent and again before their answer is handed on. Between them one body of
570 kB, stored beside the journal. Eight secrets are known, as after a real discovery. ``--quick`` takes
fewer. Exit status 1 if an interaction costs more than ``BAR`` milliseconds, but for submissions, whose
cost is that of the disk.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._measuring import seconds
from qsession._journal import Journal, new_head, read
from qsession._model import Interaction, Request, Response
from qsession._redaction import Redactor

BAR = 2.0
BASE = "https://quantum.cloud.ibm.com/api/v1"
POLL = {"id": "d0123456789abcdefghi", "status": "Queued", "state": {"status": "Queued"}, "note": "x" * 900}


def costs(folder: Path, count: int) -> dict[str, float]:
    """Milliseconds for an interaction of each kind, and the length of the journal in kB."""
    redactor = Redactor()
    for number in range(8):
        redactor.learn(f"token {number}", secrets.token_urlsafe(400 if number < 4 else 32))
    journal = Journal.begin(
        folder / "journal" / "a.jsonl", redactor, new_head(test="", cassette="a.yaml", recorded_at=0)
    )
    submissions = max(1, count // 100)
    found = {
        "poll": seconds(lambda: _polls(journal, count)) / count * 1000,
        "the same answer again": seconds(lambda: [journal.again(0, n) for n in range(count)]) / count * 1000,
        "body of 570 kB": seconds(lambda: journal.said(_exchange(count, "y" * 570_000))) * 1000,
        "submission": seconds(lambda: _submissions(journal, submissions)) / submissions * 1000,
        "reading it back, for each": seconds(lambda: read(journal.path)) / count * 1000,
        "length in kB": journal.path.stat().st_size / 1000,
    }
    past = read(journal.path)
    assert len(past.interactions) == count + 1 + submissions
    journal.close()
    return found


def _exchange(number: int, note: str = "") -> Interaction:
    answer = json.dumps(POLL | {"number": number, "note": note or POLL["note"]}).encode()
    request = Request("GET", f"{BASE}/jobs/d0123456789abcdefghi?exclude_params=true", {"accept": "*/*"})
    reply = Response(200, "OK", {"content-type": "application/json"}, answer)
    return Interaction("jobs.get", 0, request, reply, number, 5)


def _polls(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.said(_exchange(number))


def _submissions(journal: Journal, count: int) -> None:
    body = json.dumps({"program_id": "sampler", "params": "z" * 8_000}).encode()
    request = Request("POST", f"{BASE}/jobs", {"content-type": "application/json"}, body)
    for number in range(count):
        journal.asking("jobs.create", 0, request, number)
        journal.made("job", f"c0123456789abcdef{number:04d}", "meaning")
        journal.said(Interaction("jobs.create", 0, request, Response(200, body=b"{}"), number, 5))


def main(arguments: list[str]) -> int:
    """Measure, and say whether it is within the bar."""
    # Quick ones run beside other tests, which takes the meaning from times.
    count, bar = (200, 25 * BAR) if "--quick" in arguments else (2000, BAR)
    with TemporaryDirectory() as name:
        found = costs(Path(name), count)
    print(f"{count} interactions, milliseconds each:")
    for kind, value in found.items():
        print(f"  {kind}: {value:.3f}")
    slow = max(found["poll"], found["the same answer again"])
    print(f"bar: {bar} ms, slowest: {slow:.3f} ms")
    return 0 if slow <= bar else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

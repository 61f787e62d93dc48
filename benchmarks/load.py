"""What it costs to open a recording, and to be answered from a long one.

    python benchmarks/load.py [--rounds N] [--json FILE]

Every opening is in a process of its own, as in CI: `first` is the first one ever, `again`
a later process, `same process` a later opening in one. Parsing the YAML alone is the
yardstick. Bodies of 50 MB: time and memory of opening, then of reading them all. Memory
is what Python allocated at the peak (tracemalloc), and by how much the process grew (RSS),
both as multiples of the bodies. Figures are medians of the rounds; compare ratios.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import yaml

from qsession import _cassette
from qsession._discovery import Discovery
from qsession._model import Interaction, Place, Provenance, Recording, Request, Response
from qsession._redaction import Redactor
from qsession._replay import Replay
from qsession._store import Store

API = "https://quantum.cloud.ibm.com/api/v1"
JSON = {"content-type": "application/json"}
ASKED = {"accept": "application/json", "ibm-api-version": "2026-04-15"}
SIZES = (500, 2_000, 10_000)
LENGTHS = (100, 1_000, 10_000, 100_000)
MEGABYTE = 10**6
TOTAL = 50 * MEGABYTE
SAMPLE = 400
RECORDED = Path(__file__).parent.parent / "cassettes/tests/recorded/test_flows/test_sampler_in_a_session.yaml"

Figures = dict[str, float]


def submitted() -> dict[str, object]:
    """The body of a job that was really recorded."""
    store = Store(RECORDED.parents[3], Path(os.devnull))
    bodies = (i.request.body for i in store.load(RECORDED).interactions if i.endpoint == "jobs.create")
    body: dict[str, object] = json.loads(next(bodies))
    return body


def exchange(name: str, at: int, request: Request, answer: object) -> Interaction:
    moment = at * 1_000_000
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return Interaction(name, 0, request, Response(200, "OK", JSON, body), moment, 1_000, last=moment)


def poll(job: str, at: int) -> Interaction:
    answer = {
        "id": job,
        "backend": "ibm_fez",
        "created": "2026-01-01T00:00:00.000000Z",
        "status": "Queued",
        "state": {"status": "Queued", "reason": None},
        "estimated_running_time_seconds": 2.0,
        "position_in_queue": at,
        "session_id": "session-0",
        "tags": [],
        "usage": {"quantum_seconds": 0, "seconds": 0},
        "program": {"id": "sampler"},
        "cost": 10_000,
        "private": False,
        "user_id": "IBMid-redacted",
    }
    return exchange("jobs.get", at, Request("GET", f"{API}/jobs/{job}?exclude_params=true", ASKED), answer)


def jobs(count: int, polls: int, payload: dict[str, object]) -> Iterator[Interaction]:
    """Jobs one after the other, each polled until there are enough interactions."""
    for at in range(count):
        job = f"job-{at // (polls + 1)}"
        if at % (polls + 1):
            yield poll(job, at)
            continue
        body = json.dumps(payload | {"tags": [job], "session_id": "session-0"}).encode()
        yield exchange("jobs.create", at, Request("POST", f"{API}/jobs", ASKED, body), {"id": job})


def recording(interactions: Iterator[Interaction]) -> Recording:
    return Recording(Provenance("emulator", 0, versions={"qiskit": "2"}), tuple(interactions))


def bodies(kind: str) -> Iterator[bytes]:
    """50 MB of bodies."""
    chance = random.Random(0)
    text, size = kind.split(" of ")
    length = {"16 KiB": _cassette.LARGE + 1, "600 kB": 600_000, "50 MB": TOTAL}[size]
    for _ in range(TOTAL // length):
        if text == "base64":
            data = base64.b64encode(chance.randbytes(length * 3 // 4)).decode()
            yield json.dumps({"data": data}).encode()
        else:
            rows = [{"qubit": n, "T1": chance.random(), "name": "T1"} for n in range(length // 55)]
            yield json.dumps(rows).encode().ljust(length)


KINDS = [f"{text} of {size}" for text in ("JSON", "base64") for size in ("50 MB", "600 kB", "16 KiB")]


def results(kind: str) -> Iterator[Interaction]:
    for at, body in enumerate(bodies(kind)):
        yield exchange("jobs.results", at, Request("GET", f"{API}/jobs/job-{at}/results", ASKED), body)


def timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def load(path: Path) -> Recording:
    return Store(path.parent, path.parent / ".qsession").load(path)


def replayed(content: Recording) -> Replay:
    return Replay(content, Discovery(content.provenance.instances), Place("load"))


def one_opening(path: Path) -> Figures:
    opened: list[Recording] = []
    figures = {"load": timed(lambda: opened.append(load(path)))}
    figures["replay"] = timed(lambda: replayed(opened[0]))
    figures["same process"] = timed(lambda: load(path))
    return figures


def one_parsing(path: Path) -> Figures:
    text = path.read_text("utf-8")
    return {"load": timed(lambda: yaml.load(text, Loader=yaml.CSafeLoader))}


def one_growth(path: Path) -> Figures:
    before = _rss()
    figures, kept = {}, load(path)
    figures["open"] = _rss() - before
    total = sum(len(each.response.body) for each in kept.interactions)
    figures["read"] = _rss() - before
    return {name: grown * 1024 / total for name, grown in figures.items()}


def _rss() -> int:
    # Not by getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def one_allocation(path: Path) -> Figures:
    tracemalloc.start()
    kept = load(path)
    opened = tracemalloc.get_traced_memory()[1]
    total = sum(len(each.response.body) for each in kept.interactions)
    return {"open": opened / total, "read": tracemalloc.get_traced_memory()[1] / total}


def one_reading(path: Path) -> Figures:
    opened: list[Recording] = []
    figures = {"open": timed(lambda: opened.append(load(path)))}
    return figures | {"read": timed(lambda: [each.response.body for each in opened[0].interactions])}


WORK: dict[str, Callable[[Path], Figures]] = {
    "opening": one_opening,
    "parsing": one_parsing,
    "growth": one_growth,
    "allocation": one_allocation,
    "reading": one_reading,
}


def apart(work: str, path: Path) -> Figures:
    """Do it in a process of its own."""
    command = [sys.executable, __file__, "--work", work, str(path)]
    figures: Figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def medians(rounds: list[Figures]) -> Figures:
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def forget(path: Path) -> None:
    for kept in path.parent.glob(".qsession/cache/*"):
        kept.unlink()


def openings(folder: Path, rounds: int) -> list[Figures]:
    rows = []
    for count in SIZES:
        path = folder / str(count) / "a.yaml"
        Store(path.parent, folder).save(path, recording(jobs(count, 24, submitted())), Redactor())
        first, again, parsing = [], [], []
        for _ in range(rounds if count < SIZES[-1] else 1):
            forget(path)
            parsing.append(apart("parsing", path))
            first.append(apart("opening", path))
            again.append(apart("opening", path))
        row = {"interactions": float(count), "yaml": medians(parsing)["load"]}
        row |= {"first": medians(first)["load"], "first replay": medians(first)["replay"]}
        row |= {"again": medians(again)["load"], "again replay": medians(again)["replay"]}
        rows.append(row | {"same process": medians(again)["same process"]})
    return rows


def large(folder: Path, rounds: int) -> dict[str, dict[str, Figures]]:
    found = {}
    for kind in KINDS:
        path = folder / kind.replace(" ", "-") / "a.yaml"
        Store(path.parent, folder).save(path, recording(results(kind)), Redactor())
        first = apart("reading", path)
        again = medians([apart("reading", path) for _ in range(rounds)])
        allocated, grown = apart("allocation", path), apart("growth", path)
        found[kind] = {"first": first, "again": again, "allocated": allocated, "grown": grown}
    return found


def answers(count: int, polls: int) -> Figures:
    """Seconds a request, answered from a recording of jobs that were polled so often."""
    content = recording(jobs(count, polls, {"program_id": "none", "backend": "ibm_fez"}))
    opening = timed(lambda: replayed(content))
    replay = replayed(content)
    asked = content.interactions
    writes = [each for each in asked if each.endpoint == "jobs.create"][:SAMPLE]
    sent = timed(lambda: [replay.answer(each.request, each.at) for each in writes])
    reads = [each for each in asked[: len(writes) * (polls + 1)] if each.endpoint == "jobs.get"]
    # The last ones, so that those of one job are deep in its states.
    first = timed(lambda: [replay.answer(each.request, each.at) for each in reads[-SAMPLE:]])
    again = timed(lambda: [replay.answer(each.request, each.at) for each in reads[-SAMPLE:]])
    reads = reads[-SAMPLE:]
    figures = {"open": opening / count, "write": sent / len(writes)}
    return figures | {"read": first / len(reads), "read again": again / len(reads)}


def show_openings(rows: list[Figures]) -> None:
    print("Opening, milliseconds, and as a part of parsing the YAML alone")
    for row in rows:
        print(f"  {row['interactions']:6.0f} interactions   YAML {row['yaml'] * 1e3:7.1f}")
        for name in ("first", "first replay", "again", "again replay", "same process"):
            print(f"    {name:<14}{row[name] * 1e3:9.2f} {row[name] / row['yaml']:7.3f} x")


def show_large(found: dict[str, dict[str, Figures]]) -> None:
    print("50 MB of bodies: seconds to open / to read all, memory as multiples of the bodies")
    for kind, figures in found.items():
        cells = [f"{name} {each['open']:.3f} / {each['read']:.3f}" for name, each in figures.items()]
        print(f"  {kind:<17} {'   '.join(cells)}")


def show_answers(rows: dict[int, Figures]) -> None:
    print("Answers, microseconds a request, and as multiples of the shortest recording")
    base = rows[min(rows)]
    for count, row in rows.items():
        cells = [f"{name} {value * 1e6:8.1f} ({value / base[name]:6.2f} x)" for name, value in row.items()]
        print(f"  {count:7} interactions   {'   '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(WORK[options.work[0]](Path(options.work[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        rows = openings(Path(name), options.rounds)
        show_openings(rows)
        found = large(Path(name), options.rounds)
        show_large(found)
    many = {count: answers(count, 1) for count in LENGTHS}
    one = {count: answers(count, count - 1) for count in LENGTHS}
    for title, replies in (("many jobs, polled once", many), ("one job, polled often", one)):
        print(f"Recordings of {title}:")
        show_answers(replies)
    if options.json:
        document = {"openings": rows, "large": found, "many jobs": many, "one job": one}
        options.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

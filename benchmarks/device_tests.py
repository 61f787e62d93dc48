"""What a test on a 156-qubit device costs, from the second one on, and a thousand of them.

Each test opens a session, runs a Bell job through ``SamplerV2`` and reads its counts.
Beside ours, which replays a cassette of its own for each test: tests with no service
at all, which are the test's own code; pytest-recording with stock vcrpy, which replays
a recording of the same client against the emulator over HTTP; and the client's local
testing mode with ``FakeFez``, which simulates. Each runs in a pytest of its own on one
core; the peers run as many tests as one can wait for, and are scaled from there.
"""

from __future__ import annotations

import statistics
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._findings import Findings, Line, Plot, Row
from benchmarks._project import Times, copies, project, run
from qsession.emulator import Emulator, EmulatorServer

MANY = 1_000
NAMES = {
    "own": "the test's own code",
    "qsession": "qsession",
    "recording": "pytest-recording (stock vcrpy)",
    "local": "local testing mode (FakeFez)",
}


def measure(*, quick: bool) -> Findings:
    """Record once for each, then run the tests of each kind."""
    skipped = []
    counts = {"own": 200, "qsession": 30 if quick else MANY, "local": 1 if quick else 3}
    if find_spec("pytest_recording"):
        counts["recording"] = 2 if quick else 10
    else:
        skipped.append("pytest-recording is not installed: pip install pytest-recording")
    with TemporaryDirectory() as name:
        folder = project(Path(name) / "project")
        found = {kind: _run(folder, kind, count) for kind, count in counts.items()}
    return Findings(tuple(_rows(found)), (_plot(found),), tuple(skipped))


def _run(folder: Path, kind: str, count: int) -> Times:
    if kind == "qsession":
        run(folder, kind, 1, "--qsession-record", "--qsession-target=emulator")
        copies(folder, count)
    if kind == "recording":
        return _with_server(folder, count)
    return run(folder, kind, count)


def _with_server(folder: Path, count: int) -> Times:
    with EmulatorServer(Emulator()) as server:
        environment = server.environment()
        run(folder, "recording", 1, "--record-mode=once", environment=environment)
    return run(folder, "recording", count, environment=environment)


def _rows(found: dict[str, Times]) -> list[Row]:
    each = {kind: _later(times.tests) for kind, times in found.items()}
    computed = _later(found["qsession"].computed) - _later(found["own"].computed)
    ours = each["qsession"] - each["own"]
    first = found["qsession"].tests[0]
    rows = [
        Row(
            "tests.cost",
            "a test on a 156-qubit device beyond its own code, from the second on",
            ours * 1000,
            "ms",
            ratio=each["local"] / each["qsession"],
            beside=f"faster than the local testing mode ({each['local']:.1f} s)",
            bar=25,
            note=f"{computed * 1000:.1f} ms of the processor; the first {first * 1000:,.0f} ms; "
            f"the test's own code {each['own'] * 1000:.1f} ms",
        ),
        _thousand(found, "local"),
    ]
    if "recording" in found:
        rows.append(_thousand(found, "recording"))
    return rows


def _later(times: tuple[float, ...]) -> float:
    return statistics.median(times[1:] or times)


def _thousand(found: dict[str, Times], peer: str) -> Row:
    ours, theirs = found["qsession"], found[peer]
    scaled = f"{NAMES[peer]} scaled from {len(theirs.tests)}"
    if len(ours.tests) != MANY:
        scaled = f"scaled from {len(ours.tests)}, {scaled}"
    return Row(
        f"tests.thousand-{peer}",
        "1,000 such tests on one core, the start of pytest included",
        ours.whole(MANY),
        "s",
        ratio=theirs.whole(MANY) / ours.whole(MANY),
        beside=f"faster than {NAMES[peer]} ({theirs.whole(MANY):,.0f} s)",
        bar=30,
        note=scaled,
    )


def _plot(found: dict[str, Times]) -> Plot:
    lines = [Line(NAMES[kind], _growth(times)) for kind, times in found.items()]
    return Plot("tests", "Tests on a 156-qubit device", "tests", "seconds", tuple(lines))


def _growth(times: Times) -> tuple[tuple[float, float], ...]:
    sums = list(accumulate(times.tests))
    counts = sorted({round(10 ** (step / 4)) for step in range(20)} | {len(sums)})
    return tuple((float(count), sums[count - 1]) for count in counts if count <= len(sums))

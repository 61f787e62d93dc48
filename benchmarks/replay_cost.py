"""What a request costs in a replay, and whether that grows with the recording.

Each size is a recording of that many jobs, each read once. Requests go through a
``requests.Session``, in chunks, and after each chunk as many requests are prepared and
not sent: so every figure has a yardstick of the same moment beside it, and the sizes
and the peers can be compared although one run follows the other. Nothing that answers
requests has a hand in the yardstick.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from qiskit_ibm_runtime.api.session import RetrySession

from benchmarks._findings import Findings, Line, Plot, Row
from benchmarks._measuring import Real
from benchmarks._ways import HEADERS, HOST, Reads, Way, adapter, nothing_to_do
from qsession._environment import changed

SIZES = (100, 1_000, 10_000, 100_000)
STOCK_SIZES = (100, 500, 2_000)
CHUNK = 50
Middle = Callable[[Sequence[float]], float]
NOTHING, ADAPTER = "a do-nothing vcrpy cassette", "an in-memory adapter"
PEERS: dict[str, Way] = {NOTHING: nothing_to_do, ADAPTER: adapter}
OPT_OUT = {"USAGE_DATA_OPT_OUT": "True"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs.

    Attributes:
        ms: Milliseconds, the median of the chunks.
        yards: The same by what it takes to prepare a request at the same moment.
    """

    ms: float
    yards: float


def measure(*, quick: bool) -> Findings:
    """Time every size, the do-nothing cassette between them, and stock vcrpy."""
    asked = 500 if quick else 5_000
    ours: dict[int, Cost] = {}
    peers: dict[str, list[Cost]] = {name: [] for name in PEERS}
    for size in SIZES:
        reads = Reads(size)
        ours[size] = cost(reads.ours(), reads, asked, rounds=_rounds(size, quick=quick))
        for name, way in PEERS.items():
            peers[name].append(cost(way, reads, min(asked, 1_000)))
    floors = {name: _middle(costs) for name, costs in peers.items()}
    stock = {distinct: _stock(distinct=distinct, quick=quick) for distinct in (True, False)}
    return Findings(
        (*_rows(ours, floors), *_stock_rows(stock), _through_the_client(quick=quick)),
        (_plot(ours, floors, stock),),
    )


def cost(way: Way, reads: Reads, asked: int, *, rounds: int = 1, middle: Middle = statistics.median) -> Cost:
    """Ask a way for reads that are spread evenly over a recording, in order."""
    count = min(reads.count, asked)
    numbers = [i * reads.count // count for i in range(count)]
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        with way() as session:
            found += _chunks(session, [reads.url(number) for number in numbers])
    return Cost(middle([a for a, _ in found]), middle([a / b for a, b in found]))


def _chunks(session: requests.Session, urls: list[str]) -> Iterable[tuple[float, float]]:
    for start in range(0, len(urls), CHUNK):
        part = urls[start : start + CHUNK]
        yield _ask(session, part), _prepare(part)


def _ask(session: requests.Session, urls: list[str]) -> float:
    began = Real.now()
    for url in urls:
        assert session.get(url).status_code == 200
    return (Real.now() - began) / len(urls) * 1000


def _prepare(urls: list[str]) -> float:
    began = Real.now()
    for url in urls:
        requests.Request("GET", url, HEADERS).prepare()
    return (Real.now() - began) / len(urls) * 1000


def _rounds(size: int, *, quick: bool) -> int:
    # A small recording gives few chunks, a large one takes long to open.
    return max(1, (2_000 if quick else 10_000) // min(size, 10_000))


def _middle(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.ms for c in costs), statistics.median(c.yards for c in costs))


def _stock(*, distinct: bool, quick: bool) -> dict[int, Cost]:
    found = {}
    with TemporaryDirectory() as folder:
        for size in STOCK_SIZES:
            if quick and size > 500 and not distinct:
                continue  # a poll costs the more the more came before: it cannot be sampled
            reads = Reads(size, distinct)
            asked = 50 if quick and distinct else size
            # Its polls grow dearer one by one: the median would hide what they cost together.
            found[size] = cost(reads.stock(Path(folder)), reads, asked, middle=statistics.fmean)
    return found


def _rows(ours: dict[int, Cost], floors: dict[str, Cost]) -> Iterable[Row]:
    small, large = min(ours), max(ours)
    growth = max(found.yards for found in ours.values()) / min(found.yards for found in ours.values())
    each = ", ".join(f"{found.ms:.2f} ms at {size:,}" for size, found in ours.items())
    yield Row(
        "replay.growth",
        f"a request in a replay, recordings of {small:,} to {large:,} interactions",
        ours[large].ms,
        "ms",
        ratio=growth,
        beside="dearest by cheapest size",
        bar=1.3,
        bar_of="ratio",
        note=f"{each}; the sizes are compared by a yardstick of the same moment",
    )
    worst = max(ours.values(), key=lambda found: found.yards)
    for name, bar in ((NOTHING, 1.5), (ADAPTER, 3.0)):
        yield Row(
            f"replay.{'nothing' if name == NOTHING else 'adapter'}",
            "a request in a replay, the dearest size",
            worst.ms,
            "ms",
            ratio=worst.yards / floors[name].yards,
            beside=f"{name} ({floors[name].ms:.2f} ms)",
            bar=bar,
            bar_of="ratio",
        )


def _stock_rows(stock: dict[bool, dict[int, Cost]]) -> Iterable[Row]:
    for distinct, kind in ((True, "distinct reads"), (False, "identical polls")):
        size = max(stock[distinct])
        reads = Reads(size, distinct)
        mine = cost(reads.ours(), reads, size, middle=statistics.fmean)
        theirs = stock[distinct][size]
        yield Row(
            f"replay.stock-{'distinct' if distinct else 'polls'}-{size}",
            f"a request in a replay, {size:,} {kind}",
            mine.ms,
            "ms",
            ratio=theirs.yards / mine.yards,
            beside=f"faster than stock vcrpy ({theirs.ms:.2f} ms)",
            bar=50 if size >= 2_000 else None,
            sense="at least",
            bar_of="ratio",
        )


def _through_the_client(*, quick: bool) -> Row:
    """The same over the client's own session, which adds headers, retries and checks."""
    reads = Reads(500 if quick else 1_000)
    found: dict[str, list[float]] = {"ours": [], "nothing": []}
    urls = [reads.url(number).removeprefix(HOST) for number in range(reads.count)]
    ways = {"ours": reads.ours(), "nothing": nothing_to_do}
    for _ in range(4 if quick else 9):
        for name, way in ways.items():
            with changed(OPT_OUT) if name == "nothing" else nullcontext(), way():
                found[name].append(_ask(RetrySession(HOST), urls))
    ours, nothing = (statistics.median(values) for values in found.values())
    return Row(
        "replay.client",
        "a request in a replay through the client's RetrySession",
        ours,
        "ms",
        ratio=ours / nothing,
        beside=f"{NOTHING} ({nothing:.2f} ms)",
        bar=1.5,
        bar_of="ratio",
    )


def _plot(ours: dict[int, Cost], floors: dict[str, Cost], stock: dict[bool, dict[int, Cost]]) -> Plot:
    unit = floors[ADAPTER].yards
    flat = [
        Line(name, tuple((size, floor.yards / unit) for size in (min(SIZES), max(SIZES))))
        for name, floor in floors.items()
    ]
    lines = [
        _line("qsession", ours, unit),
        *flat,
        _line("stock vcrpy, distinct reads", stock[True], unit),
        _line("stock vcrpy, identical polls", stock[False], unit),
    ]
    return Plot(
        "replay-cost",
        "Cost of a request in a replay",
        "interactions in the recording",
        f"times {ADAPTER}",
        tuple(lines),
    )


def _line(name: str, costs: dict[int, Cost], unit: float) -> Line:
    return Line(name, tuple((float(size), found.yards / unit) for size, found in costs.items()))

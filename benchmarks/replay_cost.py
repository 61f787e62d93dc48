"""What a request costs in a replay, and whether that grows with the recording.

Each size is a recording of that many jobs, each read once. Requests go through a
``requests.Session``, in chunks, and after each chunk the in-memory adapter answers as
many: so every figure has the adapter's of the same moment beside it, and the sizes
can be compared although one run follows the other.
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
from benchmarks._ways import HOST, Reads, Way, adapter, nothing_to_do
from qsession._environment import changed

SIZES = (100, 1_000, 10_000, 100_000)
STOCK_SIZES = (100, 500, 2_000)
CHUNK = 50
Middle = Callable[[Sequence[float]], float]
OPT_OUT = {"USAGE_DATA_OPT_OUT": "True"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs.

    Attributes:
        ms: Milliseconds, the median of the chunks.
        adapters: The same by what the in-memory adapter takes at the same moment.
    """

    ms: float
    adapters: float


def measure(*, quick: bool) -> Findings:
    """Time every size, the do-nothing cassette between them, and stock vcrpy."""
    asked = 500 if quick else 5_000
    ours: dict[int, Cost] = {}
    nothing: list[Cost] = []
    for size in SIZES:
        reads = Reads(size)
        ours[size] = cost(reads.ours(), reads, asked, rounds=_rounds(size, quick=quick))
        nothing.append(cost(nothing_to_do, reads, min(asked, 1_000)))
    floor = _middle(nothing)
    stock = {distinct: _stock(distinct=distinct, quick=quick) for distinct in (True, False)}
    return Findings(
        (*_rows(ours, floor), *_stock_rows(ours, stock), _through_the_client(quick=quick)),
        (_plot(ours, floor, stock),),
    )


def cost(way: Way, reads: Reads, asked: int, *, rounds: int = 1, middle: Middle = statistics.median) -> Cost:
    """Ask a way for reads that are spread evenly over a recording, in order."""
    count = min(reads.count, asked)
    numbers = [i * reads.count // count for i in range(count)]
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        with way() as session, adapter() as beside:
            found += _chunks(session, beside, [reads.url(number) for number in numbers])
    return Cost(middle([a for a, _ in found]), middle([a / b for a, b in found]))


def _chunks(
    session: requests.Session, beside: requests.Session, urls: list[str]
) -> Iterable[tuple[float, float]]:
    for start in range(0, len(urls), CHUNK):
        part = urls[start : start + CHUNK]
        yield _ask(session, part), _ask(beside, part)


def _ask(session: requests.Session, urls: list[str]) -> float:
    began = Real.now()
    for url in urls:
        assert session.get(url).status_code == 200
    return (Real.now() - began) / len(urls) * 1000


def _rounds(size: int, *, quick: bool) -> int:
    # A small recording gives few chunks, a large one takes long to open.
    return max(1, (2_000 if quick else 10_000) // min(size, 10_000))


def _middle(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.ms for c in costs), statistics.median(c.adapters for c in costs))


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


def _rows(ours: dict[int, Cost], floor: Cost) -> Iterable[Row]:
    small, large = min(ours), max(ours)
    growth = max(ours[size].adapters for size in ours) / min(ours[size].adapters for size in ours)
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
        note=f"{each}; each in units of the adapter at the same moment",
    )
    worst = max(ours.values(), key=lambda found: found.adapters)
    for key, bar, ratio, peer in (
        ("nothing", 1.5, worst.adapters / floor.adapters, f"a do-nothing vcrpy cassette ({floor.ms:.2f} ms)"),
        ("adapter", 3.0, worst.adapters, "an in-memory adapter"),
    ):
        yield Row(
            f"replay.{key}",
            "a request in a replay, the dearest size",
            worst.ms,
            "ms",
            ratio=ratio,
            beside=peer,
            bar=bar,
            bar_of="ratio",
        )


def _stock_rows(ours: dict[int, Cost], stock: dict[bool, dict[int, Cost]]) -> Iterable[Row]:
    for distinct, kind in ((True, "distinct reads"), (False, "identical polls")):
        size = max(stock[distinct])
        reads = Reads(size, distinct)
        mine = cost(reads.ours(), reads, size, middle=statistics.fmean)
        theirs = stock[distinct][size]
        yield Row(
            f"replay.stock-{'distinct' if distinct else 'polls'}-{size}",
            f"how much faster than stock vcrpy, {size:,} {kind}",
            mine.ms,
            "ms",
            ratio=theirs.adapters / mine.adapters,
            beside=f"faster than stock vcrpy ({theirs.ms:.2f} ms)",
            bar=50 if size >= 2_000 else None,
            sense="at least",
            bar_of="ratio",
        )


def _through_the_client(*, quick: bool) -> Row:
    """The same over the client's own session, which adds headers, retries and checks."""
    reads = Reads(1_000)
    found: dict[str, list[float]] = {"ours": [], "nothing": []}
    urls = [reads.url(number).removeprefix(HOST) for number in range(reads.count)]
    ways = {"ours": reads.ours(), "nothing": nothing_to_do}
    for _ in range(5 if quick else 9):
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
        beside=f"a do-nothing vcrpy cassette ({nothing:.2f} ms)",
        bar=1.5,
        bar_of="ratio",
    )


def _plot(ours: dict[int, Cost], floor: Cost, stock: dict[bool, dict[int, Cost]]) -> Plot:
    ends = (min(SIZES), max(SIZES))
    lines = [
        _line("qsession", ours),
        Line("do-nothing vcrpy cassette", tuple((size, floor.adapters) for size in ends)),
        Line("in-memory adapter", tuple((size, 1) for size in ends)),
        _line("stock vcrpy, distinct reads", stock[True]),
        _line("stock vcrpy, identical polls", stock[False]),
    ]
    return Plot(
        "replay-cost",
        "Cost of a request in a replay",
        "interactions in the recording",
        "by what an in-memory adapter takes",
        tuple(lines),
    )


def _line(name: str, costs: dict[int, Cost]) -> Line:
    return Line(name, tuple((float(size), found.adapters) for size, found in costs.items()))

"""What a request costs at the seam: an in-memory adapter, a do-nothing vcrpy cassette, our stub.

The three answer the same GET with the same bytes, in turns, in one process. This is
what the choice of the seam rests on (docs/adr/0001-seam.md); what a replay costs on
top of it is the part ``replay_cost``.
"""

from __future__ import annotations

from functools import partial

from benchmarks._findings import Findings, Row
from benchmarks._measuring import Real, in_turns, medians
from benchmarks._ways import Way, adapter, body_of, nothing_to_do, stub, url_of

WAYS: dict[str, Way] = {"adapter": adapter, "do-nothing cassette": nothing_to_do, "our stub": stub}


def measure(*, quick: bool) -> Findings:
    """Time the same GET over each way."""
    count, rounds = (300, 5) if quick else (1000, 9)
    turns = {name: partial(one_round, way, count) for name, way in WAYS.items()}
    found = medians(in_turns(turns, rounds))
    ours = found["our stub"]
    rows = (
        _row("nothing", ours, found["do-nothing cassette"], "a do-nothing vcrpy cassette", 1.5),
        _row("adapter", ours, found["adapter"], "an in-memory adapter", 3),
    )
    return Findings(rows)


def one_round(way: Way, count: int) -> float:
    """Milliseconds a request over one session."""
    url = url_of(0)
    with way() as session:
        assert session.get(url).content == body_of(0)
        began = Real.now()
        for _ in range(count):
            session.get(url)
        return (Real.now() - began) / count * 1000


def _row(key: str, ours: float, theirs: float, peer: str, bar: float) -> Row:
    return Row(
        f"seam.{key}",
        "a request at the seam alone",
        ours,
        "ms",
        ratio=ours / theirs,
        beside=peer,
        bar=bar,
        bar_of="ratio",
    )

"""The bars on opening a recording, from what ``load.py`` measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from benchmarks import load
from benchmarks._findings import Findings, Line, Plot, Row

COUNT = 500
QUICK = {"SIZES": (COUNT, 2_000), "KINDS": ["base64 of 16 KiB"]}

Openings = list[dict[str, float]]
Large = Mapping[str, Mapping[str, Mapping[str, float]]]


def measure(*, quick: bool) -> Findings:
    """Open recordings, each in a process of its own."""
    rounds = 2 if quick else 5
    with TemporaryDirectory() as name, mock.patch.dict(vars(load), QUICK if quick else {}):
        openings = load.openings(Path(name), rounds)
        large = load.large(Path(name), rounds)
    return Findings((_opening(openings), *_large(large)), (_growth(openings),))


def _opening(openings: Openings) -> Row:
    row = next(row for row in openings if row["interactions"] == COUNT)
    each = (f"{row['again'] / row['yaml']:.3f} at {row['interactions']:,.0f}" for row in openings)
    return Row(
        "load.again",
        f"a recording of {COUNT} interactions, opened from the second time on",
        row["again"] * 1000,
        "ms",
        ratio=row["yaml"] / row["again"],
        beside=f"faster than parsing its YAML ({row['yaml'] * 1000:.0f} ms)",
        bar=10,
        note=f"the first time {row['first'] * 1000:.0f} ms; by parsing the YAML {', '.join(each)}",
    )


def _large(large: Large) -> list[Row]:
    widest = max(large, key=lambda kind: large[kind]["allocated"]["open"])
    sizes = large[widest]
    memory = Row(
        "load.memory",
        "the same: memory by the size of the bodies, the widest kind",
        sizes["allocated"]["open"],
        "x",
        bar=2,
        note=f"{widest}; all bodies read {sizes['allocated']['read']:.2f} x; "
        f"the process grew by {sizes['grown']['open']:.2f} x",
    )
    return [
        _slowest("first", "for the first time", large),
        _slowest("again", "from the second time on", large),
        memory,
    ]


def _slowest(which: str, when: str, large: Large) -> Row:
    kind = max(large, key=lambda kind: large[kind][which]["open"])
    times = large[kind][which]
    return Row(
        f"load.large-{which}",
        f"a recording with 50 MB of bodies, opened {when}, the slowest kind",
        times["open"],
        "s",
        bar=0.5,
        note=f"{kind}; to read all bodies too {times['open'] + times['read']:.2f} s",
    )


def _growth(openings: Openings) -> Plot:
    names = {"yaml": "its YAML alone", "first": "the first time", "again": "again, in another process"}
    lines = [
        Line(name, tuple((row["interactions"], row[key] * 1000) for row in openings))
        for key, name in names.items()
    ]
    return Plot("load", "Opening a recording", "interactions", "ms", tuple(lines))

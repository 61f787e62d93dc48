"""Plots as SVG: lines over two logarithmic axes, in a few dozen lines of our own.

Text that git can compare and a page can show, without a drawing library to install.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from benchmarks._findings import Findings, Line, Plot

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 50
COLOURS = ("#0b6e99", "#d1495b", "#5b8c5a", "#e08e0b", "#6a4c93")


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis from one power of ten to another, drawn between two pixels."""

    low: int
    high: int
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value is drawn."""
        return self.start + (log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def marks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def draw(found: Findings, folder: Path) -> list[Path]:
    """Write the plots of a part."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for plot in found.plots:
        path = folder / f"{plot.name}.svg"
        path.write_text("\n".join(_svg(plot)) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _svg(plot: Plot) -> Iterator[str]:
    points = [point for line in plot.lines for point in line.points]
    across = _axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield _text(LEFT, 20, plot.title, size=15)
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, plot.x, anchor="middle")
    yield _text(LEFT, 35, plot.y)
    for value in across.marks:
        yield _rule(across.place(value), TOP, across.place(value), HEIGHT - BOTTOM)
        yield _text(across.place(value), HEIGHT - BOTTOM + 16, f"{value:,g}", anchor="middle")
    for value in up.marks:
        yield _rule(LEFT, up.place(value), WIDTH - RIGHT, up.place(value))
        yield _text(LEFT - 6, up.place(value) + 4, f"{value:,g}", anchor="end")
    for number, line in enumerate(plot.lines):
        yield from _line(line, across, up, number)
    yield "</svg>"


def _axis(values: list[float], start: float, end: float) -> Axis:
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return Axis(low, max(high, low + 1), start, end)


def _line(line: Line, across: Axis, up: Axis, number: int) -> Iterator[str]:
    colour = COLOURS[number % len(COLOURS)]
    places = [(across.place(x), up.place(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
    height = TOP + 12 + 20 * number
    yield f'<rect x="{WIDTH - RIGHT + 16}" y="{height - 9}" width="10" height="10" fill="{colour}"/>'
    yield _text(WIDTH - RIGHT + 32, height, line.name)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'

"""What a part of the benchmarks found, as values that can be written down and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Sense = Literal["at most", "at least", "exactly"]
BarOf = Literal["figure", "ratio"]


@dataclass(frozen=True, slots=True)
class Row:
    """One number.

    Attributes:
        key: Stable name, by which runs are compared.
        what: What was measured, in words.
        figure: The figure.
        unit: Its unit.
        ratio: The figure by that of a peer in the same run; None without a peer.
        beside: Who the peer is.
        bar: What the number must keep; None for one that is only told.
        sense: Which side of the bar is good.
        bar_of: Whether the bar is on the figure or on the ratio.
        note: How it was measured, where that matters.
    """

    key: str
    what: str
    figure: float
    unit: str = ""
    ratio: float | None = None
    beside: str = ""
    bar: float | None = None
    sense: Sense = "at most"
    bar_of: BarOf = "figure"
    note: str = ""

    @property
    def held(self) -> float:
        """The value that is held against the bar."""
        return self.figure if self.bar_of == "figure" or self.ratio is None else self.ratio

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is kept; None where there is none."""
        if self.bar is None:
            return None
        if self.sense == "exactly":
            return self.held == self.bar
        return self.held <= self.bar if self.sense == "at most" else self.held >= self.bar

    @property
    def verdict(self) -> str:
        """Met, or missed by how much; empty without a bar."""
        if self.is_met is None or self.bar is None:
            return ""
        if self.is_met:
            return "met"
        if self.sense == "exactly" or self.bar == 0:
            return f"missed by {spell(abs(self.held - self.bar), self.bar_unit)}"
        off = self.held / self.bar if self.sense == "at most" else self.bar / self.held
        return f"missed by {off - 1:.0%}" if off < 10 else f"missed {off:.0f}-fold"

    @property
    def bar_unit(self) -> str:
        """Unit of the bar."""
        return "x" if self.bar_of == "ratio" else self.unit

    @property
    def bar_text(self) -> str:
        """The bar in words; empty without one."""
        return "" if self.bar is None else f"{self.sense} {spell(self.bar, self.bar_unit)}"

    @property
    def ratio_text(self) -> str:
        """The ratio and whose; empty without one."""
        return "" if self.ratio is None else f"{spell(self.ratio, 'x')} {self.beside}".rstrip()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot.

    Attributes:
        name: What it shows.
        points: Pairs of x and y.
    """

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over one pair of logarithmic axes.

    Attributes:
        name: Name of its file, without the ending.
        title: What it shows.
        x: What the horizontal axis counts.
        y: What the vertical axis counts.
        lines: The lines.
    """

    name: str
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What one part found.

    Attributes:
        rows: The numbers.
        plots: What can be drawn.
        skipped: What was not measured, and why.
    """

    rows: tuple[Row, ...] = ()
    plots: tuple[Plot, ...] = ()
    skipped: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return asdict(self)


def findings_from(document: Mapping[str, Any]) -> Findings:
    """Read what ``as_dict`` gave."""
    return Findings(
        tuple(Row(**row) for row in document["rows"]),
        tuple(_plot(plot) for plot in document["plots"]),
        tuple(document["skipped"]),
    )


def _plot(document: Mapping[str, Any]) -> Plot:
    lines: Sequence[Mapping[str, Any]] = document["lines"]
    read = tuple(Line(line["name"], tuple((x, y) for x, y in line["points"])) for line in lines)
    return Plot(document["name"], document["title"], document["x"], document["y"], read)


def spell(value: float, unit: str) -> str:
    """A number with its unit, as many digits as say something."""
    if value == int(value):
        digits = f"{int(value):,}"
    else:
        digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()

"""A run of the benchmarks: written as JSON, read again, printed, compared, as a page."""

from __future__ import annotations

import json
import os
import platform
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import shorten
from typing import Any

from benchmarks._findings import Findings, Row, findings_from, spell

PACKAGES = (
    "qsession",
    "qiskit",
    "qiskit-ibm-runtime",
    "requests",
    "urllib3",
    "vcrpy",
    "pytest",
    "pytest-recording",
    "freezegun",
    "time-machine",
)
COMMAND = "python -m benchmarks"
REMARKS = Path(__file__).parent / "remarks.toml"


@dataclass(frozen=True, slots=True)
class Report:
    """A run.

    Attributes:
        quick: Whether it was a quick one.
        machine: What it ran on.
        versions: Versions by distribution name.
        parts: What each part found.
        failed: Why a part found nothing.
    """

    quick: bool
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    parts: Mapping[str, Findings]
    failed: Mapping[str, str]

    @property
    def rows(self) -> Iterator[Row]:
        """Every number."""
        return (row for found in self.parts.values() for row in found.rows)

    @property
    def gaps(self) -> Iterator[str]:
        """What was not measured, and why."""
        yield from (f"{name}: {why}" for name, found in self.parts.items() for why in found.skipped)
        yield from (f"{name}: {why}" for name, why in self.failed.items())


def report_of(parts: Mapping[str, Findings], failed: Mapping[str, str], *, quick: bool) -> Report:
    """Put a run together with where it ran."""
    machine = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }
    return Report(quick, machine, dict(_versions()), parts, failed)


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def write(report: Report, path: Path) -> None:
    """Write a run as JSON."""
    document = {
        "quick": report.quick,
        "machine": report.machine,
        "versions": report.versions,
        "parts": {name: found.as_dict() for name, found in report.parts.items()},
        "failed": report.failed,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """Read a run that was written."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    parts = {name: findings_from(found) for name, found in document.pop("parts").items()}
    return Report(parts=parts, **document)


def table(report: Report) -> Iterator[str]:
    """The lines that are printed."""
    for row in report.rows:
        yield f"{row.verdict or 'told':<16} {row.what}"
        cells = [spell(row.figure, row.unit), row.ratio_text, row.bar_text and f"bar: {row.bar_text}"]
        yield f"{'':<16}   {'; '.join(filter(None, cells))}"
        if row.note:
            yield f"{'':<16}   ({row.note})"
    judged = [row.is_met for row in report.rows if row.is_met is not None]
    yield f"{sum(judged)} of {len(judged)} bars met"
    yield from (f"not measured: {gap}" for gap in report.gaps)


def changes(report: Report, earlier: Report) -> Iterator[str]:
    """Ratios against those of an earlier run; figures depend on the machine."""
    then = {row.key: row for row in earlier.rows}
    if report.quick != earlier.quick:
        yield "one of the two is a quick run: their sizes differ"
    for row in report.rows:
        if row.ratio is None or row.key not in then:
            continue
        former = then[row.key].ratio
        if former:
            change = f"{row.ratio / former - 1:+.0%}"
            yield f"{row.key:<28} {spell(former, 'x'):>10} -> {spell(row.ratio, 'x'):>10}  {change:>6}"


def page(report: Report, plots: Iterable[str]) -> str:
    """The run as a page of the documentation.

    Args:
        report: The run.
        plots: Plots by their paths, relative to the page.
    """
    remarks: dict[str, str] = tomllib.loads(REMARKS.read_text(encoding="utf-8"))
    command = f"{COMMAND} --quick" if report.quick else COMMAND
    where = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command} --page FILE`; do not edit. Why a bar is missed stands in",
        "`benchmarks/remarks.toml`. What each number means: `benchmarks/README.md`.",
        "",
        "Everything is measured in one run, in turns with what stands beside it. Compare ratios, not",
        f"milliseconds. {where}; {versions}.",
        "",
        "| number | figure | ratio | bar | |",
        "|---|---|---|---|---|",
        *(_cells(row, remarks.get(row.key, "")) for row in report.rows),
        "",
        *(f"- Not measured: {shorten(gap, 300)}" for gap in report.gaps),
    ]
    images = (line for plot in plots for line in (f"![{Path(plot).stem}]({plot})", ""))
    return "\n".join([*lines, *images]).rstrip() + "\n"


def _cells(row: Row, remark: str) -> str:
    what = f"{row.what}<br>{row.note}" if row.note else row.what
    verdict = f"{row.verdict}: {remark}" if remark else row.verdict
    cells = (what, spell(row.figure, row.unit), row.ratio_text, row.bar_text, verdict)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

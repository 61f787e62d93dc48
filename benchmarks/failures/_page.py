"""The page of the documentation: each failure, what stock does, what qsession does, and our test."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.failures._lab import Seen
from benchmarks.failures._rows import Row, groups

Both = tuple[Seen, Seen]

_HEAD = Path(__file__).with_name("head.md")
_TABLE = (
    "| failure | stock | qsession | our test |",
    "|---|---|---|---|",
)


def page(found: Mapping[str, Both], *, quick: bool, day: date) -> str:
    """The page.

    Args:
        found: What was seen on both sides, by the name of the row.
        quick: Whether the experiments were small ones.
        day: When they were done.
    """
    lines = [_HEAD.read_text("utf-8").replace("MEASURED", _measured(quick=quick, day=day))]
    for title, rows in groups().items():
        lines += [f"## {title}", "", *_TABLE, *(_line(row, found.get(row.name)) for row in rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _measured(*, quick: bool, day: date) -> str:
    names = ("vcrpy", "pytest-recording", "qiskit-ibm-runtime", "qiskit", "requests", "urllib3", "pytest")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    size = " with `--quick`" if quick else ""
    where = f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"
    return f"Done on {day.isoformat()}{size}: {versions}; {where}, servers on loopback."


def _line(row: Row, both: Both | None) -> str:
    told = ", ".join(map(_link, row.told)) or "found here"
    what = f"{row.what}<br>{told}"
    stock, ours = (both[0].words, both[1].words) if both else _without(row)
    if row.remark:
        stock += f"<br>*{row.remark}*"
    tests = "<br>".join(f"`{test}`" for test in row.tests)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (what, stock, ours, tests)) + " |"


def _without(row: Row) -> tuple[str, str]:
    return (row.stock, row.ours) if row.stock else ("not measured", "not measured")


def _link(told: str) -> str:
    repository, mark, number = told.partition("#")
    if not mark:
        return f"[{told}](https://github.com/advisories/{told})"
    return f"[{repository.rpartition('/')[2]}#{number}](https://github.com/{repository}/issues/{number})"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"

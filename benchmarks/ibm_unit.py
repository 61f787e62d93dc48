"""IBM's own unit tests of sessions, jobs and retrieval, with the emulator in the place of their registry.

    python -m benchmarks.ibm_unit                  # about 15 seconds
    python -m benchmarks.ibm_unit test_session.py  # some files
    python -m benchmarks.ibm_unit --page FILE      # the page of the docs, from the last run

The tests come from the source distribution of the installed client, which pip downloads. They run
unmodified, with the plugin ``benchmarks._unit_registry``. A test that does not pass must stand in
``benchmarks/ibm_unit.toml`` with the reason; exit status 1 if one does not, or if one from there passes.
Tests that make no request are counted apart: whatever they say, they say it of the client alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._suite import (
    FOLDER,
    PYTEST,
    Verdict,
    by_file,
    environment,
    fetch,
    paths,
    reasons,
    remarks,
    surprises,
    verdicts,
)

LISTED = Path(__file__).with_name("ibm_unit.toml")
PART = "test/unit"
FILES = (
    "test_session.py",
    "test_batch.py",
    "test_jobs.py",
    "test_job_retrieval.py",
    "test_backend_retrieval.py",
    "test_qiskit_runtime_service.py",
)
_COLUMNS = ("tests", "no server", "asked it", "passed", "failed", "skipped", "unread")

_HEAD = """# IBM's own unit tests against the emulator

Written by `python -m benchmarks.ibm_unit --page FILE` from the last run; do not edit.
Why a test does not pass stands in `benchmarks/ibm_unit.toml`.

Unit tests in the source distribution of `qiskit-ibm-runtime` 0.51.0 get their answers from a registry: each
puts instances, backends, jobs and sessions into it, and asserts what the client makes of the answers. Here
they run unmodified, and the emulator answers:

    pip install -e '.[emulator,suite]'
    python -m benchmarks.ibm_unit           # about 15 seconds

They are fetched from the package index, and none of them is kept here. A pytest plugin of ours
(`benchmarks/_unit_registry.py`) hands every request to an emulator, and keeps the state of that emulator as
the test's registry says (`benchmarks/_unit_world.py`). What is told and what is not:

- Instances, pricing types, limits, backends with their documents, states, queues and calibrations, jobs with
  their status, usage, results and reasons, and sessions with the states they were in: as in the registry. A
  session of theirs has no timers.
- A job that the client submits is taken by the emulator and gets its id there. Its course is the emulator's;
  how it ends and what it comes to is the registry's, where that says anything.
- Many of these jobs are of a program `foo`, or have no circuits, and a service would refuse them. Here they
  come to given results (`Emulator(unread_results=...)`); the last column counts the tests that pass with such
  jobs. A job with circuits is simulated.
- Time moves on by 0.1 s with each request.
- The fixtures take the client's authentication away; the plugin gives each request a token of the emulator's.

A test that passes shows that the client accepts an answer, not that the service would give it. Tests that
make no request say nothing about a server, and are counted apart.

| file | tests | reach no server | ask the emulator | of these pass | so with jobs a service would refuse |
|---|---|---|---|---|---|""".splitlines()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, or some files of them, and hold them against what is listed."""
    options = _parser().parse_args(arguments)
    junit = FOLDER.absolute() / "junit-unit.xml"
    if options.page:
        options.page.write_text(page(verdicts(junit)), "utf-8")
        return 0
    junit.unlink(missing_ok=True)
    status = _run(fetch(), options.files or FILES, junit, more=options.pytest)
    if not junit.exists():
        print(f"pytest wrote no report; exit status {status}", file=sys.stderr)
        return 2
    found, listed = verdicts(junit), reasons(LISTED, "unit")
    print("\n".join([*table(found), "", *remarks(found, listed)]))
    return 1 if surprises(found, listed) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ibm_unit",
        description="IBM's own unit tests, with the emulator in the place of their registry.",
        epilog="example:\n  python -m benchmarks.ibm_unit test_session.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help=f"such as test_session.py (default: {len(FILES)} files)"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="write what the last run found")
    parser.add_argument("--pytest", default="", metavar="OPTIONS", help="more options for pytest")
    return parser


def _run(home: Path, files: Sequence[str], junit: Path, *, more: str) -> int:
    pytest = [*PYTEST, "-p", "benchmarks._unit_registry", f"--junitxml={junit}", *more.split()]
    pytest += paths(home, [PART], files)
    # The plugin lies in this project, the tests do not.
    ours = {"PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[1]), str(home)))}
    return subprocess.run(pytest, cwd=home, env=environment() | ours, check=False).returncode


def table(found: Sequence[Verdict]) -> list[str]:
    """Counts by file."""
    rows = [*((file, *counts) for file, counts in sorted(_counts(found).items())), ("all", *_count(found))]
    head = f"{'file':40}" + "".join(f"{name:>11}" for name in _COLUMNS)
    return [head, *(f"{name:40}" + "".join(f"{n:11}" for n in numbers) for name, *numbers in rows)]


def _counts(found: Sequence[Verdict]) -> dict[str, tuple[int, ...]]:
    return {file: _count([v for v in found if v.file == file]) for file in by_file(found)}


def _count(found: Sequence[Verdict]) -> tuple[int, ...]:
    """All tests, those without a request, the others, the outcomes of these, and those with unread jobs."""
    asked = [verdict for verdict in found if verdict.counts.get("requests")]
    outcomes = Counter(verdict.outcome for verdict in asked)
    ended = (outcomes[name] for name in ("passed", "failed", "skipped"))
    unread = sum(verdict.outcome == "passed" and verdict.counts["unread"] > 0 for verdict in asked)
    return len(found), len(found) - len(asked), len(asked), *ended, unread


def page(found: Sequence[Verdict]) -> str:
    """The page of the documentation: counts by file, then what does not pass and why."""
    rows = [*sorted(_counts(found).items()), ("all", _count(found))]
    lines = [f"| {' | '.join([name, *map(str, (*numbers[:4], numbers[-1]))])} |" for name, numbers in rows]
    listed: Mapping[str, str] = reasons(LISTED, "unit")
    missing = sorted((v for v in found if v.outcome != "passed"), key=lambda v: v.ident)
    lines += ["", "## What does not pass", "", "| test | outcome | why |", "|---|---|---|"]
    lines += [f"| `{v.ident}` | {v.outcome} | {listed.get(v.ident, '')} |" for v in missing]
    return "\n".join([*_HEAD, *lines, ""])


if __name__ == "__main__":
    sys.exit(main())

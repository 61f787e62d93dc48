"""IBM's own integration and smoke tests against the emulator.

    python -m benchmarks.ibm_suite                  # plain HTTP, everything: about six minutes
    python -m benchmarks.ibm_suite --tls            # IBM's own names, under a CA of our own
    python -m benchmarks.ibm_suite test_session.py  # some files

The tests come from the source distribution of the installed client, which pip downloads. They run
unmodified, as a child of ``qsession emulate --config ibm-suite``. A test that does not pass must stand in
``benchmarks/ibm_suite.toml`` with the reason; exit status 1 if one does not, or if one from there passes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks._suite import FOLDER, Verdict, fetch, verdicts

LISTED = Path(__file__).with_name("ibm_suite.toml")
PARTS = ("test/integration", "test/smoke")
LEFT_OUT = "test/integration/test_fake_backends.py"  # purely local: nothing of it reaches a server


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite, or some files of it, and hold it against what is listed."""
    options = _parser().parse_args(arguments)
    home = fetch()
    junit = FOLDER.absolute() / f"junit-{'tls' if options.tls else 'http'}.xml"
    junit.unlink(missing_ok=True)
    status = _run(home, options.files, junit, tls=options.tls, more=options.pytest)
    if not junit.exists():
        print(f"pytest wrote no report; exit status {status}", file=sys.stderr)
        return 2
    found = verdicts(junit)
    listed = reasons("tls" if options.tls else "http")
    print("\n".join(table(found, listed)))
    return 1 if surprises(found, listed) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ibm_suite",
        description="IBM's own integration and smoke tests against the emulator.",
        epilog="example:\n  python -m benchmarks.ibm_suite --tls test_session.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="such as test_session.py (default: all)")
    parser.add_argument("--tls", action="store_true", help="IBM's own names over TLS instead of plain HTTP")
    parser.add_argument("--pytest", default="", metavar="OPTIONS", help="more options for pytest")
    return parser


def _run(home: Path, files: Sequence[str], junit: Path, *, tls: bool, more: str) -> int:
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:qsession", "-p", "no:randomly"]
    pytest += ["-p", "no:cacheprovider", f"--junitxml={junit}", f"--ignore={LEFT_OUT}", *more.split()]
    pytest += _paths(home, files) if files else PARTS
    emulate = [sys.executable, "-m", "qsession.cli", "emulate", "--config", "ibm-suite"]
    emulate += ["--tls"] if tls else []
    return subprocess.run([*emulate, "--", *pytest], cwd=home, env=_environment(), check=False).returncode


def _paths(home: Path, files: Sequence[str]) -> list[str]:
    found = {file: [path for part in PARTS for path in (home / part).glob(file)] for file in files}
    if unknown := sorted(file for file, paths in found.items() if not paths):
        raise SystemExit(f"the suite has no file {', '.join(unknown)}")
    return [str(path.relative_to(home)) for paths in found.values() for path in paths]


def _environment() -> dict[str, str]:
    """The environment without what leads the client elsewhere, and with programs of this Python first."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "IAM_", "PYTEST_"))}
    programs = str(Path(sys.executable).parent)
    # The client walks the whole call stack at every request unless it is told not to.
    return kept | {"PATH": os.pathsep.join((programs, kept.get("PATH", ""))), "USAGE_DATA_OPT_OUT": "True"}


def reasons(way: str) -> dict[str, str]:
    """Why each test that does not pass does not: by its id, for one way to serve."""
    listed: Mapping[str, Mapping[str, str]] = tomllib.loads(LISTED.read_text("utf-8"))
    return {**listed.get("both", {}), **listed.get(way, {})}


def surprises(found: Iterable[Verdict], listed: Mapping[str, str]) -> list[str]:
    """What is not as listed, a line each."""
    lines = []
    for verdict in found:
        if verdict.outcome != "passed" and verdict.ident not in listed:
            lines.append(f"{verdict.outcome} and not listed: {verdict.ident}: {verdict.reason[:200]}")
        if verdict.outcome == "passed" and verdict.ident in listed:
            lines.append(f"passed although listed: {verdict.ident}")
    return lines


def table(found: Sequence[Verdict], listed: Mapping[str, str]) -> list[str]:
    """Counts by file, then each test that does not pass with its reason."""
    by_file: dict[str, Counter[str]] = {}
    for verdict in found:
        by_file.setdefault(verdict.file, Counter())[verdict.outcome] += 1
    lines = [f"{'file':44} {'tests':>5} {'passed':>6} {'failed':>6} {'skipped':>7}"]
    lines += [_row(file, counts) for file, counts in sorted(by_file.items())]
    lines.append(_row("all", Counter(verdict.outcome for verdict in found)))
    missing = [verdict for verdict in found if verdict.outcome != "passed" and verdict.ident in listed]
    lines += ["", *(f"{v.outcome}: {v.ident}: {listed[v.ident]}" for v in missing)]
    return [*lines, "", *(surprises(found, listed) or ["everything as listed"])]


def _row(name: str, counts: Counter[str]) -> str:
    numbers = (counts["passed"], counts["failed"], counts["skipped"])
    return f"{name:44} {counts.total():5} {numbers[0]:6} {numbers[1]:6} {numbers[2]:7}"


if __name__ == "__main__":
    sys.exit(main())

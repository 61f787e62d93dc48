"""IBM's own integration and smoke tests against the emulator.

    python -m benchmarks.ibm_suite                  # plain HTTP, everything: about six minutes
    python -m benchmarks.ibm_suite --tls            # IBM's own names, under a CA of our own
    python -m benchmarks.ibm_suite test_session.py  # some files
    python -m benchmarks.ibm_suite --page FILE      # the page of the docs, from the last run of each way

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
WAYS = {"http": "plain HTTP", "tls": "TLS"}
LEFT_OUT = "test/integration/test_fake_backends.py"  # purely local: nothing of it reaches a server


_HEAD = """# IBM's own tests against the emulator

Written by `python -m benchmarks.ibm_suite --page FILE` from the last run of each way; do not edit.
Why a test does not pass stands in `benchmarks/ibm_suite.toml`.

The integration and smoke tests in the source distribution of `qiskit-ibm-runtime` 0.51.0 run unmodified:

    pip install -e '.[emulator,suite]'
    python -m benchmarks.ibm_suite          # plain HTTP, about six minutes
    python -m benchmarks.ibm_suite --tls    # IBM's own names, over TLS

They are fetched from the package index, and none of them is kept here. A test that passes shows that the
client accepts an answer, not that the service would give it. `test_fake_backends.py` is left out:
nothing of it reaches a server.

| file | plain HTTP | TLS |
|---|---|---|""".splitlines()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite, or some files of it, and hold it against what is listed."""
    options = _parser().parse_args(arguments)
    if options.page:
        options.page.write_text(page({way: verdicts(_junit(way)) for way in WAYS}), "utf-8")
        return 0
    way = "tls" if options.tls else "http"
    junit = _junit(way)
    junit.unlink(missing_ok=True)
    status = _run(fetch(), options.files, junit, tls=options.tls, more=options.pytest)
    if not junit.exists():
        print(f"pytest wrote no report; exit status {status}", file=sys.stderr)
        return 2
    found, listed = verdicts(junit), reasons(way)
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
    parser.add_argument("--page", type=Path, metavar="FILE", help="write what the last runs found")
    parser.add_argument("--pytest", default="", metavar="OPTIONS", help="more options for pytest")
    return parser


def _junit(way: str) -> Path:
    return FOLDER.absolute() / f"junit-{way}.xml"


def _run(home: Path, files: Sequence[str], junit: Path, *, tls: bool, more: str) -> int:
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:qsession",
        "-p",
        "no:randomly",
        "-p",
        "no:schemathesis",
    ]
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
    lines = [f"{'file':44} {'tests':>5} {'passed':>6} {'failed':>6} {'skipped':>7}"]
    lines += [_row(file, counts) for file, counts in sorted(_by_file(found).items())]
    lines.append(_row("all", Counter(verdict.outcome for verdict in found)))
    missing = [verdict for verdict in found if verdict.outcome != "passed" and verdict.ident in listed]
    lines += ["", *(f"{v.outcome}: {v.ident}: {listed[v.ident]}" for v in missing)]
    return [*lines, "", *(surprises(found, listed) or ["everything as listed"])]


def page(found: Mapping[str, Sequence[Verdict]]) -> str:
    """The page of the documentation: passed by file and way, then what does not pass and why."""
    counts = {way: _by_file(each) for way, each in found.items()}
    files = sorted({file for each in counts.values() for file in each})
    rows = [[file, *(_share(counts[way].get(file, Counter())) for way in WAYS)] for file in files]
    rows.append(["all", *(_share(Counter(v.outcome for v in found[way])) for way in WAYS)])
    lines = [*_HEAD, *(f"| {' | '.join(row)} |" for row in rows), "", "## What does not pass", ""]
    lines += ["| test | way | outcome | why |", "|---|---|---|---|"]
    for way, spoken in WAYS.items():
        listed = reasons(way)
        missing = sorted((v for v in found[way] if v.outcome != "passed"), key=lambda v: v.ident)
        lines += [f"| `{v.ident}` | {spoken} | {v.outcome} | {listed.get(v.ident, '')} |" for v in missing]
    return "\n".join([*lines, ""])


def _by_file(found: Iterable[Verdict]) -> dict[str, Counter[str]]:
    by_file: dict[str, Counter[str]] = {}
    for verdict in found:
        by_file.setdefault(verdict.file, Counter())[verdict.outcome] += 1
    return by_file


def _share(counts: Counter[str]) -> str:
    return f"{counts['passed']} of {counts.total()}" if counts else "not run"


def _row(name: str, counts: Counter[str]) -> str:
    numbers = (counts["passed"], counts["failed"], counts["skipped"])
    return f"{name:44} {counts.total():5} {numbers[0]:6} {numbers[1]:6} {numbers[2]:7}"


if __name__ == "__main__":
    sys.exit(main())

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

LISTED = Path(__file__).with_name("ibm_suite.toml")
PARTS = ("test/integration", "test/smoke")
WAYS = {"http": "plain HTTP", "tls": "TLS"}
HEADING = "## Recorded once, replayed in eight ways"
"""Begins what `suite_as_it_is` writes on the same page."""
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
        own = page({way: verdicts(_junit(way)) for way in WAYS})
        _, heading, replayed = options.page.read_text("utf-8").partition(HEADING)
        options.page.write_text(own + ("\n" + heading + replayed if heading else ""), "utf-8")
        return 0
    way = "tls" if options.tls else "http"
    junit = _junit(way)
    junit.unlink(missing_ok=True)
    status = _run(fetch(), options.files, junit, tls=options.tls, more=options.pytest)
    if not junit.exists():
        print(f"pytest wrote no report; exit status {status}", file=sys.stderr)
        return 2
    found, listed = verdicts(junit), reasons(LISTED, "both", way)
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
    pytest = [*PYTEST, f"--junitxml={junit}", f"--ignore={LEFT_OUT}", *more.split()]
    pytest += paths(home, PARTS, files) if files else PARTS
    emulate = [sys.executable, "-m", "qsession.cli", "emulate", "--config", "ibm-suite"]
    emulate += ["--tls"] if tls else []
    return subprocess.run([*emulate, "--", *pytest], cwd=home, env=environment(), check=False).returncode


def table(found: Sequence[Verdict], listed: Mapping[str, str]) -> list[str]:
    """Counts by file, then each test that does not pass with its reason."""
    lines = [f"{'file':44} {'tests':>5} {'passed':>6} {'failed':>6} {'skipped':>7}"]
    lines += [_row(file, counts) for file, counts in sorted(by_file(found).items())]
    lines.append(_row("all", Counter(verdict.outcome for verdict in found)))
    return [*lines, "", *remarks(found, listed)]


def page(found: Mapping[str, Sequence[Verdict]]) -> str:
    """The page of the documentation: passed by file and way, then what does not pass and why."""
    counts = {way: by_file(each) for way, each in found.items()}
    files = sorted({file for each in counts.values() for file in each})
    rows = [[file, *(_share(counts[way].get(file, Counter())) for way in WAYS)] for file in files]
    rows.append(["all", *(_share(Counter(v.outcome for v in found[way])) for way in WAYS)])
    lines = [*_HEAD, *(f"| {' | '.join(row)} |" for row in rows), "", "## What does not pass", ""]
    lines += ["| test | way | outcome | why |", "|---|---|---|---|"]
    for way, spoken in WAYS.items():
        listed = reasons(LISTED, "both", way)
        missing = sorted((v for v in found[way] if v.outcome != "passed"), key=lambda v: v.ident)
        lines += [f"| `{v.ident}` | {spoken} | {v.outcome} | {listed.get(v.ident, '')} |" for v in missing]
    return "\n".join([*lines, ""])


def _share(counts: Counter[str]) -> str:
    return f"{counts['passed']} of {counts.total()}" if counts else "not run"


def _row(name: str, counts: Counter[str]) -> str:
    numbers = (counts["passed"], counts["failed"], counts["skipped"])
    return f"{name:44} {counts.total():5} {numbers[0]:6} {numbers[1]:6} {numbers[2]:7}"


if __name__ == "__main__":
    sys.exit(main())

"""IBM's own integration tests as they are: recorded once, replayed in eight ways with the emulator gone.

    python -m benchmarks.suite_as_it_is                     # the installed client's: about ten minutes
    python -m benchmarks.suite_as_it_is --release 0.46.1    # an older one's, under its own client
    python -m benchmarks.suite_as_it_is --quick             # two files, all eight ways, few tests alone
    python -m benchmarks.suite_as_it_is test_session.py     # some files
    python -m benchmarks.suite_as_it_is --page FILE         # the page of the docs, from the last runs

The tests come from the source distribution of the client, which pip downloads, and run unmodified, under
``--qsession-all``. They are replayed in file order, in random order, by four workers, and each in a process
of its own; at once, and 400 days later by a clock that ``faketime`` (a package of Debian's) gives the
processes. In a replay the emulator cannot be imported, and the suite is told of an account that there is not.

The verdict of each test must be that of the recording in each of the eight. One that differs must stand in
``benchmarks/suite_as_it_is.toml`` with the reason; exit status 1 if one does not, or if one from there is
equal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks._client_homes import home
from benchmarks._suite import CLIENT, FOLDER, environment, fetch, paths, reasons
from benchmarks._suite_ways import DAYS, ORDERS, Outcomes, Ways
from benchmarks.ibm_suite import HEADING
from benchmarks.ibm_suite import LISTED as NOT_SERVED
from qsession.emulator import Emulator

LISTED = Path(__file__).with_name("suite_as_it_is.toml")
RELEASES = (version(CLIENT), "0.46.1")
QUICK = ("test_session.py", "test_results.py")
LEFT_OUT = "test_fake_backends.py"  # purely local, and slow: nothing of it reaches a server
PART = "test/integration"
_PACKAGES = ("pytest", "pytest-xdist", "pytest-randomly", "ddt", "pproxy")
_TITLES = tuple(f"{order}, {when}" for when in DAYS for order in ORDERS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, replay, compare, print."""
    options = _parser().parse_args(arguments)
    if options.page:
        options.page.write_text(with_section(options.page.read_text("utf-8"), section()), "utf-8")
        return 0
    if shutil.which("faketime") is None and not options.quick:
        raise SystemExit("faketime is not installed: apt-get install faketime, or --quick")
    release = options.release or RELEASES[0]
    with tempfile.TemporaryDirectory(prefix="suite-") as name:
        found = _measured(release, options, Path(name))
    if not (options.files or options.quick):
        _kept(release).write_text(json.dumps(found), "utf-8")
    wrong = surprises(release, found)
    print("\n".join([*table(found), "", *differing(found), "", *(wrong or ["everything as listed"])]))
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suite_as_it_is",
        description="IBM's own integration tests, recorded once and replayed in eight ways.",
        epilog="example:\n  python -m benchmarks.suite_as_it_is --release 0.46.1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="such as test_session.py (default: all)")
    parser.add_argument("--release", metavar="VERSION", help="of the client (default: the installed one)")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)}, few tests alone")
    parser.add_argument("--seed", type=int, help="of the random order (default: another one each time)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy cassettes and logs there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write what the last runs found")
    return parser


def _measured(release: str, options: argparse.Namespace, folder: Path) -> dict[str, object]:
    ways = _ways(release, options, folder)
    print(f"client {release}, random order by seed {ways.seed}", flush=True)
    seconds: dict[str, float] = {}
    began = time.monotonic()
    recorded = ways.record()
    seconds["recorded"] = time.monotonic() - began
    if not recorded:
        said = (folder / "said.log").read_text("utf-8", "replace")
        raise SystemExit(f"nothing was recorded:\n{said[-2000:]}")
    alone = list(recorded)[:: max(1, len(recorded) // 3)] if options.quick else list(recorded)
    found: dict[str, Outcomes] = {}
    for when, day in DAYS.items():
        if day and shutil.which("faketime") is None:
            print(f"faketime is not installed: nothing is replayed {when}")
            continue
        began = time.monotonic()
        replayed = ways.replay(day, alone)
        found |= {f"{order}, {when}": outcomes for order, outcomes in replayed.items()}
        seconds[when] = time.monotonic() - began
    if options.keep:
        shutil.copytree(folder, options.keep, dirs_exist_ok=True)
    told = {"seed": ways.seed, "seconds": seconds, "alone": alone, "recorded": recorded, "found": found}
    return {"release": release, "qiskit": _version(ways.python, "qiskit"), **told}


def _ways(release: str, options: argparse.Namespace, folder: Path) -> Ways:
    suite = fetch(release)
    python = sys.executable if release == RELEASES[0] else _python_of(release)
    files = options.files or ([*QUICK] if options.quick else [])
    parts = [suite / PART, *(folder for folder in (suite / PART).iterdir() if folder.is_dir())]
    every = [PART, *(f"--ignore={path.relative_to(suite)}" for path in (suite / PART).rglob(LEFT_OUT))]
    emulator = Emulator.from_config("ibm-suite")
    around = {**environment(), "HOME": str(folder)}
    around.pop("PYTHONDONTWRITEBYTECODE", None)  # each process would compile the suite anew
    around["PATH"] = os.pathsep.join((str(Path(python).parent), around["PATH"]))
    return Ways(
        python=python,
        home=suite,
        paths=paths(suite, [part.relative_to(suite).as_posix() for part in parts], files) or every,
        folder=folder,
        around=around,
        account=_account("a-key-that-opens-nothing", emulator.instances[0].crn, emulator.backends[0]),
        nobody=_account("another-key-that-opens-nothing", _NOBODYS, emulator.backends[0]),
        seed=options.seed if options.seed is not None else random.randrange(2**32),
        workers=2 if options.quick else 4,
        hurried=options.quick,
    )


_NOBODYS = (
    "crn:v1:bluemix:public:quantum-computing:us-east:"
    f"a/{'5ecbe7':f<32}:aaaaaaaa-0000-4000-8000-000000000007::"
)


def _account(key: str, crn: str, backend: str) -> Mapping[str, str]:
    """What the suite wants to know; without it, every test skips itself."""
    led = {"QISKIT_IBM_TOKEN": key, "QISKIT_IBM_URL": "https://cloud.ibm.com"}
    return {**led, "QISKIT_IBM_INSTANCE": crn, "QISKIT_IBM_QPU": backend}


def _python_of(release: str) -> str:
    made = home(release, ".".join(map(str, sys.version_info[:2])), sys.executable)
    ready = made.folder / "suite-ready"
    if not ready.exists():
        command = [made.program(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *_PACKAGES], check=True)
        ready.touch()
    return made.program()


def _version(python: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def _kept(release: str) -> Path:
    return FOLDER.absolute() / f"as-it-is-{release}.json"


# What was found.


def unlike(found: Mapping[str, object]) -> dict[str, dict[str, tuple[str, str]]]:
    """By test: in which ways its verdict was another one, which, and why."""
    wrong: dict[str, dict[str, tuple[str, str]]] = {}
    for test, title, outcome, why in _each(found):
        if outcome != _recorded(found)[test][0]:
            wrong.setdefault(test, {})[title] = (outcome, why)
    return wrong


def _each(found: Mapping[str, object]) -> Iterator[tuple[str, str, str, str]]:
    ways: Mapping[str, Outcomes] = found["found"]  # type: ignore[assignment]
    alone: Sequence[str] = found["alone"]  # type: ignore[assignment]
    for title in filter(ways.__contains__, _TITLES):
        of = alone if title.startswith(ORDERS[3]) else _recorded(found)
        for test in of:
            outcome, why = ways[title].get(test, ("missing", "nothing was told of it"))
            yield test, title, outcome, why


def _recorded(found: Mapping[str, object]) -> Outcomes:
    recorded: Outcomes = found["recorded"]  # type: ignore[assignment]
    return recorded


def _seconds(found: Mapping[str, object]) -> Mapping[str, float]:
    seconds: Mapping[str, float] = found["seconds"]  # type: ignore[assignment]
    return seconds


def surprises(release: str, found: Mapping[str, object]) -> list[str]:
    """What is not as listed, a line each."""
    listed, wrong = reasons(LISTED, release), unlike(found)
    lines = [f"differs and is not listed: {test}" for test in wrong if test not in listed]
    lines += [line for line in unlike_http(found) if line.endswith("not listed")]
    tests = _recorded(found)
    return lines + [
        f"equal although listed: {test}" for test in listed if test in tests and test not in wrong
    ]


def table(found: Mapping[str, object]) -> list[str]:
    """Tests by file, what they were when they were recorded, and how many are that in each way."""
    lines = [f"{'file':34}{'tests':>6}{'recorded':>18}" + "".join(f"{o[:15]:>17}" for o in ORDERS)]
    for name, tests, recorded, cells in _rows(found):
        lines.append(f"{name:34}{tests:6}{recorded:>18}" + "".join(f"{cell:>17}" for cell in cells))
    seconds = _seconds(found)
    lines.append("recorded: passed/failed/skipped; then equal at once/400 days later")
    lines.append("seconds: " + ", ".join(f"{what} {took:.0f}" for what, took in seconds.items()))
    return lines


def _rows(found: Mapping[str, object]) -> Iterator[tuple[str, int, str, list[str]]]:
    recorded, equal = _recorded(found), Counter[tuple[str, str]]()
    for test, title, outcome, _ in _each(found):
        equal[_file(test), title] += outcome == recorded[test][0]
    files = sorted({_file(test) for test in recorded})
    for name in (*files, "all"):
        tests = [test for test in recorded if name in (_file(test), "all")]
        outcomes = Counter(recorded[test][0] for test in tests)
        spoken = "/".join(str(outcomes[word]) for word in ("passed", "failed", "skipped"))
        cells = []
        for order in ORDERS:
            titles = [f"{order}, {when}" for when in DAYS if when in _seconds(found)]
            counts = [sum(equal[f, title] for f in files if name in (f, "all")) for title in titles]
            cells.append("/".join(map(str, counts)))
        yield name, len(tests), spoken, cells


def _file(test: str) -> str:
    return test.partition("::")[0].rpartition("/")[2]


def differing(found: Mapping[str, object]) -> list[str]:
    """Each test whose verdict was another one, in which ways, and why."""
    lines = []
    listed = reasons(LISTED, str(found["release"]))
    for test, ways in unlike(found).items():
        lines.append(f"{test}: recorded {_recorded(found)[test][0]}; {listed.get(test, 'not listed')}")
        for title, (outcome, why) in ways.items():
            lines.append(f"    {outcome} {title}: {why[:200]}")
    return lines + unlike_http(found)


def unlike_http(found: Mapping[str, object]) -> list[str]:
    """Tests that were recorded with another verdict than the list of `ibm_suite` has for HTTP."""
    if found["release"] != RELEASES[0]:
        return []
    not_passed, said = reasons(NOT_SERVED, "both", "http"), reasons(LISTED, "http")
    return [
        f"{test}: recorded {outcome}, over HTTP {'passed' if outcome != 'passed' else 'not'}; "
        f"{said.get(test, 'not listed')}"
        for test, (outcome, _) in _recorded(found).items()
        if (outcome == "passed") == (test.removeprefix("test/") in not_passed)
    ]


# The page.

_HEAD = f"""{HEADING}

Written by `python -m benchmarks.suite_as_it_is --page FILE` from the last runs; do not edit from here on.

    pip install -e '.[emulator,suite]'
    apt-get install faketime
    python -m benchmarks.suite_as_it_is                     # the client of this environment
    python -m benchmarks.suite_as_it_is --release {RELEASES[1]}    # an older one

The integration tests, unmodified, recorded once by `pytest --qsession-all --qsession-record
--qsession-target=emulator --qsession-emulator=ibm-suite`, then replayed in file order, in random order, by
four workers of pytest-xdist, and each test in a process of its own (forked from one that has imported
everything): at once, and 400 days later by the clock of the processes. In the replays the emulator cannot be
imported, and the suite is told of another account, which there is not. A cell says how many tests had the
verdict of the recording, at once / 400 days later. `{LEFT_OUT}` is left out: nothing of it reaches a
server, and its simulations take minutes.""".splitlines()


def section() -> list[str]:
    """What the page says of every release that was run."""
    lines = [*_HEAD]
    for release in RELEASES:
        if _kept(release).exists():
            lines += _section_of(json.loads(_kept(release).read_text("utf-8")))
    return lines


def _section_of(found: Mapping[str, object]) -> list[str]:
    seconds = _seconds(found)
    took = f"Recorded in {seconds['recorded']:.0f} s, replayed in {seconds['at once']:.0f} s and"
    lines = ["", f"### Client {found['release']}, qiskit {found['qiskit']}", ""]
    lines += [f"Seed of the random order: {found['seed']}. {took} {seconds['400 days later']:.0f} s."]
    lines += ["", f"| file | tests | passed/failed/skipped | {' | '.join(ORDERS)} |", "|---" * 7 + "|"]
    for name, tests, recorded, cells in _rows(found):
        lines.append(
            f"| {name} | {tests} | {recorded} | {' | '.join(cell.replace('/', ' / ') for cell in cells)} |"
        )
    listed, wrong = reasons(LISTED, str(found["release"])), unlike(found)
    lines += ["", "Another verdict in a replay:" if wrong else "No test has another verdict in a replay.", ""]
    lines += [f"- `{test}`: {', '.join(ways)}: {listed.get(test, '')}" for test, ways in wrong.items()]
    unlike_served = unlike_http(found)
    if unlike_served:
        lines += [
            "Recorded with another verdict than over HTTP:",
            "",
            *(f"- {line}" for line in unlike_served),
        ]
    return lines


def with_section(page: str, lines: Sequence[str]) -> str:
    """A page whose last section is replaced, or added."""
    kept = page.partition(f"\n{HEADING}")[0].rstrip("\n")
    return "\n".join([kept, "", *lines]).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main())

"""Ten files of IBM's own integration tests: recorded once, replayed with the emulator gone.

    python -m benchmarks.suite_replayed                  # everything, about fifteen minutes
    python -m benchmarks.suite_replayed --no-stock       # without stock vcrpy: about five minutes
    python -m benchmarks.suite_replayed --quick          # two files, at once: half a minute
    python -m benchmarks.suite_replayed test_session.py  # some files

The tests come from the source distribution of the installed client, which pip downloads, and run unmodified.
All tests of a file are one recording against the emulator. It is replayed in another process: at once, a
day and 400 days later, by a clock that ``faketime`` (a package of Debian's) gives the process. Bodies are
compared by meaning; ``match="routed"``, as some tests transpile without a seed. Exit status 1 unless every
test that passed when recorded passes in each replay, nothing is left over, and no secret is in any file.

Stock vcrpy records the first six against ``qsession emulate``, and replays them at once with bodies ignored,
with bodies compared, and a day later.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

import qsession.emulator
from benchmarks._suite import PYTEST, environment, fetch, paths, verdicts
from benchmarks._suite_run import ORDER
from qsession.emulator import Emulator

SIX = (
    "test_session.py",
    "test_account.py",
    "test_backend.py",
    "test_retrieve_job.py",
    "test_ibm_job_attributes.py",
    "test_sampler_v2.py",
)
FILES = (
    *SIX,
    "test_estimator_v2.py",
    "test_executor.py",
    "test_executor_sampler.py",
    "test_executor_estimator.py",
)
QUICK = ("test_session.py", "test_ibm_job_attributes.py")
DAYS = {"at once": 0, "a day later": 1, "400 days later": 400}
_ROOT = Path(__file__).resolve().parents[1]
_KEY = "a-key-of-the-suite-that-opens-nothing"
_ACCOUNT = "5ecbe7" + "f" * 26
_PARTS = ("test/integration",)
_BY_VCRPY = ("method", "scheme", "host", "port", "path", "query")
_LONGEST = 900  # seconds: a replay that waits has lost


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tests of a file.

    Attributes:
        passed: Names of those that passed.
        of: How many there are but for those that skip themselves.
        told: What the plugin told; empty where the process was stopped.
    """

    passed: frozenset[str]
    of: int
    told: Mapping[str, object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Record and replay; print a table."""
    options = _parser().parse_args(arguments)
    files = options.files or (QUICK if options.quick else FILES)
    days = {"at once": 0} if options.quick else DAYS
    if any(days.values()) and shutil.which("faketime") is None:
        raise SystemExit("faketime is not installed: apt-get install faketime, or --quick")
    home = fetch()
    with tempfile.TemporaryDirectory(prefix="suite-") as name:
        folder = Path(name)
        wrong = _ours(home, files, days, folder)
        if not (options.no_stock or options.quick):
            _stock(home, [file for file in files if file in SIX], folder)
    print("\n".join(wrong or ["every test that passed when it was recorded passed in every replay"]))
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suite_replayed",
        description="Ten files of IBM's own tests, recorded once and replayed.",
        epilog="example:\n  python -m benchmarks.suite_replayed --no-stock test_session.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="such as test_session.py (default: ten)")
    parser.add_argument("--quick", action="store_true", help="two files, at once, without stock vcrpy")
    parser.add_argument("--no-stock", action="store_true", help="without stock vcrpy")
    return parser


def _ours(home: Path, files: Sequence[str], days: Mapping[str, int], folder: Path) -> list[str]:
    config = _config(folder)
    emulator = Emulator.from_config(config)
    account = {"QISKIT_IBM_TOKEN": _KEY, "QISKIT_IBM_URL": "https://cloud.ibm.com"}
    account |= {"QISKIT_IBM_INSTANCE": emulator.instances[0].crn, "QISKIT_IBM_QPU": emulator.backends[0]}
    wrong, totals = [], [0] * (1 + len(days))
    print(_line("qsession", "recorded", *days, "virtual s", "real s", "processor s"))
    for file in files:
        order = {"cassette": str(folder / f"{file}.yaml"), "match": "routed", "config": str(config)}
        recorded = _run(home, file, order | {"mode": "record"}, account, folder)
        found = [recorded]
        for day in days.values():
            found.append(_run(home, file, order | {"mode": "replay"}, account, folder, days=day))
        for when, replayed in zip(days, found[1:], strict=True):
            wrong += [f"{file}, {when}: {name} failed" for name in sorted(recorded.passed - replayed.passed)]
            wrong += [f"{file}, {when}: {replayed.told['wrong']}"] if replayed.told.get("wrong") else []
        totals = [total + len(each.passed) for total, each in zip(totals, found, strict=True)]
        times = [f"{found[1].told.get(name, float('nan')):.1f}" for name in ("virtual", "real", "processor")]
        print(_line(file, *(f"{len(each.passed)} of {each.of}" for each in found), *times), flush=True)
    print(_line("all", *map(str, totals), "", "", ""))
    secrets = [_KEY, _ACCOUNT]
    for instance in emulator.instances:
        secrets += [instance.name, instance.crn.split(":")[-3]]
    config.unlink()
    return wrong + _leaks(folder, secrets)


def _config(folder: Path) -> Path:
    """The account that the suite expects, under ids that are not those which stand in for every account."""
    kept = Path(qsession.emulator.__file__).with_name("configurations") / "ibm-suite.yaml"
    told = yaml.safe_load(kept.read_text("utf-8"))
    for number, instance in enumerate(told["instances"]):
        own = f"{_ACCOUNT}:aaaaaaaa-0000-4000-8000-{number:012d}"
        instance["crn"] = f"crn:v1:bluemix:public:quantum-computing:{instance['region']}:a/{own}::"
    path = folder / "suite.config"
    path.write_text(yaml.safe_dump(told), "utf-8")
    return path


def _leaks(folder: Path, secrets: Sequence[str]) -> list[str]:
    """Files of ours that hold a secret as it is; `benchmarks.planted` looks deeper."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".xml"]
    raw = [(path, path.read_bytes()) for path in files]
    return [f"{path.name} holds {each}" for path, held in raw for each in secrets if each.encode() in held]


def _stock(home: Path, files: Sequence[str], folder: Path) -> None:
    ways = {"at once": (0, _BY_VCRPY), "bodies compared": (0, (*_BY_VCRPY, "body"))}
    ways |= {"a day later": (1, _BY_VCRPY)}
    totals = [0] * (1 + len(ways))
    print("\n" + _line("stock vcrpy", "recorded", *ways))
    for file in files:
        # By itself: what is searched for secrets of ours is ours.
        own = Path(tempfile.mkdtemp(dir=folder))
        order = {"cassette": str(own / "cassette.yaml"), "match": _BY_VCRPY}
        served = [sys.executable, "-m", "qsession.cli", "emulate", "--config", "ibm-suite", "--"]
        found = [_run(home, file, order | {"stock": "all"}, {}, own, before=served)]
        account = json.loads((own / "environment.json").read_text("utf-8"))
        for day, match in ways.values():
            order |= {"stock": "none", "match": match}
            found.append(_run(home, file, order, account, own, days=day))
        totals = [total + len(each.passed) for total, each in zip(totals, found, strict=True)]
        print(_line(file, *(f"{len(each.passed)} of {each.of}" for each in found)), flush=True)
    print(_line("all", *map(str, totals)))
    print()


def _run(
    home: Path,
    file: str,
    order: Mapping[str, object],
    account: Mapping[str, str],
    folder: Path,
    *,
    days: int = 0,
    before: Sequence[str] = (),
) -> Outcome:
    """Run the tests of a file in a process of its own."""
    junit, told = folder / "junit.xml", folder / "told.json"
    for path in (junit, told):
        path.unlink(missing_ok=True)
    order = {**order, "told": str(told), "environment": str(folder / "environment.json")}
    command = [*before, *PYTEST, "-p", "benchmarks._suite_run", f"--junitxml={junit}", "-W", "ignore"]
    command += paths(home, _PARTS, [file])
    if days:
        # Waits are by the monotonic clock, which nobody moves.
        command = ["faketime", "--exclude-monotonic", "-f", f"+{days}d", *command]
    modules = os.pathsep.join((str(_ROOT), os.environ.get("PYTHONPATH", "")))
    around = {**environment(), **account, ORDER: json.dumps(order), "PYTHONPATH": modules}
    try:
        subprocess.run(command, cwd=home, env=around, capture_output=True, timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(frozenset(), 0, {"wrong": f"stopped after {_LONGEST} s"})
    found = verdicts(junit) if junit.exists() else []
    passed = frozenset(each.name for each in found if each.outcome == "passed")
    return Outcome(passed, sum(each.outcome != "skipped" for each in found), _told(told))


def _told(path: Path) -> Mapping[str, object]:
    if not path.exists():
        return {"wrong": "the process ended early"}
    told: dict[str, object] = json.loads(path.read_text("utf-8"))
    return told


def _line(name: str, *cells: str) -> str:
    return f"{name:28}" + "".join(f"{cell:>16}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())

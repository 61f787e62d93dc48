"""Older and newer releases of the client, each in an environment of its own.

    python -m benchmarks.clients                  # 0.41.1, 0.44.1, 0.48.0, 0.50.0 and 0.51.0
    python -m benchmarks.clients 0.46.1           # another one
    python -m benchmarks.clients --page FILE      # the page of the docs too

Each runs ``qsession demo``, and the program ``benchmarks/client_program.py``: under ``qsession emulate`` with
and without ``--tls``, in a recording, and in a replay. The replay is a process of its own, where the system
can without any network, and has to print what the recording printed. The newest one runs with each Python at
hand. Exit status 1 if anything failed, 2 if an environment could not be made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._client_homes import Home, home, pythons
from benchmarks._measuring import stopped

RELEASES = ("0.41.1", "0.44.1", "0.48.0", "0.50.0", "0.51.0")
PROGRAM = Path(__file__).with_name("client_program.py")
RUN = Path(__file__).with_name("_client_run.py")
WAYS = ("demo", "emulate", "tls", "record", "replay")


@dataclass(frozen=True, slots=True)
class Row:
    """What one release did.

    Attributes:
        release: Of the client.
        python: Version of Python.
        qiskit: The version that pip resolved.
        failed: What was said for each way that failed.
        told: What the program printed, by name.
    """

    release: str
    python: str
    qiskit: str
    failed: dict[str, str]
    told: dict[str, dict[str, object]]

    @property
    def details(self) -> tuple[str, ...]:
        """The keys of ``Session.details()``, in the client's order."""
        shown = self.told.get("session", {}).get("details")
        return tuple(shown) if isinstance(shown, dict) else ()

    @property
    def did(self) -> tuple[str, ...]:
        """What the program used, in the order in which it did."""
        return tuple(name for name in self.told if name != "end")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the environments, run everything, print."""
    options = _parser().parse_args(arguments)
    try:
        rows = [_measured(*each, pip=options.pip.split()) for each in _wanted(options.releases)]
    except RuntimeError as refused:
        print(refused, file=sys.stderr)
        return 2
    print("\n".join(table(rows)))
    if options.page:
        options.page.write_text(page(rows), "utf-8")
    return 1 if any(each.failed for each in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clients",
        description="Releases of the client against the emulator, in a recording and in a replay.",
        epilog="example:\n  python -m benchmarks.clients 0.41.1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "releases", nargs="*", default=RELEASES, metavar="VERSION", help=f"default: {', '.join(RELEASES)}"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of the documentation")
    parser.add_argument("--pip", default="", metavar="OPTIONS", help="more options for pip install")
    return parser


def _measured(release: str, python: str, interpreter: str, *, pip: Sequence[str]) -> Row:
    with stopped() as making:
        made = home(release, python, interpreter, pip=pip)
    with stopped() as running:
        found = row(made)
    took = f"environment {making.seconds:.0f} s, runs {running.seconds:.0f} s"
    print(f"client {release}, Python {python}: {took}", file=sys.stderr, flush=True)
    return found


def _wanted(releases: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Each release with the Python that runs, the newest with each one at hand."""
    at_hand = pythons()
    newest = max(releases, key=lambda release: [int(part) for part in release.split(".")])
    for release in releases:
        some = at_hand if release == newest else dict(list(at_hand.items())[:1])
        yield from ((release, python, path) for python, path in some.items())


def row(made: Home) -> Row:
    """Run everything with one release, in an empty folder."""
    failed: dict[str, str] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        outputs = {way: _tried(way, made, folder, failed) for way in WAYS}
    if "replay" not in failed and outputs["replay"] != outputs["record"]:
        failed["replay"] = f"it prints something else:\n{outputs['record']}\n{outputs['replay']}"
    lines = [json.loads(line) for line in outputs["record"].splitlines() if line.startswith("{")]
    told = {line.pop("what"): line for line in lines}
    return Row(made.release, made.python, made.versions()["qiskit"], failed, told)


def _tried(way: str, made: Home, folder: Path, failed: dict[str, str]) -> str:
    command = _COMMANDS[way](made, folder)
    ended = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False
    )
    if ended.returncode:
        failed[way] = (ended.stderr or ended.stdout)[-1500:]
    elif way != "demo" and '{"what": "end"}' not in ended.stdout:
        failed[way] = f"the program did not come to its end:\n{ended.stdout[-1500:]}"
    return ended.stdout


def _environment(folder: Path) -> dict[str, str]:
    """The environment without an account, and without what belongs to this run of Python."""
    left_out = ("QISKIT_", "IAM_", "GLOBAL_", "PYTEST_", "QSESSION_", "PYTHON", "VIRTUAL_ENV", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"HOME": str(folder), "PYTHONWARNINGS": "ignore"}


def _demo(made: Home, _: Path) -> list[str]:
    return [made.program("qsession"), "demo"]


def _emulate(made: Home, _: Path, *more: str) -> list[str]:
    emulate = [made.program("qsession"), "emulate", "--instance", "research", *more]
    return [*emulate, "--", made.program(), str(PROGRAM)]


def _tls(made: Home, folder: Path) -> list[str]:
    return _emulate(made, folder, "--tls")


def _record(made: Home, folder: Path) -> list[str]:
    return [made.program(), str(RUN), "record", str(folder / "program.yaml"), str(PROGRAM)]


def _replay(made: Home, folder: Path) -> list[str]:
    return [*_alone(), made.program(), str(RUN), "replay", str(folder / "program.yaml"), str(PROGRAM)]


_COMMANDS: dict[str, Callable[[Home, Path], list[str]]] = {
    "demo": _demo,
    "emulate": _emulate,
    "tls": _tls,
    "record": _record,
    "replay": _replay,
}


def _alone() -> list[str]:
    """What to put before a command to take the network from it; nothing where the system cannot."""
    command = ["unshare", "--map-root-user", "--net"]
    try:
        works = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return []
    return command if works else []


def table(rows: Sequence[Row]) -> list[str]:
    """A line for each row, then what failed."""
    lines = [f"{'client':8} {'Python':6} {'qiskit':8} {'passed':32} {'details()':9} what the program did"]
    for each in rows:
        passed = " ".join(way for way in WAYS if way not in each.failed) or "nothing"
        keys = f"{len(each.details)} keys"
        lines.append(
            f"{each.release:8} {each.python:6} {each.qiskit:8} {passed:32} {keys:9} {', '.join(each.did)}"
        )
    for each in rows:
        lines += [f"\n{each.release}, {way} failed:\n{said}" for way, said in each.failed.items()]
    return lines


_HEAD = """# Releases of the client

Written by `python -m benchmarks.clients --page FILE`; do not edit.

    pip install -e '.[emulator]'
    python -m benchmarks.clients            # the releases below
    python -m benchmarks.clients 0.46.1     # another one

An environment is made for each, once, below `.qsession/clients`: about 40 s and 450 MB each. What runs in one
takes about 25 s. The newest release runs with each Python at hand.

Each release runs, in an environment of its own for which pip resolves the rest:

- `qsession demo`;
- a program that knows nothing of qsession, `benchmarks/client_program.py`, under `qsession emulate` with and
  without `--tls`: token and name of an instance in its code, both channels, `least_busy()`, a session with
  `details()`, `status()`, `usage()` and `from_id`, sampler, estimator, a batch, the list of jobs and, where
  the release has them, the executor and the primitives on it;
- the same program in `qsession.record`, with the emulator as target;
- the same program in `qsession.replay`, in a process without any network (`unshare`, on Linux). It has to
  print what it printed when it was recorded.

Where one fails, the command ends with status 1. That a release runs shows that it takes the emulator's
answers, not that the service would give them. It is no part of `./run test`: with its environment, the
oldest release alone would take that a minute.

| client | Python | qiskit | demo | emulate | emulate --tls | record | replay | on the executor |
|---|---|---|---|---|---|---|---|---|""".splitlines()

_TAIL = """
## Recordings of another release

What one release recorded and another replays is not tried here. A release may read what an older one never
asked for, and is then refused ([QS301](errors.md#qs301)): record again after an update that does. What was
tried by hand: [limitations](limitations.md#versions-that-were-tried).""".splitlines()


def page(rows: Sequence[Row]) -> str:
    """The page of the documentation."""
    lines = [*_HEAD, *(_page_row(each) for each in rows), "", "## What `details()` shows", ""]
    lines += ["| client | keys |", "|---|---|"]
    by_release = {each.release: each.details for each in rows}
    lines += [
        f"| {release} | {', '.join(f'`{key}`' for key in keys)} |" for release, keys in by_release.items()
    ]
    return "\n".join([*lines, *_TAIL, ""])


def _page_row(each: Row) -> str:
    ways = ["failed" if way in each.failed else "passed" for way in WAYS]
    executor = [f"`{name}`" for name in each.did if name.startswith("executor")]
    return f"| {' | '.join((each.release, each.python, each.qiskit, *ways, ', '.join(executor) or 'none'))} |"


if __name__ == "__main__":
    sys.exit(main())

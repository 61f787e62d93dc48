"""A circuit that is transpiled anew in each process, with another seed, against one recording of it.

    python -m benchmarks.routed            # 20 replays and 20 of a changed circuit, on two releases of qiskit
    python -m benchmarks.routed --quick    # 3 and 3, on the installed one

A circuit of 8 qubits that all meet is transpiled for ibm_fez and recorded once on the emulator. Every
process transpiles it again, as chance will have it, and replays with ``match="routed"``: each must get the
recorded counts. Then the same with one gate changed, another one in each process: each must be refused.
The other release of qiskit is installed once, below ``.qsession``. What stock vcrpy would answer, by its
default matching and with bodies compared, is printed beside it. Exit status 1 if one replay did otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROGRAM = Path(__file__).with_name("_routed_program.py")
OTHER = "2.3.1"
PROCESSES, FEW = 20, 3
NOTHING = -1
_LEFT_OUT = ("QISKIT_IBM", "QSESSION_", "PYTHONPATH", "CI")

Seen = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the replays of one release.

    Attributes:
        qiskit: Its version.
        same: What each process with the recorded circuit saw.
        changed: What each with a changed one saw.
        counts: What was recorded.
    """

    qiskit: str
    same: Sequence[Seen]
    changed: Sequence[Seen]
    counts: Mapping[str, int]

    @property
    def right(self) -> tuple[int, int]:
        """How many got the recorded counts, and how many changed ones were refused."""
        matched = sum(each["outcome"] == "answered" and each["counts"] == self.counts for each in self.same)
        return matched, sum(each["outcome"] == "QS302" for each in self.changed)

    @property
    def is_right(self) -> bool:
        return self.right == (len(self.same), len(self.changed))

    def lines(self) -> list[str]:
        """For people."""
        matched, refused = self.right
        layouts = len({tuple(each["places"]) for each in self.same})
        found = [
            f"qiskit {self.qiskit}: {matched} of {len(self.same)} matched ({layouts} layouts), "
            f"{refused} of {len(self.changed)} changed ones refused"
        ]
        for way in ("default", "body"):
            wrong = sum(each["vcrpy"][way] for each in self.changed)
            right = sum(each["vcrpy"][way] for each in self.same)
            found.append(
                f"  stock vcrpy, {way:7} matching: {right} of {len(self.same)} matched, "
                f"{len(self.changed) - wrong} of {len(self.changed)} changed ones refused"
            )
        found += [f"  wrong: {each}" for each in self._wrong()]
        return found

    def _wrong(self) -> list[str]:
        bad = [each for each in self.same if each["outcome"] != "answered" or each["counts"] != self.counts]
        return [json.dumps(each) for each in [*bad, *(e for e in self.changed if e["outcome"] != "QS302")]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Record once, replay on each release, and print a line for each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routed", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="few processes, the installed release only")
    options = parser.parse_args(arguments)
    pythons = {version("qiskit"): Path(sys.executable)}
    if not options.quick:
        pythons[OTHER] = installed(OTHER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = record(folder)
        number = FEW if options.quick else PROCESSES
        tallies = [tally(folder, counts, qiskit, python, number) for qiskit, python in pythons.items()]
    print("\n".join(line for each in tallies for line in each.lines()))
    return 0 if all(each.is_right for each in tallies) else 1


def record(folder: Path) -> Mapping[str, int]:
    """Record the circuit in a process of its own; its counts."""
    counts: Mapping[str, int] = _run(Path(sys.executable), "record", folder, NOTHING)["counts"]
    return counts


def replay(python: Path, folder: Path, change: int) -> Seen:
    """Replay in a process of its own, with one gate changed or `NOTHING`; what that saw."""
    return _run(python, "replay", folder, change)


def tally(folder: Path, counts: Mapping[str, int], qiskit: str, python: Path, number: int) -> Tally:
    """Replay in processes of their own, with the recorded circuit and with changed ones."""
    same = [replay(python, folder, NOTHING) for _ in range(number)]
    # Spread over all of the circuit: every 3rd gate is of another kind.
    changed = [replay(python, folder, 3 * i) for i in range(number)]
    return Tally(qiskit, same, changed, counts)


def installed(qiskit: str) -> Path:
    """The Python of an environment with a release of qiskit and the installed client, made once."""
    home = ROOT / ".qsession" / f"qiskit-{qiskit}"
    python = home / "bin" / "python"
    client, recorder = version("qiskit-ibm-runtime"), version("vcrpy")
    wanted = [
        f"qiskit=={qiskit}",
        f"qiskit-ibm-runtime=={client}",
        f"vcrpy=={recorder}",
        "freezegun",
        "pyyaml",
    ]
    if not (home / "made").exists():
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        (home / "made").touch()
    return python


def _run(python: Path, mode: str, folder: Path, change: int) -> Seen:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    ended = subprocess.run(
        [python, "-W", "ignore", PROGRAM, mode, folder, str(change)],
        env={**kept, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if ended.returncode:
        raise RuntimeError(f"{mode} failed:\n{ended.stderr[-3000:]}")
    seen: Seen = json.loads(ended.stdout.splitlines()[-1])
    return seen


if __name__ == "__main__":
    sys.exit(main())

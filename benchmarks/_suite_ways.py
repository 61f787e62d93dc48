"""A suite of somebody else's, recorded once and replayed in every way: runs of pytest, and what they told."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._suite_told import GONE, TOLD

ORDERS = ("in file order", "in random order", "with workers", "each alone")
DAYS = {"at once": 0, "400 days later": 400}
_ROOT = Path(__file__).resolve().parents[1]
_LONGEST = 2400  # seconds: a run that waits has lost
_WITHOUT = ("no:schemathesis", "no:cacheprovider", "no:benchmark")

Outcomes = Mapping[str, tuple[str, str]]
"""By pytest's id of a test: ``passed``, ``failed`` or ``skipped``, and the first line of why."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a suite is run.

    Attributes:
        python: The interpreter, with qsession, the client, pytest-xdist and pytest-randomly.
        home: The folder with ``test``, where pytest starts.
        paths: Files and folders of the suite, below it, and options that leave some out.
        folder: Where the cassettes go, and what the runs tell.
        around: The environment.
        account: What the suite is told of an account while it is recorded.
        nobody: The same for the replays, of an account that there is not.
        seed: Of the random order.
        workers: How many processes share the tests.
        hurried: Whether the replays in order are forked, too, from one process that has imported everything.
    """

    python: str
    home: Path
    paths: Sequence[str]
    folder: Path
    around: Mapping[str, str] = field(repr=False)
    account: Mapping[str, str] = field(repr=False)
    nobody: Mapping[str, str] = field(repr=False)
    seed: int
    workers: int = 4
    hurried: bool = False

    def record(self) -> Outcomes:
        """Against the emulator, once."""
        target = ("--qsession-record", "--qsession-target=emulator", "--qsession-emulator=ibm-suite")
        return self._whole([*self._pytest(ORDERS[0]), *target, *self.paths], self.account)

    def replay(self, day: int, alone: Collection[str]) -> Mapping[str, Outcomes]:
        """In every order, on one day.

        Args:
            day: How many days later, by the clock of the processes.
            alone: Ids of the tests that have a process each.

        Returns:
            What became of the tests, by order.
        """
        nobody = {**self.nobody, GONE: "1"}
        orders = {order: [*self._pytest(order), *self.paths] for order in ORDERS[:3]}
        forked = [[*self._pytest(ORDERS[0]), test] for test in alone]
        found: dict[str, Outcomes] = {}
        if self.hurried:
            first, second, *rest = self._forked([*list(orders.values())[:2], *forked], nobody, day)
            found = dict(zip(ORDERS[:2], (first, second), strict=True))
        else:
            found = {order: self._whole(orders[order], nobody, day) for order in ORDERS[:2]}
            rest = self._forked(forked, nobody, day)
        found[ORDERS[2]] = self._whole(orders[ORDERS[2]], nobody, day)
        found[ORDERS[3]] = {test: told for each in rest for test, told in each.items()}
        return found

    def _pytest(self, order: str) -> Sequence[str]:
        options = [text for name in (*_WITHOUT, "benchmarks._suite_told") for text in ("-p", name)]
        # Some releases have no settings of pytest: not those of a folder above, either.
        options += ["-c", "pyproject.toml"]
        options += [
            "-q",
            "-W",
            "ignore",
            "--qsession-all",
            f"--qsession-cassettes={self.folder / 'cassettes'}",
        ]
        if order == ORDERS[1]:
            return [*options, f"--randomly-seed={self.seed}"]
        return [*options, "-p", "no:randomly", *(["-n", str(self.workers)] if order == ORDERS[2] else [])]

    def _whole(self, arguments: Sequence[str], account: Mapping[str, str], day: int = 0) -> Outcomes:
        told = self.folder / "told.json"
        told.unlink(missing_ok=True)
        self._run(["pytest", *arguments], {**account, TOLD: str(told)}, day)
        return _read(told)

    def _forked(
        self, wanted: Sequence[Sequence[str]], account: Mapping[str, str], day: int
    ) -> Sequence[Outcomes]:
        work = self.folder / "wanted.json"
        told = [self.folder / f"told-{number}.json" for number in range(len(wanted))]
        for each in told:
            each.unlink(missing_ok=True)
        work.write_text(json.dumps([[*each] for each in zip(wanted, map(str, told), strict=True)]), "utf-8")
        self._run(["benchmarks._suite_alone", str(work)], account, day)
        return [_read(each) for each in told]

    def _run(self, module: Sequence[str], account: Mapping[str, str], day: int) -> None:
        command = [self.python, "-m", *module]
        if day:
            # Waits are by the monotonic clock, which nobody moves.
            command = ["faketime", "--exclude-monotonic", "-f", f"+{day}d", *command]
        modules = os.pathsep.join((str(_ROOT), os.environ.get("PYTHONPATH", "")))
        around = {**self.around, **account, "PYTHONPATH": modules}
        with (self.folder / "said.log").open("ab") as log:
            subprocess.run(
                command, cwd=self.home, env=around, stdout=log, stderr=log, timeout=_LONGEST, check=False
            )


def _read(told: Path) -> Outcomes:
    if not told.exists():
        return {}
    found: Mapping[str, Sequence[str]] = json.loads(told.read_text("utf-8"))
    return {test: (outcome, why) for test, (outcome, why) in found.items()}

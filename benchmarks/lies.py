"""Replays of changed programs: is one green that gives something which never could have been?

    python -m benchmarks.lies                # 500 programs
    python -m benchmarks.lies --quick        # 60
    python -m benchmarks.lies --seed 7 200   # others

Each random program (sessions, batches, jobs of two backends in two instances, tags, cancels, deletes, lists,
usage, metrics, waits) is recorded on the emulator. One in four is replayed as it is: it must be green, and
give the same. The others are changed a little (steps change places, waits and reads come in) and replayed. A
refusal is fine. A replay that is green must give what is true: what the emulator says to the same changed
program, but for the documented leniencies, each a rule of ``_lies_judging``.

Exit status 1 on a lie, a crash (an exception that is not ours and that the emulator does not raise), or an
unchanged program that is refused. Each finding is printed as a short program to paste, without all that can
be left out.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import _lies_running
from benchmarks._lies_judging import Verdict, judge
from benchmarks._lies_programs import Case, case, parsed
from benchmarks._lies_shrinking import shrunk
from benchmarks._measuring import stopped

_QUICK, _FULL = 60, 500
_UNCHANGED_ONE_IN = 4


@dataclass(slots=True)
class Tally:
    """What came of the programs.

    Attributes:
        outcomes: How many came to what, by whether they were changed.
        leniencies: How many answers each rule explained.
        findings: Programs to paste, with what is wrong.
    """

    outcomes: Counter[tuple[bool, str]] = field(default_factory=Counter)
    leniencies: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make programs, replay them changed, print what came of it."""
    options = _parser().parse_args(arguments)
    number = options.programs or (_QUICK if options.quick else _FULL)
    with stopped() as watch:
        tally = campaign(range(options.seed, options.seed + number), tell=_print_at_once)
    print("\n".join(_report(tally, number, watch.seconds)))
    return 1 if tally.findings else 0


def campaign(seeds: Sequence[int], *, tell: Callable[[str], None] = lambda finding: None) -> Tally:
    """Judge a case for each seed.

    Args:
        seeds: Which; every fourth is replayed unchanged.
        tell: Is given each finding as soon as it is there.
    """
    tally = Tally()
    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in seeds:
            for finding in _judge_one(seed, Path(name), tally):
                tally.findings.append(finding)
                tell(finding)
    return tally


def _print_at_once(finding: str) -> None:
    print(finding, end="\n\n", flush=True)


def _judge_one(seed: int, folder: Path, tally: Tally) -> Iterator[str]:
    found = case(seed, unchanged=seed % _UNCHANGED_ONE_IN == 0)
    verdict = judge(found, folder)
    tally.outcomes[found.is_unchanged, verdict.outcome] += 1
    tally.leniencies.update(verdict.leniencies)
    if verdict.is_finding:
        small = shrunk(found, lambda smaller: _outcome(smaller, folder) == verdict.outcome)
        lines = judge(small, folder)
        yield "\n".join([f"# seed {seed}: {lines.outcome}", *_comments(lines), str(small)])


def _outcome(smaller: Case, folder: Path) -> str:
    try:
        return judge(smaller, folder).outcome
    except Exception:  # noqa: BLE001 - the smaller program is none
        return ""


def _comments(verdict: Verdict) -> list[str]:
    return [f"# {line}" for words in verdict.why for line in words.splitlines()]


def show(recorded: str, changed: str, **how: object) -> Verdict:
    """What is recorded, true and replayed of a program that the campaign printed."""
    told = replace(Case(parsed(recorded), parsed(changed)), **how)  # type: ignore[arg-type]
    with TemporaryDirectory() as name:
        folder = Path(name)
        print("recorded", *_lines(_lies_running.record(told, folder / "recorded.yaml")), sep="\n")
        print("true", *_lines(_lies_running.ask(told)), sep="\n")
        print("replayed", *_lines(_lies_running.replay(told, folder / "recorded.yaml")), sep="\n")
        verdict = judge(told, folder)
    print(verdict.outcome, *verdict.why, *verdict.leniencies, sep="\n  ")
    return verdict


def _lines(answers: _lies_running.Answers | _lies_running.Refused) -> list[str]:
    if isinstance(answers, _lies_running.Refused):
        return [f"  {answers.words}"]
    return [f"  {told.at:10.3f} s  {told.step!s:<36} {told.what}" for told in answers]


def _report(tally: Tally, number: int, took: float) -> list[str]:
    def count(changed: bool, *outcomes: str) -> int:
        return sum(tally.outcomes[not changed, outcome] for outcome in outcomes)

    unchanged = sum(times for (is_unchanged, _), times in tally.outcomes.items() if is_unchanged)
    lines = [
        f"{number} programs in {took:.0f} s, {number / took:.1f} a second",
        f"  unchanged: {unchanged}, of which green and equal: {count(False, 'right')}",
        f"  changed, green and right:    {count(True, 'right'):>6}",
        f"  changed and refused:         {count(True, 'refused'):>6}",
        f"  lies:                        {count(True, 'lie') + count(False, 'lie'):>6}",
        f"  crashes:                     {count(True, 'crash') + count(False, 'crash'):>6}",
        f"  unchanged and refused:       {count(False, 'refused unchanged'):>6}",
        "answers that a documented leniency explains:",
    ]
    lines += [f"  {rule:<28} {times:>6}" for rule, times in sorted(tally.leniencies.items())]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lies",
        description="Random programs, replayed with a small change, and whether what they are told is true.",
        epilog="example:\n  python -m benchmarks.lies --seed 7 200",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("programs", nargs="?", type=int, metavar="PROGRAMS", help=f"default: {_FULL}")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first program (default: 0)")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} programs")
    return parser


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())

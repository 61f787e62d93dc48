"""Bad input for the emulator: what schemathesis makes out of our description, and requests made by hand.

    python -m benchmarks.fuzz_emulator                    # 1,000 generated requests, and all made by hand
    python -m benchmarks.fuzz_emulator --quick            # 200, and some of the others; what ./run test does
    python -m benchmarks.fuzz_emulator --requests 20000   # more of the first
    python -m benchmarks.fuzz_emulator --seed 7           # others

A real server on this machine is asked. No answer may be a failure of the emulator, hold a traceback, take
more than ten seconds or be other than the description says; what was there before must be there afterwards,
byte by byte, and the real client must work. Exit status 1 if anything is found. Needs the extra `suite`.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from time import perf_counter

from benchmarks.fuzz_emulator._by_hand import ByHand
from benchmarks.fuzz_emulator._generated import Described, Fuzzer
from benchmarks.fuzz_emulator._target import FUZZED, Caller, Findings, Kept, Tally, client_runs, emulator
from qsession.emulator import EmulatorServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print what came of it, and say whether anything was found."""
    options = _parser().parse_args(arguments)
    began, log = perf_counter(), io.StringIO()
    findings, tally, described = Findings(), Tally(), Described()
    with EmulatorServer(emulator(), log=log) as server:
        kept, caller = Kept(server), Caller(server, FUZZED)
        by_hand = ByHand(caller, described, tally, findings)
        by_hand.stall()
        Fuzzer(caller, described, tally, findings).run(
            options.requests or (200 if options.quick else 1000), options.seed
        )
        by_hand.run(quick=options.quick)
        by_hand.part()
        kept.check(findings)
        client_runs(server, findings)
    for line in log.getvalue().splitlines():
        if " 500 " in line:
            findings.add("a failure in the emulator's log", line)
    print("\n".join(report(tally, findings, options.seed, perf_counter() - began)))
    return 1 if findings.counts else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz_emulator",
        description="Random and bad requests for the emulator, and what came of them.",
        epilog="example:\n  python -m benchmarks.fuzz_emulator --requests 5000 --seed 7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--requests", type=int, metavar="N", help="generated requests at least (default: 1000, or 200)")
    add("--seed", type=int, default=0, metavar="N", help="which ones (default: 0)")
    add("--quick", action="store_true", help="fewer requests by hand too: twenty seconds")
    return parser


def report(tally: Tally, findings: Findings, seed: int, seconds: float) -> list[str]:
    """Figures, and every finding with its first example."""
    statuses = ", ".join(
        f"{count} x {status or 'silence'}" for status, count in sorted(tally.statuses.items())
    )
    kinds = ", ".join(f"{count} {kind}" for kind, count in tally.sent.items())
    return [
        f"requests: {tally.total} ({kinds}); seed {seed}; {seconds:.0f} s",
        f"answers: {statuses}",
        f"slowest: {tally.slowest:.2f} s, {tally.slowest_what}",
        f"findings: {sum(findings.counts.values())}",
        *findings.lines(),
    ]


if __name__ == "__main__":
    sys.exit(main())

"""What happened in the runs of this process: as data, then as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qsession._escaped import escaped


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run did.

    Attributes:
        mode: ``record``, ``replay``, ``live`` or ``scenario``.
        target: ``ibm``, ``emulator`` or ``recording``.
        test: Test id, or empty.
        answered: Requests of the client that were answered.
        live: Requests that left for the service.
        sessions: Sessions and batches opened.
        qpu_seconds: QPU time of the recording; used for real when the target is ``ibm``.
        spent: QPU seconds that the money guard counted on the service, an upper bound.
        written: Cassette written, or empty.
        parked: The command that collects it, if the test was left until later.
        waits: The command that goes on with what was begun on the service, if the test has a journal of
            that beside what it now recorded on the emulator.
        unused: Recorded writes that were not sent.
        refused: Requests that had no answer.
        making: Those of them that would have opened a session or submitted a job.
        leaps: Waits between two polls that were left out.
        modelled: Answers that a model gave, past the end of the recording.
        stale: What counts as stale and why, one cassette a line, or empty.
        is_layer: Whether it was the run of a fixture, or of a session that tests share.
        is_other: Whether another worker recorded something else of the same fixture, which was kept.
    """

    mode: str
    target: str
    test: str = ""
    answered: int = 0
    live: int = 0
    sessions: int = 0
    qpu_seconds: float = 0.0
    spent: float = 0.0
    written: str = ""
    parked: str = ""
    waits: str = ""
    unused: int = 0
    refused: int = 0
    making: int = 0
    leaps: int = 0
    modelled: int = 0
    stale: str = ""
    is_layer: bool = False
    is_other: bool = False


_MOST_NAMES = 10


def lines(
    summaries: Iterable[Summary],
    *,
    mode: str,
    orphans: Sequence[str] = (),
    renamed: Sequence[str] = (),
    layers: Sequence[str] = (),
    unread: Sequence[str] = (),
) -> Sequence[str]:
    """The closing block of a test run.

    Args:
        summaries: One for each run, from every worker.
        mode: Mode of the test run.
        orphans: Cassettes that no test has.
        renamed: Cassettes that lost their test or fixture, each with whose it may be now.
        layers: Layers that no cassette builds on.
        unread: Requests whose answers stand in a shared layer, and no test asked for.
    """
    runs = tuple(summaries)
    targets = ", ".join(sorted({run.target for run in runs})) or "nothing"
    used = sum(run.qpu_seconds for run in runs if run.target == "ibm")
    would = sum(run.qpu_seconds for run in runs)
    written = [run.written for run in runs if run.written]
    block = [
        f"mode: {mode} ({targets}), tests: {_tests(runs)}, "
        f"requests answered: {sum(run.answered for run in runs)}",
        f"live requests: {sum(run.live for run in runs)}",
        f"QPU seconds used: {used:.1f} (on the service these tests would use {would:.1f})",
        f"sessions opened: {sum(run.sessions for run in runs)}, cassettes written: {len(written)}",
    ]
    unused, refused = sum(run.unused for run in runs), sum(run.refused for run in runs)
    if unused or refused:
        block.append(f"recorded writes not sent: {unused}, requests refused: {refused}")
    block += [f"parked, its job waits in the queue: {run.parked}" for run in runs if run.parked]
    block += [f"begun on the service, its journal is kept: {run.waits}" for run in runs if run.waits]
    if making := sum(run.making for run in runs):
        block.insert(0, f"refused before they opened a session or submitted a job: {making} requests")
    if leaps := sum(run.leaps for run in runs):
        block.append(f"waits that leapt to the next event: {leaps}")
    if modelled := sum(run.modelled for run in runs):
        block.append(f"answers of the model, past the recordings: {modelled}")
    stale = sorted({line for run in runs for line in run.stale.splitlines()})
    block += _named("stale cassettes", stale)
    others = sorted({run.test for run in runs if run.is_other})
    block += _named("recorded differently by two workers, the first is kept", others, "QS244")
    block += _named("cassettes that renamed tests may have left", renamed, "qsession prune --rename")
    block += _named("cassettes without a test", orphans, "qsession prune")
    block += _named("layers that no cassette builds on", layers, "qsession prune")
    block += _named("answers of a shared layer that no test asked for", unread)
    return [escaped(line) for line in block]


def together(one: Mapping[str, list[str]], other: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What workers of pytest-xdist found left over: all of them the same, but each read other things.

    Args:
        one: What those before found; empty for none.
        other: What the next one found.
    """
    unread = [each for each in other.get("unread", ()) if not one or each in one.get("unread", ())]
    return {**other, "unread": unread}


def _tests(runs: Sequence[Summary]) -> str:
    """How many tests there were: a plugin may have repeated some that failed."""
    theirs = [run for run in runs if not run.is_layer]
    tests = {run.test or str(number) for number, run in enumerate(theirs)}
    return str(len(tests)) if len(tests) == len(theirs) else f"{len(tests)} in {len(theirs)} runs"


def _named(what: str, names: Sequence[str], command: str = "") -> Sequence[str]:
    """How many there are, what to do, and the first of them; nothing where there are none."""
    if not names:
        return []
    more = [f"  and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    told = f"{what}: {len(names)}" + (f" ({command})" if command else "")
    return [told, *(f"  {name}" for name in names[:_MOST_NAMES]), *more]

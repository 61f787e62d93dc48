"""What came of a case: right, refused, or a lie; and which leniency explains a difference.

The truth is what the emulator says to the changed program. Where a replay says something else, each of
these rules may explain it; each stands in docs/reference/limitations.md, "What a replay cannot tell you":

- *an earlier read*: "A read that comes earlier than it was recorded [...] is answered with what was seen
  first". The answer must be what the emulator says if the step waits until it comes when it was recorded.
- *a later write*: "A write that comes later than recorded shifts what it led to, and is answered as it was".
  The answer must be what the emulator says if waits before writes that came later than recorded are left out.
- *usage*: "lists are then answered as of the nearest moment. So is the usage of an instance always". The
  answer must have been recorded for the usage of an instance.

No rule explains a job that is seen to run, or is cancelled, after it was seen to have ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmarks import _lies_running
from benchmarks._lies_programs import Case, Program, Step
from benchmarks._lies_running import Answers, Refused, Told
from qsession._store import Store

_ENDED = ("DONE", "ERROR", "CANCELLED")
_MOST_WAITS = 4
_TELLING = 0.01


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a case.

    Attributes:
        outcome: ``right``, ``refused``, ``lie``, ``crash``, or ``refused unchanged``.
        why: What was said and what is true, a line each.
        leniencies: The rules that explained differences.
    """

    outcome: str
    why: tuple[str, ...] = ()
    leniencies: tuple[str, ...] = ()

    @property
    def is_finding(self) -> bool:
        return self.outcome not in {"right", "refused"}


def judge(case: Case, folder: Path) -> Verdict:
    """Record a case, replay it changed, and hold what it says against the emulator.

    Args:
        case: The case.
        folder: Where cassettes may be written.
    """
    path = folder / "recorded.yaml"
    recorded = _lies_running.record(case, case.recorded, path)
    replayed = _lies_running.replay(case, path)
    if isinstance(replayed, Refused):
        outcome = "refused unchanged" if case.is_unchanged else "refused"
        return Verdict(outcome, (f"{replayed.code}: {replayed.words}",))
    true = recorded if case.is_unchanged else _lies_running.record(case, case.changed, folder / "true.yaml")
    return _Comparison(case, folder, recorded, true, replayed).verdict()


@dataclass(frozen=True, slots=True)
class _Comparison:
    case: Case
    folder: Path
    recorded: Answers
    true: Answers
    replayed: Answers

    def verdict(self) -> Verdict:
        wrong, rules = [], []
        for place, (is_so, said) in enumerate(zip(self.true, self.replayed, strict=True)):
            if is_so.what != said.what:
                rule = "" if self.case.is_unchanged else self._leniency(place)
                rules += [rule] if rule else []
                wrong += [] if rule else [f"{said.step}: replayed {said.what}, true is {is_so.what}"]
        if not self.case.is_unchanged:
            wrong += _contradictions(self.replayed)
        crash = any(
            said.is_error and not is_so.is_error for is_so, said in zip(self.true, self.replayed, strict=True)
        )
        return Verdict(
            "crash" if wrong and crash else "lie" if wrong else "right", tuple(wrong), tuple(rules)
        )

    def _leniency(self, place: int) -> str:
        """The rule that explains a difference, or nothing."""
        said = self.replayed[place]
        if said.step.word == "usage" and said.what in _recorded_usage(self.folder):
            return "usage"
        for rule, program in self._worlds(place):
            answers = _lies_running.record(self.case, program, self.folder / "true.yaml")
            same = [told for told in answers if not told.step.is_wait]
            index = sum(not step.is_wait for step in self.case.changed[:place])
            if same[index].what == said.what:
                return rule
        return ""

    def _worlds(self, place: int) -> Iterator[tuple[str, Program]]:
        """Programs to which the emulator may say what the replay says, with the rule that allows it."""
        steps = self.case.changed
        late = [step for step in steps if step.is_write and self._later(step) > _TELLING]
        last = max((i for i, step in enumerate(steps) if step in late), default=-1)
        waits = [i for i, step in enumerate(steps[:last]) if step.is_wait][:_MOST_WAITS]
        for number in range(1, len(waits) + 1):
            for left_out in combinations(waits, number):
                yield "a later write", tuple(s for i, s in enumerate(steps) if i not in left_out)
        early = -self._later(steps[place])
        if early > _TELLING and not steps[place].is_write:
            yield "an earlier read", (*steps[:place], Step(f"wait({early})"), *steps[place:])

    def _later(self, step: Step) -> float:
        """By how many seconds a step came later in the replay than in the recording."""
        now = next(told.at for told in self.replayed if told.step == step)
        then = [told.at for told in self.recorded if told.step == step]
        return now - then[0] if then else 0


def _contradictions(answers: Answers) -> Iterator[str]:
    """Jobs that are seen to run, or are cancelled, after they were seen to have ended."""
    ended: set[str] = set()
    for told in answers:
        job = next(iter(told.step.needs), "") if told.step.word in {"status", "cancel", "result"} else ""
        if job in ended and _lives(told):
            yield f"{told.step}: replayed {told.what}, but {job} was seen to have ended"
        if told.step.word == "status" and told.what.strip("'") in _ENDED:
            ended.add(job)


def _lives(told: Told) -> bool:
    if told.step.word == "cancel":
        return not told.is_error
    return told.step.word == "status" and told.what.strip("'") in {"QUEUED", "RUNNING", "INITIALIZING"}


def _recorded_usage(folder: Path) -> set[str]:
    recording = Store(folder, folder / ".qsession").load(folder / "recorded.yaml")
    bodies = [i.response.body for i in recording.interactions if i.endpoint == "instances.usage"]
    return {repr(json.loads(body).get("usage_consumed_seconds")) for body in bodies}

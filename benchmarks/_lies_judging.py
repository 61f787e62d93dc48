"""What came of a case: right, refused, or a lie; and which leniency explains a difference.

The truth is what the emulator says to the changed program. Where a replay says something else, each of
these rules may explain it; each stands in docs/reference/limitations.md, "What a replay cannot tell you":

- *an earlier read*: "A read that comes earlier than it was recorded [...] is answered with what was seen
  first". The answer must be what the emulator says if the step waits until it comes when it was recorded.
- *a later write*: "A write that comes later than recorded shifts what it led to, and is answered as it was".
  The answer must be what the emulator says if waits before writes that came later than recorded are left out,
  or come after them.
- *an earlier write*: "A write that comes earlier is answered when it was recorded". The answer must be what
  the emulator says if each write that came earlier waits until then.
- *a late read*: "Between two looks [...] a job or session is in the state of the earlier one [...]. The last
  state is answered for a second more". The answer must be what the emulator says if waits before the read are
  left out.
- *past the end*: docs/fidelity.md, "a queued job stays queued and a running one running". Where the clock is
  moved, or the model may answer, the answer must be what an emulator says whose jobs never start, or never
  end.
- *usage*: "lists are then answered as of the nearest moment. So is the usage of an instance always". The
  answer must have been recorded for the usage of an instance.

No rule explains a job that is seen to run, or is cancelled, after it was seen to have ended.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path

from benchmarks import _lies_running
from benchmarks._lies_programs import Case, Step
from benchmarks._lies_running import Answers, Refused, Told
from qsession._store import Store

_ENDED = ("DONE", "ERROR", "CANCELLED")
_MOST_WAITS = 4
_TELLING = 0.01
_PATIENCE = 1.05
_FOR_EVER = 10**6


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
    recorded = _lies_running.record(case, path)
    replayed = _lies_running.replay(case, path)
    if isinstance(replayed, Refused):
        outcome = "refused unchanged" if case.is_unchanged else "refused"
        return Verdict(outcome, (f"{replayed.code}: {replayed.words}",))
    true = recorded if case.is_unchanged else _lies_running.ask(case)
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
        for rule, case, index in self._worlds(place):
            answers = _lies_running.ask(case)
            if answers[index].what == said.what:
                return rule
        return ""

    def _worlds(self, place: int) -> Iterator[tuple[str, Case, int]]:
        """Where the emulator may say what the replay says: the rule that allows it, a case, and the step."""
        waits = {i: -late for i, late in self._late_writes() if late < -_TELLING}
        if waits:
            yield "an earlier write", *self._with(waits, (), place)
        yield "a later write", *self._with({**waits, **(cut := self._cut_short())}, [*cut], place)
        for left_out in self._waits_before_late_writes():
            yield "a later write", *self._with(waits, left_out, place)
            length = sum(self._length(i) for i in left_out if i < place)
            yield "a later write", *self._with({**waits, place: length}, left_out, place)
        step = self.case.changed[place]
        if step.word == "cancel" and (longer := self._since(place)) > 0:
            case, index = self._with(waits, (), place)
            yield "a later write", replace(case, run=case.run + longer), index
        if not step.is_write and self._past_the_last_look(place) <= _PATIENCE:
            for left_out in _some([i for i, each in enumerate(self.case.changed[:place]) if each.is_wait]):
                yield "a late read", *self._with(waits, left_out, place)
        if self.case.beyond == "model" or any(step.word == "advance" for step in self.case.changed):
            case, index = self._with(waits, (), place)
            yield "past the end", replace(case, run=_FOR_EVER), index
            yield "past the end", replace(case, queue=_FOR_EVER), index
        early = max(-self._later(place), -self._since(place))
        if early > _TELLING and not step.is_write:
            yield "an earlier read", *self._with({**waits, place: early}, (), place)

    def _with(self, waits: Mapping[int, float], left_out: Collection[int], place: int) -> tuple[Case, int]:
        """The case with further waits before some steps, without others; and where a step then stands."""
        steps: list[Step] = []
        index = 0
        for i, step in enumerate(self.case.changed):
            steps += [Step(f"wait({waits[i]})")] if i in waits else []
            index = len(steps) if i == place else index
            steps += [] if i in left_out else [step]
        return replace(self.case, changed=tuple(steps)), index

    def _late_writes(self) -> Iterator[tuple[int, float]]:
        return ((i, self._later(i)) for i, step in enumerate(self.case.changed) if step.is_write)

    def _waits_before_late_writes(self) -> Iterator[tuple[int, ...]]:
        last = max((i for i, late in self._late_writes() if late > _TELLING), default=0)
        return _some([i for i, step in enumerate(self.case.changed[:last]) if step.is_wait])

    def _cut_short(self) -> dict[int, float]:
        """Shorter waits, with which writes that came later come when they were recorded."""
        lengths = {i: self._length(i) for i, step in enumerate(self.case.changed[:-1]) if step.is_wait}
        cut: dict[int, float] = {}
        for i, late in self._late_writes():
            excess = late - sum(lengths[wait] - cut[wait] for wait in cut)
            for wait in (wait for wait in reversed(lengths) if wait < i and excess > 0):
                left = cut.get(wait, lengths[wait])
                cut[wait] = max(0.0, left - excess)
                excess -= left - cut[wait]
        return cut

    def _past_the_last_look(self, place: int) -> float:
        """How long after anybody looked at a thing in the recording a step does, in seconds of its life."""
        step = self.replayed[place].step
        then = [
            told.at - _made_at(self.recorded, step) for told in self.recorded if told.step.needs == step.needs
        ]
        return self.replayed[place].at - _made_at(self.replayed, step) - max(then, default=0)

    def _later(self, place: int) -> float:
        """By how many seconds a step came later in the replay than in the recording."""
        then = _place_of(self.recorded, self.replayed[place].step, self._turn(place))
        return 0 if then is None else self.replayed[place].at - self.recorded[then].at

    def _since(self, place: int) -> float:
        """By how many seconds more a step came after what made the thing that it is about."""
        step = self.replayed[place].step
        then = _place_of(self.recorded, step, self._turn(place))
        made = next((i for i, told in enumerate(self.replayed) if told.step.name in step.needs), None)
        if then is None or made is None:
            return 0
        return self._later(place) - self._later(made)

    def _length(self, place: int) -> float:
        """How long a wait took, in seconds."""
        return self.replayed[place + 1].at - self.replayed[place].at

    def _turn(self, place: int) -> int:
        """The how many-th of equal steps it is."""
        return self.case.changed[:place].count(self.case.changed[place])


def _some(waits: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Each choice of some of the first waits."""
    few = waits[:_MOST_WAITS]
    return chain.from_iterable(combinations(few, number + 1) for number in range(len(few)))


def _made_at(answers: Answers, step: Step) -> float:
    """When the last of what a step is about was made; 0 if it is about no single thing."""
    return max((told.at for told in answers if told.step.name in step.needs), default=0)


def _place_of(answers: Answers, step: Step, turn: int) -> int | None:
    """Where a step was recorded: as the how many-th of its kind, or as the last."""
    places = [i for i, told in enumerate(answers) if told.step == step]
    return places[min(turn, len(places) - 1)] if places else None


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

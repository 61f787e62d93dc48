"""Random programs of the campaign, and small changes of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

_NAMES = re.compile(r"\b[sj]\d\b")
_WRITES = ("mark", "cancel", "close", "delete")
_WAITS = ("0.1", "0.25", "1", "30", "90", "400")
_MOST_CHANGES = 3
_ASPECTS = ("circuits", "shots", "options", "tags", "job")
_MATCHES: list[str | tuple[str, ...]] = [*["meaning"] * 4, "routed", _ASPECTS]
_MOST_JOBS, _MOST_SESSIONS = 4, 2


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a program.

    Attributes:
        text: What is called.
        name: The variable that it makes, or empty.
    """

    text: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} = {self.text}" if self.name else self.text

    @property
    def word(self) -> str:
        return self.text.partition("(")[0]

    @property
    def needs(self) -> frozenset[str]:
        """The variables that it reads."""
        return frozenset(_NAMES.findall(self.text))

    @property
    def is_wait(self) -> bool:
        return self.word in {"wait", "advance"}

    @property
    def is_write(self) -> bool:
        return bool(self.name) or self.word in _WRITES


Program = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A program that is recorded, one that is replayed, and how.

    Attributes:
        recorded: The one that is recorded.
        changed: The one that is replayed.
        queue: Seconds that a job is queued on the emulator.
        run: Seconds that it runs.
        match: ``match`` of the replay.
        beyond: ``beyond`` of the replay.
    """

    recorded: Program
    changed: Program
    queue: float = 0.2
    run: float = 0.3
    match: str | tuple[str, ...] = "meaning"
    beyond: str = "error"

    @property
    def is_unchanged(self) -> bool:
        return self.recorded == self.changed

    def __str__(self) -> str:
        """A program to paste."""
        lines = ["from benchmarks import lies", "", "lies.show("]
        for name in ("recorded", "changed"):
            lines += [f"    {name}='''", *map(str, getattr(self, name)), "    ''',"]
        shown = f"queue={self.queue}, run={self.run}, match={self.match!r}, beyond={self.beyond!r}"
        return "\n".join([*lines, f"    {shown},", ")"])


def parsed(text: str) -> Program:
    """A program from its lines."""
    lines = (line.strip() for line in text.splitlines() if line.strip())
    found = (re.fullmatch(r"(?:([sj]\d) = )?(.+)", line) for line in lines)
    return tuple(Step(match[2], match[1] or "") for match in found if match)


def case(seed: int, *, unchanged: bool) -> Case:
    """A random case, the same for the same seed."""
    chance = random.Random(seed)
    recorded = _program(chance)
    changed = recorded if unchanged else _changed(chance, recorded)
    match = chance.choice(_MATCHES)
    return Case(
        recorded,
        changed,
        queue=chance.choice([0.2, 5, 20]),
        run=chance.choice([0.3, 10]),
        match=match,
        beyond=chance.choice(["error"] * 3 + ["model"]),
    )


def is_sound(program: Sequence[Step]) -> bool:
    """Whether each variable is made before it is read."""
    made: set[str] = set()
    for step in program:
        if not step.needs <= made:
            return False
        made.add(step.name)
    return True


def _program(chance: random.Random) -> Program:
    steps: list[Step] = []
    for _ in range(chance.randint(4, 10)):
        made = [step.name for step in steps if step.name]
        kinds = _kinds([n for n in made if n[0] == "s"], [n for n in made if n[0] == "j"])
        steps.append(chance.choices(*zip(*kinds, strict=True))[0](chance))
    return tuple(steps)


_Make = Callable[[random.Random], Step]


def _kinds(sessions: list[str], jobs: list[str]) -> Iterator[tuple[_Make, int]]:
    """What may come next, and how often."""
    if len(sessions) < _MOST_SESSIONS:
        yield lambda chance: _opening(chance, f"s{len(sessions)}"), 3
    if len(jobs) < _MOST_JOBS:
        yield lambda chance: _submission(chance, f"j{len(jobs)}", sessions), 6
    if jobs:
        yield lambda chance: _about_job(chance, chance.choice(jobs)), 9
    if sessions:
        yield lambda chance: _about_session(chance, chance.choice(sessions)), 5
    yield lambda chance: Step(f"{chance.choice(['wait'] * 4 + ['advance'])}({chance.choice(_WAITS)})"), 2
    yield lambda chance: _list(chance, sessions), 2
    yield lambda _: Step("usage()"), 1


def _opening(chance: random.Random, name: str) -> Step:
    limit = chance.choice(["", "", ", 60", ", 3600"])
    kind, backend = chance.choice(["session", "batch"]), chance.choice(["here", "here", "there"])
    return Step(f"{kind}({backend}{limit})", name)


def _submission(chance: random.Random, name: str, sessions: list[str]) -> Step:
    mode = chance.choice([*sessions, *sessions, "here", "there"])
    kind, tag = chance.randrange(2), chance.choice(["", "", "a", "b"])
    wish = chance.choice([""] * 6 + [", private=True", ", limit=1"])
    return chance.choices(
        [
            Step(f"sample({mode}, {kind}, {tag!r}{wish})", name),
            Step(f"estimate({mode}, {kind}, {tag!r})", name),
            Step(f"too_large({mode})", name),
        ],
        (8, 2, 1),
    )[0]


def _about_job(chance: random.Random, job: str) -> Step:
    word = chance.choice(["status", "status", "result", "mark", "cancel", "metrics", "tags", "delete"])
    return Step(f"mark({job}, {chance.choice('xyz')!r})" if word == "mark" else f"{word}({job})")


def _about_session(chance: random.Random, session: str) -> Step:
    word = chance.choice(["details", "details", "state", "again", "close", "cancel"])
    return Step(f"{word}({session})")


def _list(chance: random.Random, sessions: list[str]) -> Step:
    filters = ["", "", "limit=1", "pending=True", "pending=False", "job_tags=['a']", "descending=False"]
    filters += ["backend_name='ibm_lima'", "program_id='estimator'", *(f"session={s}" for s in sessions)]
    return Step(f"jobs({chance.choice(filters)})")


def _changed(chance: random.Random, program: Program) -> Program:
    """The program with up to three changes: steps that change places, other waits, further reads."""
    changed = list(program)
    while tuple(changed) == program:
        for _ in range(chance.randint(1, _MOST_CHANGES)):
            changed = _change(chance, changed)
    return tuple(changed)


def _change(chance: random.Random, steps: list[Step]) -> list[Step]:
    steps, before = list(steps), list(steps)
    kind, place = (
        chance.choice(["swap", "swap", "move", "wait", "read", "length"]),
        chance.randrange(len(steps)),
    )
    if kind == "swap":
        steps[place - 1], steps[place] = steps[place], steps[place - 1]
    elif kind == "move":
        steps.insert(chance.randrange(len(steps)), steps.pop(place))
    elif kind == "wait":
        steps.insert(place, Step(f"wait({chance.choice(_WAITS)})"))
    elif kind == "length" and (waits := [i for i, step in enumerate(steps) if step.is_wait]):
        i = chance.choice(waits)
        steps[i] = replace(steps[i], text=f"{steps[i].word}({chance.choice(_WAITS)})")
    elif reads := [step for step in steps if not step.is_write and not step.is_wait]:
        steps.insert(place, chance.choice(reads))
    return steps if is_sound(steps) else before

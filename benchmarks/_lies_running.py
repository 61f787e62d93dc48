"""Runs a program of the campaign: against the emulator, recorded, or from a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import qsession
from benchmarks._lies_programs import Case, Step
from benchmarks._lies_words import HERE, THERE, Words
from qsession._config import Settings
from qsession._discovery import fake_crn
from qsession._run import Run
from qsession.emulator import Emulator, Instance
from qsession.errors import QSessionError

_LONGEST = 90


@dataclass(frozen=True, slots=True)
class Told:
    """What a step gave, and when.

    Attributes:
        step: The step.
        what: Its value, or the type and words of its exception.
        at: When it began, in seconds since the program did.
        is_error: Whether it raised.
    """

    step: Step
    what: str
    at: float
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The replay refused a program.

    Attributes:
        code: The code of the first refusal.
        words: What it says.
    """

    code: str
    words: str


Answers = tuple[Told, ...]


def emulator(case: Case) -> Emulator:
    """An emulator of two instances, each of which has one of two backends."""
    instances = [
        Instance(fake_crn(i, "us-east"), name=name, backends=(name,)) for i, name in enumerate((HERE, THERE))
    ]
    return Emulator(
        backends=[HERE, THERE], instances=instances, queue_seconds=case.queue, run_seconds=case.run
    )


def record(case: Case, path: Path) -> Answers:
    """What the emulator says to the program of a case that is recorded."""
    with qsession.record(path, target="emulator", emulator=emulator(case)) as run:
        return _through(run, case.recorded)


def ask(case: Case) -> Answers:
    """What the emulator says to the changed program of a case; nothing is written."""
    settings = Settings(mode="scenario", target="emulator", emulator=emulator(case), polls="default")
    with Run(settings) as run:
        return _through(run, case.changed)


def replay(case: Case, path: Path) -> Answers | Refused:
    """What a replay says to the changed program of a case."""
    try:
        with qsession.replay(path, match=case.match, beyond=case.beyond) as run:
            return _through(run, case.changed)
    except QSessionError as refused:
        return Refused(refused.code, str(refused))


def _through(run: Run, program: Sequence[Step]) -> Answers:
    names: dict[str, object] = {}
    words = Words(run, names)
    known = words.every()
    began = run.clock.now()
    told = []
    for step in program:
        at = (run.clock.now() - began).total_seconds()
        if not step.needs <= names.keys():
            # What makes it failed: on the service as well as here.
            told.append(Told(step, "nothing to ask about", at))
            continue
        what, is_error = _done(step, known, names)
        told.append(Told(step, words.called(what), at, is_error))
    return tuple(told)


def _done(step: Step, known: Mapping[str, object], names: dict[str, object]) -> tuple[str, bool]:
    try:
        value = eval(step.text, {**known, **names})
    except Exception as problem:  # noqa: BLE001 - what a user would see is compared
        if (refused := _ours(problem)) is not None:
            raise refused from None
        return f"{type(problem).__name__}: {problem}"[:_LONGEST], True
    if step.name:
        names[step.name] = value
        return step.name, False
    return repr(value), False


def _ours(problem: BaseException) -> QSessionError | None:
    seen: BaseException | None = problem
    while seen is not None and not isinstance(seen, QSessionError):
        seen = seen.__cause__ or seen.__context__
    return seen

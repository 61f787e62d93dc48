"""Makes a finding smaller, as long as it stays one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks._lies_programs import Case, Program, is_sound

_MOST_TRIES = 80


def shrunk(case: Case, is_finding: Callable[[Case], bool]) -> Case:
    """The case without all that can be left out of it.

    Args:
        case: A finding.
        is_finding: Whether a smaller case is the same kind of finding.

    Returns:
        The smallest that was found in 80 tries.
    """
    tries = 0
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(case):
            tries += 1
            if tries > _MOST_TRIES:
                return case
            if is_finding(smaller):
                case, progress = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """The case without one of its steps, in whichever program that has it."""
    for step in dict.fromkeys((*case.recorded, *case.changed)):
        tried = replace(case, recorded=_without(case.recorded, step), changed=_without(case.changed, step))
        if tried.recorded and is_sound(tried.recorded) and is_sound(tried.changed):
            yield tried
    if not case.is_unchanged and Counter(case.recorded) != Counter(case.changed):
        yield from (replace(case, changed=p) for p in _each_less(case.changed) if is_sound(p))
    if case.match != "meaning" or case.beyond != "error":
        yield replace(case, match="meaning", beyond="error")


def _each_less(program: Program) -> Iterator[Program]:
    """The program without one of the steps that cost nothing to leave out: its waits and reads."""
    for i, step in enumerate(program):
        if not step.is_write:
            yield program[:i] + program[i + 1 :]


def _without(program: Program, step: object) -> Program:
    return tuple(each for each in program if each != step)

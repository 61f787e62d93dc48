"""What a recording builds on: what all tests read, and what came before it, on its own time line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from qsession._endpoints import Call
from qsession._model import InstanceShape, Instant, Interaction, Provenance, Recording, Request


class Layer(Protocol):
    """What was recorded once for all tests of a folder."""

    @property
    def path(self) -> Path:
        """Its file."""
        ...

    def read(self, call: Call, request: Request, *, of: Instant | None = None) -> Interaction | None:
        """What was recorded of a read, as it was when a recording began."""
        ...


def past_of(before: Sequence[Recording], own: Provenance) -> Iterator[Interaction]:
    """The exchanges of earlier recordings, in their order, as if they were this one's.

    Args:
        before: The recordings.
        own: Of the one that builds on them; what came before it has negative times.
    """
    numbers = {shape.alias: number for number, shape in enumerate(own.instances)}
    found = []
    for recording in before:
        later = recording.provenance.recorded_at - own.recorded_at
        for each in recording.interactions:
            number = numbers.get(_alias(recording.provenance.instances, each.instance), each.instance)
            found.append(replace(each, at=each.at + later, last=each.last + later, instance=number))
    yield from sorted(found, key=lambda each: each.at)


def _alias(shapes: Sequence[InstanceShape], number: int) -> str:
    return shapes[number].alias if number < len(shapes) else ""

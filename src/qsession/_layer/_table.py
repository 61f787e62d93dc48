"""What a layer holds: for each read the answers that there were, and since when. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from qsession._meaning import Key
from qsession._model import InstanceShape, Instant, Interaction, Provenance, Recording
from qsession._sharing import all_alike, common_key, same_answer, tells_of_an_account

Name = tuple[str, str, tuple[tuple[str, str], ...], str]
"""A key with the alias of its instance in the place of a number, which is one recording's."""

ACCOUNT = "account"
"""In the place of an alias, for what belongs to no instance."""


@dataclass(frozen=True, slots=True)
class State:
    """An answer, and since when it was that.

    Attributes:
        since: When the first recording began that had it.
        interaction: The exchange.
        shape: Its instance.
    """

    since: Instant
    interaction: Interaction
    shape: InstanceShape


@dataclass(slots=True)
class Table:
    """The answers by what is asked, the latest last.

    A recording goes on seeing what it saw: where all is recorded anew and the service answers
    otherwise, the former answer stays for the recordings that were not made again.

    Attributes:
        states: The answers.
    """

    states: dict[Name, list[State]] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """What a layer holds."""
        start, shapes = recording.provenance.recorded_at, recording.provenance.instances
        table = cls()
        for each in recording.interactions:
            if (key := common_key(each, at_import=True)) is not None:
                name, shape = named(key, each, shapes)
                table.states.setdefault(name, []).append(State(start + each.at, each, shape))
        return table

    def take(
        self,
        name: Name,
        shape: InstanceShape,
        answers: Sequence[Interaction],
        *,
        since: Instant,
        renews: bool,
        keeps: bool,
    ) -> bool:
        """Take over what a recording was answered.

        Args:
            name: What it asked.
            shape: Its instance.
            answers: Its answers.
            since: When it began.
            renews: Whether another answer than the latest takes its place.
            keeps: Whether the former one stays beside it, for older recordings.

        Returns:
            Whether the recording need not hold them itself.
        """
        if not all_alike(answers):
            return False
        states = self.states.setdefault(name, [])
        state = State(since, replace(answers[0], at=0, last=0, seen=1), shape)
        if states and same_answer(states[-1].interaction, answers[0]):
            # By whichever worker began first.
            earlier = since < states[-1].since and (len(states) == 1 or since > states[-2].since)
            if earlier:
                states[-1] = replace(states[-1], since=since)
            return True
        if states and not renews:
            return False
        if not keeps:
            states.clear()
        states.append(state)
        return True

    def recording(self, told: Provenance, former: Provenance | None) -> Recording:
        """A layer that holds this, the same for the same content.

        Args:
            told: Where the last of it comes from.
            former: Where the layer came from before.
        """
        shapes = {
            name[-1]: replace(states[-1].shape, used=True)
            for name, states in self.states.items()
            if name[-1] != ACCOUNT and states
        }
        aliases = sorted(shapes)
        start = min((state.since for states in self.states.values() for state in states), default=0)
        interactions = [
            replace(
                state.interaction,
                at=state.since - start,
                last=state.since - start,
                instance=aliases.index(name[-1]) if name[-1] in shapes else 0,
            )
            for name, states in sorted(self.states.items())
            for state in states
        ]
        provenance = Provenance(
            target=told.target,
            recorded_at=start,
            api_version=told.api_version or (former.api_version if former is not None else ""),
            versions=told.versions,
            seed=told.seed,
            instances=tuple(shapes[alias] for alias in aliases),
        )
        return Recording(provenance, tuple(interactions))


def by_key(recording: Recording) -> Mapping[Key, Sequence[tuple[Instant, Interaction]]]:
    """The answers of a layer, and since when they were those, by its own numbers of instances.

    Args:
        recording: The layer.
    """
    found: dict[Key, list[tuple[Instant, Interaction]]] = {}
    for each in recording.interactions:
        if (key := common_key(each, at_import=True)) is not None:
            found.setdefault(key, []).append((recording.provenance.recorded_at + each.at, each))
    return found


def named(key: Key, interaction: Interaction, shapes: Sequence[InstanceShape]) -> tuple[Name, InstanceShape]:
    """The name of what is asked, in whatever recording, and of which instance.

    Args:
        key: Its name in a recording.
        interaction: The exchange.
        shapes: The instances of that recording.
    """
    if tells_of_an_account(interaction):
        return (key.method, key.path, key.query, ACCOUNT), InstanceShape()
    shape = shapes[key.instance] if key.instance < len(shapes) else InstanceShape()
    return (key.method, key.path, key.query, shape.alias), shape

"""What a recording tells of itself, by what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qsession._bodies import field_of
from qsession._endpoints import BY_NAME, identify
from qsession._model import InstanceShape, Interaction

CREATES = {"sessions.create": "session", "jobs.create": "job"}
"""The calls that make something, and what."""


def renumbered(
    interactions: Sequence[Interaction], shapes: Sequence[InstanceShape]
) -> tuple[tuple[Interaction, ...], tuple[InstanceShape, ...]]:
    """Instances in the order of first use by what there is."""
    order = list(dict.fromkeys(each.instance for each in interactions if _is_of_one(each.endpoint)))
    numbered = (
        replace(each, instance=order.index(each.instance)) if each.instance in order else each
        for each in interactions
    )
    return tuple(numbered), tuple(shapes[index] for index in order if index < len(shapes))


def _is_of_one(endpoint: str) -> bool:
    known = BY_NAME.get(endpoint)
    return known is None or known.family == "runtime"


def chooses(endpoint: str) -> bool:
    """Whether a call chooses an instance."""
    # Discovery belongs to no instance; the list of backends is asked of every one.
    known = BY_NAME.get(endpoint)
    return endpoint != "backends.list" and (known is None or known.family == "runtime")


def backend_of(interactions: tuple[Interaction, ...]) -> str:
    """The backend that a recording is about, or nothing."""
    for interaction in interactions:
        if interaction.endpoint in CREATES and interaction.response.status < 400:
            name = field_of(interaction.request.body, "backend")
            if isinstance(name, str):
                return name
    # Nothing was submitted: what was looked at is what it is about.
    calls = (identify(interaction.request) for interaction in interactions)
    return next((call.ids["backend"] for call in calls if call is not None and "backend" in call.ids), "")


def calibration_of(interactions: tuple[Interaction, ...]) -> str:
    """When its backend was calibrated, as the service wrote it."""
    for interaction in interactions:
        if interaction.endpoint == "backends.properties":
            date = field_of(interaction.response.body, "last_update_date")
            if isinstance(date, str):
                return date
    return ""

"""Scenarios: emulators whose jobs and sessions take a course that somebody needs to test."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from qsession.emulator._emulator import Emulator
from qsession.errors import UsageError


@dataclass(frozen=True, slots=True)
class Scenario:
    """A course of events.

    Attributes:
        name: What the marker calls it.
        story: What happens, in one sentence.
        mark: How sure it is that the service does so.
        source: Who says so.
        emulator: Makes a fresh emulator on which it happens, on the clock of its requests.
    """

    name: str
    story: str
    mark: Literal["documented", "observed", "inferred"]
    source: str
    emulator: Callable[[], Emulator] = field(repr=False)


_SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "max_time_expires",
            "Each job of a session holds the QPU for 40 % of the session's maximum time, so the third job "
            "is running when the session closes: it runs to its end, queued jobs do not start, new ones "
            "are refused.",
            "documented",
            "IBM's guide to execution modes and error code 1217; that a job takes so long is ours",
            lambda: Emulator(run_share=0.4),
        ),
        Scenario(
            "pending_for_hours",
            "Each job stays queued for three hours, and then runs once the jobs before it in its session "
            "have ended.",
            "inferred",
            "queues of hours are documented, their length is ours",
            lambda: Emulator(queue_seconds=3 * 3600),
        ),
    )
}

NAMES = tuple(_SCENARIOS)
"""The names of all scenarios, sorted."""


def scenario(name: str, *, where: str = "") -> Scenario:
    """The scenario of a name.

    Args:
        name: One of `NAMES`.
        where: Test id, for the message.

    Raises:
        UsageError: If there is none of that name (QS125).
    """
    if name in _SCENARIOS:
        return _SCENARIOS[name]
    near = difflib.get_close_matches(name, NAMES, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMES)}"
    raise UsageError(
        "QS125",
        "There is no scenario of this name.",
        evidence=[f"{name!r}; {meant}"],
        fix=f'@pytest.mark.qsession(scenario="{(near or NAMES)[0]}")',
        intended="a course of your own: qsession.Emulator(queue_seconds=..., run_seconds=...)",
        where=where,
    )

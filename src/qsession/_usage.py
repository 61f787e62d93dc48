"""QPU seconds, as far as the answers of a recording tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qsession._bodies import read_object
from qsession._model import Interaction


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run used.

    Attributes:
        qpu_seconds: QPU time in seconds, rounded to a millisecond.
    """

    qpu_seconds: float


def qpu_seconds(interactions: Iterable[Interaction]) -> float:
    """How much QPU time a recording used.

    A dedicated session counts by its ``elapsed_time`` (wall clock from its first job,
    documented), a batch and a job outside of a session by the charge of the jobs. A
    session whose ``elapsed_time`` never showed counts by its jobs, which is less than
    what the service charges.

    Args:
        interactions: The exchanges of a recording.

    Returns:
        Seconds, rounded to a millisecond.
    """
    charges: dict[str, float] = {}
    homes: dict[str, str] = {}
    sessions: dict[str, float] = {}
    for interaction in interactions:
        if interaction.endpoint == "jobs.create":
            job = str(read_object(interaction.response.body).get("id"))
            homes[job] = str(read_object(interaction.request.body).get("session_id"))
        elif interaction.endpoint in {"jobs.get", "jobs.metrics"}:
            _note_charge(charges, _job_of(interaction), read_object(interaction.response.body))
        elif interaction.endpoint == "sessions.get":
            _note_elapsed(sessions, read_object(interaction.response.body))
    loose = sum(charge for job, charge in charges.items() if homes.get(job) not in sessions)
    return round(loose + sum(sessions.values()), 3)


def _note_charge(charges: dict[str, float], job: str, document: Mapping[str, object]) -> None:
    usage = document.get("usage")
    charge = usage.get("qpu_charge_time_seconds") if isinstance(usage, Mapping) else None
    if isinstance(charge, (int, float)):
        charges[job] = max(charges.get(job, 0.0), float(charge))


def _note_elapsed(sessions: dict[str, float], document: Mapping[str, object]) -> None:
    elapsed = document.get("elapsed_time")
    if document.get("mode") == "dedicated" and isinstance(elapsed, (int, float)):
        sessions[str(document.get("id"))] = float(elapsed)


def _job_of(interaction: Interaction) -> str:
    return interaction.request.url.split("/jobs/", 1)[-1].split("?")[0].split("/")[0]

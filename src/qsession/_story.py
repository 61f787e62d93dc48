"""What happened in a recording, told in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qsession._bodies import read_object
from qsession._model import SECOND, Interaction

_WORDS = {
    "sessions.create": "session opened",
    "sessions.update": "session told to accept no more jobs",
    "sessions.cancel": "session cancelled",
    "jobs.create": "job submitted",
    "jobs.cancel": "job cancelled",
    "jobs.results": "results fetched",
}


def story(interactions: Iterable[Interaction]) -> Iterator[str]:
    """A short timeline of sessions and jobs.

    Args:
        interactions: The exchanges of a recording.

    Yields:
        One line for each change that showed, with its moment in seconds.
    """
    told: dict[str, str] = {}
    for interaction in interactions:
        text = _WORDS.get(interaction.endpoint) or _state(interaction, told)
        if text is None:
            continue
        polls = f" ({interaction.seen} polls)" if interaction.seen > 1 else ""
        answer = "" if interaction.response.status < 400 else f": refused, {interaction.response.status}"
        yield f"{interaction.at / SECOND:8.3f} s  {text}{polls}{answer}"


def _state(interaction: Interaction, told: dict[str, str]) -> str | None:
    if interaction.endpoint not in {"jobs.get", "sessions.get"}:
        return None
    document = read_object(interaction.response.body)
    if not document:
        return None
    kind = interaction.endpoint.split(".")[0].removesuffix("s")
    state = document.get("state")
    name = str(state.get("status") if isinstance(state, dict) else state).lower()
    key = f"{kind} {document.get('id')}"
    if told.get(key) == name:
        return None
    told[key] = name
    return f"{kind} is {name}"

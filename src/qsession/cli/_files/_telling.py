"""A recording as entries that a reader, a difference and a machine can use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qsession import _meaning
from qsession._bodies import read_object
from qsession._clock import to_datetime
from qsession._endpoints import identify
from qsession._model import SECOND, Interaction, Provenance, Recording
from qsession.cli._files._opening import body_of
from qsession.cli._files._results import Measured, Numbers, circuits_of, results_of

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_WORDS = {
    "sessions.create": "session opened",
    "sessions.update": "session told to accept no more jobs",
    "sessions.cancel": "session cancelled",
    "jobs.create": "job submitted",
    "jobs.cancel": "job cancelled",
    "jobs.delete": "job deleted",
    "jobs.tags": "tags of a job changed",
    "jobs.results": "results fetched",
}
_KINDS = {"sessions.create": "session", "jobs.create": "job"}


@dataclass(frozen=True, slots=True)
class Names:
    """Short names for the ids of a recording, in the order in which they were made.

    Attributes:
        short: Short name by id, such as ``job-1``.
    """

    short: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """The text with short names in the place of ids."""
        present = [known for known in self.short if known in text]
        if not present:
            return text
        pattern = "|".join(re.escape(known) for known in sorted(present, key=len, reverse=True))
        return re.sub(pattern, lambda found: self.short[found[0]], text)


@dataclass(frozen=True, slots=True)
class Entry:
    """One interaction, told.

    Attributes:
        interaction: The interaction.
        what: What happened, in words.
        status: HTTP status.
        about: Short name of the session or job it is about, or empty.
        job: One line about a submitted job, or empty.
        circuits: Circuits of a submitted job; a text for one that cannot be read.
        results: Outcomes and numbers of fetched results.
        note: Why something cannot be shown, or empty.
    """

    interaction: Interaction
    what: str
    status: int
    about: str = ""
    job: str = ""
    circuits: tuple[QuantumCircuit | str, ...] = ()
    results: tuple[Measured | Numbers, ...] = field(default=())
    note: str = ""


def names_of(recording: Recording) -> Names:
    """Short names for the sessions and jobs that were made in a recording."""
    short: dict[str, str] = {}
    counted = {"session": 0, "job": 0}
    for interaction in recording.interactions:
        kind = _KINDS.get(interaction.endpoint)
        made = read_object(body_of(interaction.response)[0]).get("id") if kind else None
        if kind and isinstance(made, str) and len(made) >= 8 and made not in short:
            counted[kind] += 1
            short[made] = f"{kind}-{counted[kind]}"
    return Names(short)


def told(recording: Recording, *, circuits: bool = True) -> Iterator[Entry]:
    """A recording, entry by entry.

    Args:
        recording: The recording.
        circuits: Whether circuits are decoded; that takes qiskit.
    """
    names = names_of(recording)
    for interaction in recording.interactions:
        yield _entry(interaction, names, circuits=circuits)


def _entry(interaction: Interaction, names: Names, *, circuits: bool) -> Entry:
    answer, missing = body_of(interaction.response)
    what, about = _what(interaction, answer, names)
    status = interaction.response.status
    if interaction.endpoint == "jobs.create":
        body, gone = body_of(interaction.request)
        drawn = tuple(circuits_of(body)) if circuits else ()
        return Entry(
            interaction, what, status, about, _job(interaction, gone, names), drawn, note=gone or missing
        )
    results = tuple(results_of(answer)) if interaction.endpoint == "jobs.results" and status < 300 else ()
    return Entry(interaction, what, status, about, results=results, note=missing)


def _job(interaction: Interaction, gone: str, names: Names) -> str:
    call = identify(interaction.request)
    if call is None or gone:
        return ""
    ask = _meaning.read(call, interaction.request)
    rest = (f"{name}={value}" for name, value in ask.fields if name not in ("program_id", "backend"))
    return names(", ".join([ask.summary, *rest]))


def _what(interaction: Interaction, answer: bytes, names: Names) -> tuple[str, str]:
    call = identify(interaction.request)
    ids = [*call.ids.values()] if call is not None else []
    document = read_object(answer)
    made = document.get("id") if interaction.endpoint in _KINDS else None
    about = next((names.short[each] for each in map(str, [made, *ids]) if each in names.short), "")
    if text := _WORDS.get(interaction.endpoint):
        return text, about
    if interaction.endpoint in {"jobs.get", "sessions.get"}:
        state = document.get("state")
        told = str(state.get("status") if isinstance(state, dict) else state)
        return f"{interaction.endpoint.split('.')[0].removesuffix('s')} is {told.lower()}", about
    path = call.path if call is not None else interaction.request.url
    query = "&".join(f"{name}={value}" for name, value in call.query) if call is not None else ""
    return names(f"{interaction.request.method} {path}" + (f"?{query}" if query else "")), about


def head_of(provenance: Provenance, *, moments: bool = True) -> Sequence[tuple[str, str]]:
    """The head of a recording as names and texts.

    Args:
        provenance: The head.
        moments: Whether to tell when it was recorded.
    """
    at = to_datetime(provenance.recorded_at).isoformat(" ", "seconds").replace("+00:00", " UTC")
    versions = ", ".join(f"{name} {version}" for name, version in sorted(provenance.versions.items()))
    shapes = ", ".join(
        f"{each.plan} ({each.pricing}, {each.region})" for each in provenance.instances if each.used
    )
    numbers = {"seed": provenance.seed, "seed of qsession_isa": provenance.isa_seed}
    rows = [
        ("recorded", at if moments else ""),
        ("target", provenance.target),
        ("test", provenance.test),
        ("backend", provenance.backend),
        ("calibrated", provenance.calibrated_at),
        ("API version", provenance.api_version),
        ("versions", versions),
        ("instances", shapes),
        ("layers", ", ".join(provenance.layers)),
        ("ids of the test's own", ", ".join(provenance.literal_ids)),
        *((name, str(number)) for name, number in numbers.items() if number is not None),
        ("QPU seconds", f"{provenance.qpu_seconds:g}"),
    ]
    return [(name, value) for name, value in rows if value]


def seconds(micros: int) -> str:
    """A length of time in seconds, as text."""
    return f"{micros / SECOND:.3f} s"

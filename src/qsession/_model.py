"""Frozen values that every room speaks, and the Source protocol.

Nothing here does anything: no I/O, no clock, no knowledge of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeAlias

Instant: TypeAlias = int
"""A moment in integer microseconds since the Unix epoch (UTC)."""

Micros: TypeAlias = int
"""A length of time in integer microseconds."""

SECOND: Micros = 1_000_000

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the client handed it to its connection.

    Attributes:
        method: Upper-case HTTP method.
        url: Absolute URL, query included.
        headers: Header values by lower-case name.
        body: Raw body, empty when there is none.
    """

    method: str
    url: str
    # Not in the repr: pytest shows local variables, and these hold keys and tokens.
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Attributes:
        status: HTTP status code.
        reason: HTTP reason phrase.
        headers: Header values by lower-case name.
        body: Raw body after transfer and content encoding were undone.
    """

    status: int
    reason: str = "OK"
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Match:
    """How alike a job must be to a recorded one.

    Attributes:
        aspects: What of it is compared; None for everything.
        routed: Whether circuits may differ in layout and routing.
        strict: Whether the JSON must be the same value by value.
    """

    aspects: frozenset[str] | None = None
    routed: bool = False
    strict: bool = False

    def compares(self, aspect: str) -> bool:
        """Whether an aspect is compared."""
        return self.aspects is None or aspect in self.aspects


MEANING = Match()
"""What a job means, all of it: the default."""

ROUTED = Match(routed=True)
"""What a job means, but for layout and routing."""

ASPECTS: Mapping[str, str] = MappingProxyType(
    {
        "circuits": "circuits with their layouts, samplexes, boxes to learn",
        "values": "parameter values, arguments of items",
        "observables": "observables and their coefficients",
        "shots": "shots and precision of PUBs and programs",
        "options": "everything else in the parameters of the job",
        "tags": "tags",
        "job": "cost, calibration, privacy and whatever else stands beside the parameters",
    }
)
"""What of a job can be compared by itself, and what that is. Program, backend, session and number of
circuits always are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller of ``QiskitRuntimeService`` wants its instance to be.

    Attributes:
        crn: Cloud resource name, or None.
        name: Instance name, or None.
        region: ``us-east`` or ``eu-de``, or None.
        plans: Plan names in order of preference.
        tags: Tags that an instance must carry.
    """

    crn: str | None = field(default=None, repr=False)
    name: str | None = None
    region: str | None = None
    plans: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceShape:
    """What a recording keeps of an instance: nothing that identifies it.

    Attributes:
        plan: Plan name in lower case, such as ``open`` or ``premium``.
        pricing: Pricing type; the client knows free, trial, paygo, paid,
            subscription and unknown, and sorts by it.
        region: ``us-east`` or ``eu-de``.
        used: Whether more was asked of it than which backends it has. The client
            asks every instance of an account for those before it chooses one.
        alias: Which instance it is, over all recordings of a folder; tells nothing else. Empty
            where whatever the caller named was taken for it.
    """

    plan: str = "premium"
    pricing: str = "paid"
    region: str = "us-east"
    used: bool = True
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One exchange of a recording, or a run of identical polls.

    Attributes:
        endpoint: Name of the call, such as ``jobs.get`` (see ``_endpoints``).
        instance: Which of the recording's instances it went to, from 0.
        request: The request, cleaned; under the service's own host name.
        response: The response, cleaned.
        at: When the request was sent, counted from the start of the recording.
        took: How long the answer took.
        seen: How many identical polls it stands for.
        last: When the last of them was sent; equal to ``at`` for a single one.
    """

    endpoint: str
    instance: int
    request: Request
    response: Response
    at: Micros
    took: Micros
    seen: int = 1
    last: Micros = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a recording comes from.

    Attributes:
        target: ``ibm`` or ``emulator``.
        recorded_at: When it began.
        test: Test id, or empty for a recording made from Python.
        backend: Name of the backend that was used, or empty.
        calibrated_at: ``last_update_date`` of its properties, as the service wrote it.
        api_version: Value of ``IBM-API-Version`` that the client sent.
        versions: Versions by distribution name.
        seed: Seed of the emulator; None for a recording of the service.
        isa_seed: Seed with which ``qsession_isa`` transpiled; None when it was not used.
        qpu_seconds: QPU time that the recording used, as far as its answers tell.
        instances: The instances used, in the order of first use.
        literal_ids: Ids that the code under test brought along.
        paused: How long it stood still between being left and being resumed, all in all:
            no part of the times of its interactions.
        random_seed: Where ``random`` and ``numpy.random`` began; None where nobody said.
        unmet: Digests of what services were asked to be that no instance of the account was.
        layers: Recordings of wide fixtures that it builds on: their paths below the cassette
            folder, with ``/``, in the order of their names.
    """

    target: str
    recorded_at: Instant
    test: str = ""
    backend: str = ""
    calibrated_at: str = ""
    api_version: str = ""
    versions: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    seed: int | None = None
    isa_seed: int | None = None
    qpu_seconds: float = 0.0
    instances: tuple[InstanceShape, ...] = ()
    literal_ids: tuple[str, ...] = ()
    paused: Micros = 0
    random_seed: int | None = None
    unmet: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A cassette's content.

    Attributes:
        provenance: Where it comes from.
        interactions: The exchanges, in the order in which they began.
    """

    provenance: Provenance
    interactions: tuple[Interaction, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a replay stands, for messages.

    Attributes:
        cassette: The file's name.
        test: Test id, or empty.
        record: The command that records this anew.
        versions: With what it was recorded, by distribution name.
    """

    cassette: str
    test: str = ""
    record: str = "pytest --qsession-record"
    versions: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)


class Source(Protocol):
    """Whatever answers the client: the service, the emulator, a recording, a scenario."""

    def answer(self, request: Request, at: Instant) -> Response:
        """Answer one request.

        Args:
            request: What the client sent.
            at: The moment of the request on the clock of the run.

        Returns:
            The response, error statuses included. A source never raises for a
            status; it raises for what is no HTTP answer at all.
        """
        ...

"""Backends as an emulator is told to serve them: a device's snapshot, its name, its state.

What differs from the snapshot is added to the documents that the client reads, so that
its target and our check of circuits agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from qsession._session_document import Json
from qsession.emulator._devices import Device, device
from qsession.emulator._replies import compact

Availability = Literal["online", "paused", "offline"]
"""``status.name`` of a backend (documented)."""

_TWO_QUBIT = ("cz", "ecr", "cx")


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend of an emulated account.

    Attributes:
        name: Name under which it is served.
        device: Device whose snapshot it serves, such as ``ibm_sherbrooke``; the part of
            ``name`` behind the first underscore says which, if empty.
        mock: Whether it is of class ``mock``, to which ``dry_run`` jobs go (the client's
            code). Such a backend is listed on request only, and its jobs cost no QPU time.
        status: ``online``, ``paused`` or ``offline`` (documented). Only an online backend
            takes jobs (inferred).
        reason: Why it is not online, if anybody said.
        queue_length: Jobs of others that wait for it.
        fractional: Whether it takes the fractional gates ``rx`` and ``rzz``.
        ecr: Pairs of qubits on which it takes ``ecr`` beside its own gates.
        calibrations: Calibrations beside those of its snapshot: by id, what its configuration
            says otherwise under that calibration. Their properties are the snapshot's (ours).
    """

    name: str
    device: str = ""
    mock: bool = False
    status: Availability = "online"
    reason: str = ""
    queue_length: int = 0
    fractional: bool = False
    ecr: tuple[tuple[int, int], ...] = ()
    calibrations: Mapping[str, Mapping[str, Json]] = field(default_factory=dict, hash=False)


def served(backend: Backend | str) -> Device:
    """What is served of a backend.

    Raises:
        UsageError: QS121, if the installed client has no snapshot of that device.
    """
    if isinstance(backend, str):
        return device(backend)
    found = device(backend.device or backend.name)
    if backend.fractional:
        found = _with_gate(found, "rx", ("theta",), [(qubit,) for qubit in range(found.n_qubits)])
        if pairs := sorted(pair for name in _TWO_QUBIT for pair in found.places.get(name, ())):
            found = _with_gate(found, "rzz", ("theta",), pairs)
    if backend.ecr:
        found = _with_gate(found, "ecr", (), backend.ecr)
    if found.name != backend.name:
        found = _renamed(found, backend.name)
    return replace(
        found,
        mock=backend.mock,
        status=backend.status,
        reason=backend.reason,
        queue_length=backend.queue_length,
        calibrations=calibrated(found, backend.calibrations),
    )


def calibrated(found: Device, otherwise: Mapping[str, Mapping[str, Json]]) -> dict[str, bytes]:
    """Bodies of the configuration under further calibrations.

    Args:
        found: The device.
        otherwise: What its configuration says otherwise, by the id of the calibration.
    """
    return {
        ident: compact(json.loads(found.configuration) | dict(fields)) for ident, fields in otherwise.items()
    }


def _renamed(found: Device, name: str) -> Device:
    own = {"backend_name": name}
    return replace(
        found,
        name=name,
        configuration=compact(json.loads(found.configuration) | own),
        properties=compact(json.loads(found.properties) | own),
    )


def _with_gate(
    found: Device, gate: str, parameters: Sequence[str], places: Sequence[tuple[int, ...]]
) -> Device:
    """The device with a gate more, or on more qubits."""
    everywhere = found.places.get(gate, frozenset()) | frozenset(places)
    configuration = json.loads(found.configuration)
    _declare(configuration, gate, parameters, sorted(everywhere))
    properties = json.loads(found.properties)
    _calibrate(properties, gate, places)
    return replace(
        found,
        configuration=compact(configuration),
        properties=compact(properties),
        places={**found.places, gate: everywhere},
        supported=found.supported | {gate},
    )


def _declare(
    configuration: dict[str, Any], gate: str, parameters: Sequence[str], places: Sequence[tuple[int, ...]]
) -> None:
    for key in ("basis_gates", "supported_instructions"):
        configuration[key] = sorted({*(configuration.get(key) or ()), gate})
    others = [known for known in configuration["gates"] if known["name"] != gate]
    # The client does not read the definition; the service gives one, so there is one.
    formal = f"({', '.join(parameters)})" if parameters else ""
    definition = f"gate {gate}{formal} {_OPERANDS[len(places[0])]}"
    entry = {
        "name": gate,
        "parameters": list(parameters),
        "qasm_def": definition,
        "coupling_map": [list(place) for place in places],
    }
    configuration["gates"] = [*others, entry]
    if len(places[0]) == 2:
        pairs = {tuple(pair) for pair in configuration["coupling_map"]} | set(places)
        configuration["coupling_map"] = [list(pair) for pair in sorted(pairs)]


_OPERANDS = {1: "q { }", 2: "q0, q1 { }"}


def _calibrate(properties: dict[str, Any], gate: str, places: Sequence[tuple[int, ...]]) -> None:
    # Where the snapshot says nothing of the gate there, it is as good as the gate of the
    # device that acts on these qubits anyhow (ours).
    known = {(entry["gate"], tuple(entry["qubits"])): entry for entry in properties["gates"]}
    for place in places:
        if (gate, place) not in known and (like := _likeness(known, place)) is not None:
            name = gate + "_".join(map(str, place))
            properties["gates"].append({**like, "gate": gate, "qubits": list(place), "name": name})


def _likeness(
    known: Mapping[tuple[str, tuple[int, ...]], dict[str, Any]], place: tuple[int, ...]
) -> dict[str, Any] | None:
    gates = ("sx",) if len(place) == 1 else _TWO_QUBIT
    keys = [(gate, order) for gate in gates for order in (place, place[::-1])]
    return next((known[key] for key in keys if key in known), None)

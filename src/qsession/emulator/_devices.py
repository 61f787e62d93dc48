"""Backends: the snapshots of real devices that the client brings along.

``qiskit_ibm_runtime/fake_provider/backends/X`` holds configuration and properties of
``ibm_X`` as the service once gave them. They are served as they are.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qsession.errors import UsageError

ANYWHERE = frozenset({"measure", "reset", "delay", "barrier", "id"})
"""Instructions that every qubit of every device takes."""


@dataclass(frozen=True, slots=True)
class Device:
    """One backend.

    Attributes:
        name: Name under which it is served.
        configuration: Body of ``GET /backends/{id}/configuration``.
        properties: Body of ``GET /backends/{id}/properties``.
        version: ``backend_version``.
        n_qubits: Number of qubits.
        processor: ``processor_type`` as the configuration has it, empty if unknown.
        clops: Layer operations a second, 0 if unknown.
        places: Qubit tuples that each gate takes; a gate without any takes all.
        supported: Names of all instructions it takes, control flow included.
        mock: Whether it is of class ``mock``.
        status: ``online``, ``paused`` or ``offline``.
        reason: Why it is not online, if anybody said.
        queue_length: Jobs of others that wait for it.
        calibrations: Bodies of the configuration of calibrations beside those of the snapshot, by id.
    """

    name: str
    configuration: bytes
    properties: bytes
    version: str
    n_qubits: int
    processor: Mapping[str, str] = field(hash=False)
    clops: float
    places: Mapping[str, frozenset[tuple[int, ...]]] = field(hash=False)
    supported: frozenset[str]
    mock: bool = False
    status: str = "online"
    reason: str = ""
    queue_length: int = 0
    calibrations: Mapping[str, bytes] = field(default_factory=dict, hash=False)


@functools.cache
def device(name: str) -> Device:
    """The snapshot of a backend, read once in a process.

    Raises:
        UsageError: QS121, if the installed client has no snapshot of that name.
    """
    folder = _snapshots() / name.partition("_")[2]
    found = sorted(folder.glob("conf_*.json")) if folder.name else []
    if not found:
        raise _unknown(name)
    configuration = found[0].read_bytes()
    properties = found[0].with_name(found[0].name.replace("conf_", "props_")).read_bytes()
    if json.loads(configuration)["backend_name"] != name:
        configuration, properties = _renamed(configuration, name), _renamed(properties, name)
    return documented(name, configuration, properties)


def documented(name: str, configuration: bytes, properties: bytes) -> Device:
    """The device that two documents of the service describe.

    Args:
        name: Name under which it is served, which the documents carry too.
        configuration: Body of ``GET /backends/{id}/configuration``.
        properties: Body of ``GET /backends/{id}/properties``.
    """
    facts = json.loads(configuration)
    return Device(
        name=name,
        configuration=configuration,
        properties=properties,
        version=str(facts.get("backend_version", "")),
        n_qubits=facts["n_qubits"],
        processor={key: str(value) for key, value in (facts.get("processor_type") or {}).items()},
        clops=_clops(facts),
        places=_places(facts["gates"]),
        supported=frozenset(facts["basis_gates"])
        | frozenset(facts.get("supported_instructions") or ())
        | ANYWHERE,
    )


def _clops(facts: Mapping[str, object]) -> float:
    values = (facts.get(key) for key in ("clops_h", "clops_v", "clops"))
    return next((float(value) for value in values if isinstance(value, int | float)), 0.0)


def _places(gates: list[dict[str, list[list[int]]]]) -> dict[str, frozenset[tuple[int, ...]]]:
    return {
        str(gate["name"]): frozenset(tuple(place) for place in gate.get("coupling_map") or ())
        for gate in gates
    }


def _renamed(body: bytes, name: str) -> bytes:
    document = json.loads(body) | {"backend_name": name}
    return json.dumps(document, separators=(",", ":")).encode()


@functools.cache
def _snapshots() -> Path:
    # find_spec locates the client without importing it.
    spec = importlib.util.find_spec("qiskit_ibm_runtime")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "fake_provider" / "backends" if places else Path()


def known_devices() -> list[str]:
    """The devices of which the installed client has a snapshot, sorted."""
    return sorted(f"ibm_{path.parent.name}" for path in _snapshots().glob("*/conf_*.json"))


def _unknown(name: str) -> UsageError:
    known = known_devices()
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.75) or known[:3]
    return UsageError(
        "QS121",
        f"The emulator has no backend named {name}.",
        evidence=[
            "It serves the device snapshots of the installed qiskit-ibm-runtime.",
            "Nearest names: " + ", ".join(near),
        ],
        fix=f"Emulator(backends=({near[0]!r},))",
    )

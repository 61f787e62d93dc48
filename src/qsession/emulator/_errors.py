"""The errors that a backend reports of itself, as numbers. Imports no qiskit."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qsession.emulator._devices import Device

_LARGEST = 0.5


@dataclass(frozen=True, slots=True)
class Errors:
    """What the properties of a backend say.

    Attributes:
        gates: Average gate infidelity by gate and qubits, as reported.
        readout: For each qubit how often a prepared 0 reads 1, and a prepared 1 reads 0.
    """

    gates: Mapping[tuple[str, tuple[int, ...]], float]
    readout: tuple[tuple[float, float], ...]

    def of(self, name: str, qubits: tuple[int, ...]) -> float:
        """The reported error of a gate, in either direction; 0 where none is reported."""
        there = self.gates.get((name, qubits))
        back = self.gates.get((name, qubits[::-1]), 0.0)
        return back if there is None else there


def errors(device: Device) -> Errors:
    """The errors that a backend reports. A gate reported as failing counts as error 1/2."""
    return _read(device.properties)


@functools.lru_cache(maxsize=16)
def _read(properties: bytes) -> Errors:
    document = json.loads(properties)
    return Errors(
        dict(_gates(document["gates"])),
        tuple(_readout({entry["name"]: entry["value"] for entry in qubit}) for qubit in document["qubits"]),
    )


def _gates(gates: list[dict[str, object]]) -> Iterator[tuple[tuple[str, tuple[int, ...]], float]]:
    for gate in gates:
        qubits, parameters = gate["qubits"], gate["parameters"]
        if not isinstance(qubits, list) or not isinstance(parameters, list):
            continue
        for entry in parameters:
            if entry["name"] == "gate_error":
                yield (str(gate["gate"]), tuple(qubits)), _bounded(entry["value"])


def _readout(facts: Mapping[str, float]) -> tuple[float, float]:
    both = facts.get("readout_error", 0.0)
    return _bounded(facts.get("prob_meas1_prep0", both)), _bounded(facts.get("prob_meas0_prep1", both))


def _bounded(error: float) -> float:
    return min(max(float(error), 0.0), _LARGEST)

"""Pauli-Lindblad rates of a layer of gates, from the errors that a backend reports.

A model of ours, inferred, not what the service measures: the reported average
infidelity of a two-qubit gate is spread evenly over the fifteen Pauli terms on its
qubits, that of an idle qubit (its ``id`` gate) over its three, pairs of neighbours
that share no gate get none, and a measurement flips as often as its qubit's readout
is reported to be wrong. Learning adds a normal error to each rate, as wide as the
shots of one configuration make it for an exponential decay up to the largest depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from qsession.emulator._devices import Device
from qsession.emulator._errors import errors

_LETTERS = "XYZ"
_LEAST_FIDELITY = 0.3
_WORST_FLIP = 0.49

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Term:
    """One generator of a noise channel.

    Attributes:
        letters: Its Paulis.
        places: Index of their qubits among those of the layer.
        rate: Its rate, without the error of learning it.
    """

    letters: str
    places: tuple[int, ...]
    rate: float


@dataclass(frozen=True, slots=True)
class Effort:
    """How much was measured to learn a layer.

    Attributes:
        shots: Shots of one configuration: those of all its randomizations.
        depth: Largest number of pairs of layers in a row.
    """

    shots: int
    depth: int


def gate_terms(
    device: Device, qubits: Sequence[int], gates: Iterable[tuple[str, tuple[int, ...]]]
) -> list[Term]:
    """The generators of a layer of gates: its qubits one by one, then its connected pairs.

    Args:
        device: The backend.
        qubits: The qubits of the layer, sorted.
        gates: Name and qubits of each two-qubit gate.
    """
    pairs = {tuple(sorted(places)): name for name, places in gates if len(places) == len("XX")}
    busy = {place: _pair_rate(device, name, pair) for pair, name in pairs.items() for place in pair}
    terms = [
        Term(letter, (i,), busy[qubit] if qubit in busy else _idle_rate(device, qubit))
        for i, qubit in enumerate(qubits)
        for letter in _LETTERS
    ]
    index = {qubit: i for i, qubit in enumerate(qubits)}
    for low, high in sorted(_connected(device) | pairs.keys()):
        if low in index and high in index:
            rate = busy[low] if (low, high) in pairs else 0.0
            terms += [Term(a + b, (index[low], index[high]), rate) for a, b in product(_LETTERS, _LETTERS)]
    return terms


def readout_terms(device: Device, qubits: Sequence[int]) -> list[Term]:
    """The generators of a layer of measurements: a flip of each qubit.

    Args:
        device: The backend.
        qubits: The measured qubits, sorted.
    """
    reported = errors(device).readout
    flips = [min(sum(reported[qubit]) / 2, _WORST_FLIP) for qubit in qubits]
    return [Term("X", (i,), -math.log(1 - 2 * flip) / 2) for i, flip in enumerate(flips)]


def learned(terms: Sequence[Term], effort: Effort, seed: int) -> tuple[Floats, Floats]:
    """Rates as they come out of an experiment, none below 0, and their standard deviations.

    Args:
        terms: The generators.
        effort: How much was measured.
        seed: Decides every error.
    """
    rates = np.array([term.rate for term in terms])
    spread = np.full(len(terms), 1 / (2 * max(effort.depth, 1) * math.sqrt(max(effort.shots, 1))))
    found = rates + np.random.default_rng(seed).normal(size=len(terms)) * spread
    return np.maximum(found, 0.0), spread


def _connected(device: Device) -> set[tuple[int, ...]]:
    places = (place for allowed in device.places.values() for place in allowed)
    return {tuple(sorted(place)) for place in places if len(place) == len("XX")}


def _pair_rate(device: Device, name: str, pair: tuple[int, ...]) -> float:
    # Process fidelity 1 - 5/4 of the infidelity; each of 15 terms shrinks 8 of 15 Paulis.
    fidelity = max(1 - 1.25 * errors(device).of(name, pair), _LEAST_FIDELITY)
    return -math.log((16 * fidelity - 1) / 15) / 16


def _idle_rate(device: Device, qubit: int) -> float:
    # Process fidelity 1 - 3/2 of the infidelity; each of 3 terms shrinks 2 of 3 Paulis.
    fidelity = max(1 - 1.5 * errors(device).of("id", (qubit,)), _LEAST_FIDELITY)
    return -math.log((4 * fidelity - 1) / 3) / 4

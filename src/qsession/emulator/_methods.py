"""Which of Aer's methods runs a circuit exactly, and fast enough. Imports qiskit."""

from __future__ import annotations

import math

import numpy as np
from qiskit.circuit import ControlFlowOp, ParameterExpression, QuantumCircuit

from qsession.emulator._circuits import instructions

DENSE_QUBITS = 22
"""A state vector of 22 qubits takes 64 MiB and some 20 ms a gate on one core."""

BOND_BITS = 9
"""A matrix product state of bond dimension 2**9 stays exact and takes seconds."""


class CannotSimulate(Exception):
    """The circuit is too large and too entangled for a simulator to be exact."""


def is_small(circuit: QuantumCircuit) -> bool:
    """Whether a state vector holds it, so that its parameters need not be looked at."""
    return bool(circuit.num_qubits <= DENSE_QUBITS)


def method(circuit: QuantumCircuit) -> str:
    """The method for a circuit.

    Args:
        circuit: Reduced. Unless it is small or entangles nothing, without parameters.

    Raises:
        CannotSimulate: If no exact method is fast enough.
    """
    if is_small(circuit):
        return "automatic"
    bits = bond_bits(circuit)
    if not bits:
        return "matrix_product_state"
    if _is_clifford(circuit):
        return "stabilizer"
    if bits <= BOND_BITS:
        return "matrix_product_state"
    raise CannotSimulate(
        f"The circuit uses {circuit.num_qubits} qubits, is no Clifford circuit, and may entangle"
        f" them beyond what an exact simulation on this machine can hold."
    )


def _is_clifford(circuit: QuantumCircuit) -> bool:
    for item in circuit.data:
        operation = item.operation
        if operation.name in {"measure", "reset"} or operation.name.startswith("save_"):
            continue
        if operation.name == "rz":
            if isinstance(operation.params[0], ParameterExpression):
                return False
            turns = float(operation.params[0]) / (math.pi / 2)
            if not math.isclose(turns, round(turns), abs_tol=1e-9):
                return False
        elif operation.name not in _CLIFFORD_GATES:
            return False
    return True


_CLIFFORD_GATES = frozenset(
    {"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr"}
)


# Schmidt rank 2: one bit of entanglement at most.
_ONE_BIT_GATES = frozenset({"cx", "cy", "cz", "ecr"})


def bond_bits(circuit: QuantumCircuit) -> int:
    """Bound on the entanglement over any cut of the qubits in line, in bits."""
    size: int = circuit.num_qubits
    load = np.zeros(size + 1, dtype=int)
    for item, places in instructions(circuit, range(size)):
        # Block contents are counted themselves, each once: a loop may repeat them.
        if isinstance(item.operation, ControlFlowOp):
            if item.operation.name != "if_else":
                return size
        elif len(places) > 1 and not item.operation.name.startswith("save_"):
            load[min(places) : max(places)] += 1 if item.operation.name in _ONE_BIT_GATES else 2
    cut = np.arange(size + 1) + 1
    bounds: list[int] = np.minimum(load, np.minimum(cut, np.maximum(size - cut, 0))).tolist()
    return max(bounds)

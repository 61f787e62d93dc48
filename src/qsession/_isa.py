"""Transpiling with a seed that a replay can repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qsession import _payload

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_ibm_runtime import IBMBackend

    from qsession._run import Run


def transpiler(backend: IBMBackend, run: Run, name: str) -> Callable[[QuantumCircuit], QuantumCircuit]:
    """A function that transpiles circuits for a backend.

    Args:
        backend: The backend.
        run: Keeps the seed in the provenance; in a replay it knows the recorded one.
        name: Test id; the seed follows from it.

    Returns:
        A function from a circuit to its ISA circuit at optimization level 1.
    """
    from qiskit.transpiler import generate_preset_pass_manager

    seed = run.isa_seed(_payload.stable_seed(name))

    def isa(circuit: QuantumCircuit) -> QuantumCircuit:
        manager = generate_preset_pass_manager(optimization_level=1, backend=backend, seed_transpiler=seed)
        return manager.run(circuit)

    return isa

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from qsession.emulator._circuits import reduced
from qsession.emulator._clusters import clusters, lone_bits
from qsession.emulator._simulate import shots_of

NO_VALUES = np.empty((1, 0))


def wide(size: int = 12, width: int = 156) -> QuantumCircuit:
    return QuantumCircuit(QuantumRegister(width), ClassicalRegister(size, "c"))


def test_qubits_that_never_meet_are_apart():
    """Pairs under two-qubit gates are clusters of two, others lone."""
    circuit = wide()
    for qubit in range(12):
        circuit.sx(qubit)
    circuit.cz(3, 4)
    circuit.cz(9, 11)
    circuit.measure(range(12), range(12))
    found = clusters(reduced(circuit))
    assert sorted(part.clbits for part in found) == sorted(
        [(3, 4), (9, 11), *((n,) for n in (0, 1, 2, 5, 6, 7, 8, 10))]
    )
    assert [part.is_lone for part in found] == [len(part.clbits) == 1 for part in found]
    assert all(set(part.small.positions) == set(part.clbits) for part in found)


def test_small_circuit_stays_whole():
    """Up to ten qubits one run does it, as it always did."""
    circuit = wide(2)
    circuit.x([0, 1])
    circuit.measure([0, 1], [0, 1])
    assert [part.clbits for part in clusters(reduced(circuit))] == [(0, 1)]


def test_circuit_with_a_condition_stays_whole():
    """What one qubit reads may steer another."""
    circuit = wide()
    circuit.x(range(12))
    circuit.measure(range(12), range(12))
    with circuit.if_test((0, 1)):
        circuit.x(5)
    assert len(clusters(reduced(circuit))) == 1


def test_two_writes_to_a_bit_stay_in_order():
    """Qubits that share a classical bit are one cluster, and the last write counts."""
    circuit = wide()
    circuit.x(range(12))
    circuit.measure(range(12), range(12))
    circuit.x(7)
    circuit.measure(7, 3)
    part = next(part for part in clusters(reduced(circuit)) if 3 in part.clbits)
    assert part.clbits == (3, 7)
    assert shots_of(circuit, NO_VALUES, 3, 1)["c"][0, :, 3].tolist() == [False] * 3


def test_unmeasured_clusters_are_left_out():
    """What nobody reads is not simulated."""
    circuit = wide()
    circuit.x(range(30))
    circuit.measure(range(12), range(12))
    assert len(clusters(reduced(circuit))) == 12


def test_clusters_keep_their_correlations_and_registers():
    """Six pairs that agree within, in the bits where they were measured, over two registers."""
    low, high = ClassicalRegister(6, "low"), ClassicalRegister(6, "high")
    circuit = QuantumCircuit(QuantumRegister(156), low, high)
    for pair in range(6):
        first, second = 2 * pair, 2 * pair + 1
        for qubit in (first, second):
            circuit.rz(math.pi / 2, qubit)
            circuit.sx(qubit)
            circuit.rz(math.pi / 2, qubit)
        circuit.cz(first, second)
        circuit.rz(math.pi / 2, second)
        circuit.sx(second)
        circuit.rz(math.pi / 2, second)
        circuit.measure([first, second], [low[pair], high[5 - pair]])
    found = shots_of(circuit, NO_VALUES, 300, 5)
    assert (found["low"] == found["high"][..., ::-1]).all()
    assert 0.3 < found["low"].mean() < 0.7
    assert len({column.tobytes() for column in found["low"][0].T}) == 6


def test_same_seed_gives_the_same_shots_and_another_does_not():
    """For lone qubits as for simulated ones."""
    circuit = wide()
    circuit.sx(range(12))
    circuit.cz(3, 4)
    circuit.measure(range(12), range(12))
    first, again, other = (shots_of(circuit, NO_VALUES, 100, seed)["c"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@given(
    gates=st.lists(
        st.tuples(st.sampled_from(["rz", "rx", "sx", "sxdg", "x", "z", "id"]), st.floats(-7, 7)), max_size=8
    )
)
@settings(deadline=None)
def test_lone_qubit_has_the_chances_of_its_state(gates):
    """The vector in the Bloch ball gives what a state vector gives."""
    circuit, pure = wide(1), QuantumCircuit(1)
    circuit.rz(Parameter("first"), 0)
    pure.rz(0.4, 0)
    for name, angle in gates:
        angles = [angle] if name in {"rz", "rx"} else []
        getattr(circuit, name)(*angles, 0)
        getattr(pure, name)(*angles, 0)
    circuit.measure(0, 0)
    (part,) = clusters(reduced(circuit))
    assert part.small.circuit.num_clbits == 1
    columns = {next(iter(circuit.parameters)): np.array([0.4])}
    share = lone_bits(part, columns, (1, 4000), 3, None).mean()
    chance = float(Statevector(pure).probabilities()[1])
    assert abs(share - chance) <= 5 * math.sqrt(max(chance * (1 - chance), 1e-9) / 4000)


@pytest.mark.parametrize("extra", ["reset", "measure", "expression"])
def test_what_is_more_than_rotations_is_simulated(extra):
    """Resets, a second measurement and angles that are formulas are left to the simulator."""
    circuit = QuantumCircuit(QuantumRegister(156), ClassicalRegister(12, "c"), ClassicalRegister(1, "d"))
    circuit.x(range(12))
    angle = Parameter("angle")
    if extra == "reset":
        circuit.reset(5)
    elif extra == "measure":
        circuit.measure(5, 12)
    else:
        circuit.rx(2 * angle, 5)
    circuit.measure(range(12), range(12))
    part = next(part for part in clusters(reduced(circuit)) if 5 in part.clbits)
    assert not part.is_lone
    rows = np.full((1, circuit.num_parameters), math.pi / 2)
    read = shots_of(circuit, rows, 2, 1)["c"][0, :, 5].tolist()
    assert read == ([True] * 2 if extra == "measure" else [False] * 2)

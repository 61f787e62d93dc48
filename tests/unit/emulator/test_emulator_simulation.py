from __future__ import annotations

import math
import time

import numpy as np
import pytest
from emulator_caller import bell_circuit
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

from qsession.emulator._circuits import canonical, reduced


def flips(*qubits: int, width: int = 156) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    for qubit in qubits:
        circuit.x(qubit)
    return circuit


def wide(label: str) -> str:
    """A Pauli label on the lowest qubits of ibm_fez."""
    return "I" * (156 - len(label)) + label


def test_several_registers_keep_their_bits(caller):
    """Each classical register is a field of its own, bit for bit."""
    circuit = flips(1, 3)
    low, high = ClassicalRegister(2, "low"), ClassicalRegister(9, "high")
    circuit.add_register(low, high)
    circuit.measure(0, low[0])
    circuit.measure(1, low[1])
    circuit.measure(3, high[8])
    data = caller.result(caller.job([[circuit, None, 3]]))[0].data
    assert data.low.get_bitstrings() == ["10"] * 3
    assert data.high.get_bitstrings() == ["100000000"] * 3


def test_parameters_broadcast(caller):
    """Parameter values of any shape give results of that shape, in the right places."""
    circuit = QuantumCircuit(QuantumRegister(156), ClassicalRegister(2, "c"))
    for qubit in (0, 1):
        # rz between two sx is ry up to phases: angle pi leaves 0, angle 0 flips.
        circuit.sx(qubit)
        circuit.rz(Parameter(f"angle_{qubit}"), qubit)
        circuit.sx(qubit)
    circuit.measure([0, 1], [0, 1])
    values = np.pi * np.array([[[0, 0], [1, 0]], [[0, 1], [1, 1]], [[0, 0], [1, 1]]])
    data = caller.result(caller.job([[circuit, values, 4]]))[0].data
    assert data.shape == (3, 2)
    found = [data.c[index].get_bitstrings()[0] for index in np.ndindex(3, 2)]
    assert found == ["11", "10", "01", "00", "11", "00"]


def test_empty_parameter_set_gives_an_empty_result(caller):
    """No parameter sets, no shots, and no failure."""
    circuit = QuantumCircuit(QuantumRegister(156), ClassicalRegister(1, "c"))
    circuit.rz(Parameter("a"), 0)
    circuit.measure(0, 0)
    data = caller.result(caller.job([[circuit, np.zeros((0, 1)), 4]]))[0].data
    assert data.shape == (0,)


def test_mid_circuit_measurement_and_condition(caller):
    """if_else follows the measured bit: both registers agree in every shot."""
    circuit = QuantumCircuit(QuantumRegister(156), ClassicalRegister(1, "mid"), ClassicalRegister(1, "end"))
    mid, end = circuit.cregs
    circuit.sx(4)
    circuit.measure(4, mid[0])
    with circuit.if_test((mid, 1)):
        circuit.x(9)
    circuit.measure(9, end[0])
    data = caller.result(caller.job([[circuit, None, 200]]))[0].data
    assert data.mid.get_bitstrings() == data.end.get_bitstrings()
    assert set(data.mid.get_counts()) == {"0", "1"}


def test_second_write_to_a_bit_counts(caller):
    """A sure 0 measured over a 1 is not optimised away."""
    circuit = flips(0)
    circuit.add_register(ClassicalRegister(1, "c"))
    circuit.measure(0, 0)
    circuit.measure(5, 0)
    assert caller.result(caller.job([[circuit, None, 2]]))[0].data.c.get_bitstrings() == ["0", "0"]


def test_circuit_without_measurement_gives_zeros(caller):
    """A register that nothing writes reads 0."""
    circuit = flips(0)
    circuit.add_register(ClassicalRegister(2, "c"))
    assert caller.result(caller.job([[circuit, None, 2]]))[0].data.c.get_bitstrings() == ["00", "00"]


def test_measuring_every_qubit_costs_nothing(caller):
    """A measurement of all 156 qubits reduces to the qubits that were touched."""
    circuit = flips(155)
    circuit.measure_all()
    assert reduced(circuit).circuit.num_qubits == 1
    bits = caller.result(caller.job([[circuit, None, 2]]))[0].data.meas.get_bitstrings()
    assert bits == ["1" + "0" * 155] * 2


def test_wide_clifford_circuit_runs(caller):
    """Thirty qubits that a state vector could not hold is run exactly."""
    circuit = QuantumCircuit(156)
    chain = range(30)  # the first 16 qubits are a row of the device; the rest stays apart
    for qubit in chain:
        circuit.sx(qubit)
    for qubit in range(15):
        circuit.cz(qubit, qubit + 1)
    for qubit in chain:
        circuit.rz(math.pi, qubit)
        circuit.sx(qubit)
    circuit.measure_all()
    assert caller.result(caller.job([[circuit, None, 5]]))[0].data.meas.num_shots == 5


def test_wide_circuit_of_low_entanglement_runs(caller):
    """Thirty qubits, no Clifford circuit, little entanglement: exact all the same."""
    circuit = flips(*range(30))
    circuit.sx(0)
    circuit.rz(0.3, 0)
    for qubit in range(15):
        circuit.cz(qubit, qubit + 1)
    circuit.measure_all()
    bits = caller.result(caller.job([[circuit, None, 5]]))[0].data.meas.get_bitstrings()
    assert {shot[-30:-1] for shot in bits} == {"1" * 29}


def test_circuit_beyond_any_exact_method_fails(caller):
    """A wide and deep circuit that is no Clifford circuit fails with a reason."""
    circuit = QuantumCircuit(156)
    for layer in range(30):
        for qubit in range(30):
            circuit.sx(qubit)
            circuit.rz(0.1 * layer + 0.3, qubit)
        for qubit in range(layer % 2, 15, 2):
            circuit.cz(qubit, qubit + 1)
        for qubit in range(20 + layer % 2, 29, 2):
            circuit.cz(qubit, qubit + 1)
        circuit.cz(3, 16)
        circuit.cz(16, 23)
    circuit.measure_all()
    job = caller.job([[circuit, None, 5]])
    assert caller.json("GET", f"/jobs/{job}", at=1)["state"]["reason"] == (
        "The emulator cannot simulate this job. The circuit uses 27 qubits, is no Clifford circuit, and"
        " may entangle them beyond what an exact simulation on this machine can hold."
    )


def test_estimator_matches_the_exact_values(caller):
    """Expectation values broadcast and lie within five standard errors of the exact ones."""
    small = QuantumCircuit(2)
    angles = [Parameter("a"), Parameter("b")]
    for qubit, angle in enumerate(angles):
        small.sx(qubit)
        small.rz(angle, qubit)
        small.sx(qubit)
    small.cz(0, 1)
    large = QuantumCircuit(156)
    large.compose(small, [0, 1], inplace=True)
    values = np.array([[0.1, 0.2], [0.7, 1.9], [2.5, 0.3]])
    labels = [[("ZZ", 1.0), ("XI", 0.5)], [("YX", 2.0)]]
    exact_pub = (small, [[SparsePauliOp.from_list(terms)] for terms in labels], values)
    exact = StatevectorEstimator().run([exact_pub]).result()[0].data.evs
    observables = [[{wide(label): factor for label, factor in terms}] for terms in labels]
    result = caller.result(caller.job([[large, observables, values, 0.02]], program="estimator"))[0]
    assert result.data.evs.shape == exact.shape == (2, 3)
    assert np.all(np.abs(result.data.evs - exact) <= 5 * np.maximum(result.data.stds, 0.02))
    assert np.any(result.data.evs != exact)
    assert (result.metadata["shots"], result.metadata["target_precision"]) == (2500, 0.02)


def test_estimator_scalar_has_shape_zero(caller):
    """One observable and no parameters give arrays without dimensions."""
    pub = [flips(0), {wide("Z"): 1.0}]
    result = caller.result(caller.job([pub], program="estimator"))[0]
    assert (result.data.evs.shape, float(result.data.evs), float(result.data.stds)) == ((), -1.0, 0.0)
    assert (result.metadata["shots"], result.metadata["target_precision"]) == (4096, 0.015625)


@pytest.mark.parametrize(
    ("params", "shots"),
    [
        ({"options": {"default_precision": 0.1}}, 100),
        ({"options": {"default_shots": 400}}, 400),
        ({"options": {"default_shots": 400, "default_precision": 0.1}}, 400),
        ({"precision": 0.5, "options": {"default_shots": 400}}, 4),
    ],
)
def test_estimator_shots_follow_the_options(caller, params, shots):
    """Precision and shots of the options decide where the PUB does not."""
    job = caller.job([[flips(0), {wide("Z"): 1.0}]], program="estimator", params=params)
    assert caller.result(job)[0].metadata["shots"] == shots


@pytest.mark.parametrize(
    ("observable", "value"),
    [
        ({"Z" * 156: 1.0}, -1.0),
        ({"I" * 156: 3.0}, 3.0),
        ({wide("1"): 1.0}, 1.0),
        ({wide("0"): 1.0}, 0.0),
        ({wide("ZI"): 0.5, wide("IZ"): 2.0}, -1.5),
    ],
)
def test_estimator_knows_untouched_qubits(caller, observable, value):
    """Qubits that no gate touched count as ground state, in observables of full width."""
    result = caller.result(caller.job([[flips(0), observable]], program="estimator"))[0]
    assert float(result.data.evs) == value


def test_estimator_of_x_on_an_untouched_qubit_is_noise_round_zero(caller):
    """X on a ground state averages to 0 with the spread of its shots."""
    job = caller.job([[flips(0), {"X" + "I" * 155: 1.0}]], program="estimator")
    data = caller.result(job)[0].data
    assert abs(float(data.evs)) < 5 * 0.015625
    assert float(data.stds) == pytest.approx(0.015625, rel=0.01)


def test_canonical_of_equal_circuits_is_equal():
    """Equal circuits built twice have one digest, another gate another."""

    def built(angle: float) -> QuantumCircuit:
        circuit = QuantumCircuit(3, 1)
        circuit.rz(Parameter("x"), 0)
        circuit.rz(angle, 1)
        with circuit.if_test((0, 1)):
            circuit.x(2)
        return circuit

    assert canonical(built(0.5)) == canonical(built(0.5))
    assert canonical(built(0.5)) != canonical(built(0.6))


def test_bell_on_ibm_fez_takes_well_under_a_second(caller):
    """The client's own local mode takes half a minute for this circuit."""
    pub = [[bell_circuit(), None, 4096]]
    caller.result(caller.job(pub))  # imports
    started = time.perf_counter()
    caller.result(caller.job(pub))
    assert time.perf_counter() - started < 0.5

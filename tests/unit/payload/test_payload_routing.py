"""One circuit in two routings is one circuit; any other is another."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payload_jobs import read, sampler, wire
from qiskit import ClassicalRegister, QuantumCircuit, qpy, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.library import UnitaryGate
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import CouplingMap
from qiskit_ibm_runtime.options_models import ExecutorOptions
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS
from samplomatic import build
from samplomatic.serialization import samplex_to_json
from samplomatic.ssv import SSV

from qsession import _payload
from qsession._model import ROUTED, Match

_SAMPLEX = samplex_to_json(build(QuantumCircuit(1))[1], ssv=SSV)
BASIS = ["cz", "rz", "sx", "x"]
LINE = CouplingMap.from_line(7)


def everybody(
    qubits: int = 4, *, twist: float = 0.0, free: bool = False, clifford: bool = False
) -> QuantumCircuit:
    """Every pair meets, so that a line of qubits needs swaps."""
    circuit = QuantumCircuit(qubits)
    for i in range(qubits):
        circuit.h(i)
        for j in range(i):
            if clifford:
                circuit.cz(j, i)
            else:
                angle = Parameter(f"p{i}{j}") if free and i == 1 else 0.3 * (i + 1) / (j + 1)
                circuit.cp(angle + (twist if (i, j) == (2, 0) else 0), j, i)
    if clifford and twist:
        circuit.z(1)
    circuit.measure_all()
    return circuit


def routed(circuit: QuantumCircuit, seed: int, *, level: int = 1, **more: object) -> QuantumCircuit:
    return transpile(
        circuit,
        coupling_map=LINE,
        basis_gates=BASIS,
        optimization_level=level,
        seed_transpiler=seed,
        **({"layout_method": "sabre"} | more),
    )


def placed(circuit: QuantumCircuit, places: list[int], *, seed: int = 3, level: int = 1) -> QuantumCircuit:
    return transpile(
        circuit,
        coupling_map=LINE,
        basis_gates=BASIS,
        initial_layout=places,
        optimization_level=level,
        seed_transpiler=seed,
    )


def apart(ours: QuantumCircuit, theirs: QuantumCircuit) -> tuple[str, ...]:
    return _payload.differences(read(ours), read(theirs), ROUTED)


def reason(ours: QuantumCircuit, theirs: QuantumCircuit) -> str:
    return apart(ours, theirs)[0].removeprefix(
        "PUB 0: not the same circuit with another layout and routing: "
    )


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "circuit",
    [everybody(), everybody(free=True), everybody(6), everybody(clifford=True)],
    ids=["angles", "free", "six", "clifford"],
)
def test_other_layout_and_routing_match(circuit: QuantumCircuit, level: int) -> None:
    """The transpiler may lay a circuit out as it likes."""
    ours, theirs = placed(circuit, [*range(circuit.num_qubits)], level=level), routed(circuit, 5, level=level)

    assert read(ours).digest != read(theirs).digest
    assert apart(ours, theirs) == ()
    assert apart(theirs, ours) == ()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (everybody(twist=1e-5), everybody()),
        (everybody(free=True, twist=1e-5), everybody(free=True)),
        (everybody(clifford=True, twist=1), everybody(clifford=True)),
        (everybody(clifford=True), everybody()),
    ],
)
def test_changed_gate_is_found(ours: QuantumCircuit, theirs: QuantumCircuit) -> None:
    """However both are routed; the message goes on with what differs as they stand."""
    lines = apart(placed(ours, [0, 1, 2, 3]), placed(theirs, [3, 2, 1, 0]))

    assert lines[0] == (
        "PUB 0: not the same circuit with another layout and routing: the gates do something else"
    )
    assert lines[1].startswith("PUB 0: operation ")


@pytest.mark.parametrize("gate", ["rx", "ry", "rz", "p", "rzz", "rxx"])
@pytest.mark.parametrize("angle", [0.0, np.pi / 2, np.pi])
def test_angle_that_is_nearly_clifford_is_found(gate: str, angle: float) -> None:
    """qiskit makes a tableau of some of them."""

    def run(angle: float, places: list[int]) -> QuantumCircuit:
        circuit = QuantumCircuit(3)
        circuit.h(range(3))
        circuit.cz(0, 1)
        getattr(circuit, gate)(angle, *range(2 if gate in ("rzz", "rxx") else 1))
        circuit.measure_all()
        return transpile(circuit, coupling_map=LINE, initial_layout=places, optimization_level=0)

    assert apart(run(angle, [0, 1, 2]), run(angle, [5, 4, 3])) == ()
    assert reason(run(angle, [0, 1, 2]), run(angle + 1e-5, [5, 4, 3])) == "the gates do something else"


def test_layout_of_other_qubits_is_found() -> None:
    """The same gates, but the layout says that they belong to other qubits of the circuit."""
    circuit = everybody()
    ours, theirs = placed(circuit, [0, 1, 2, 3]), placed(circuit, [0, 1, 2, 3])
    other = placed(circuit, [1, 0, 2, 3])
    theirs._layout = other._layout

    assert reason(ours, theirs)


def _on(places: list[int], *gates: str, measured: bool = True) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3)
    circuit.cx(0, 1)
    circuit.ry(0.3, 1)
    for gate in gates:
        if gate == "delay":
            circuit.delay(100, 0, "dt")
        elif gate == "reset":
            circuit.reset(0)
        elif gate == "if":
            with circuit.if_test((circuit.clbits[0], True)):
                circuit.x(1)
        elif gate == "after":
            circuit.measure(0, 0)
            circuit.x(0)
        elif gate == "twice":
            circuit.measure(0, 2)
        elif gate == "unitary":
            circuit.append(UnitaryGate(np.eye(2)), [2])
        elif gate == "barrier":
            circuit.barrier()
    if measured:
        circuit.measure([1, 2], [1, 2])
    return transpile(
        circuit, coupling_map=LINE, initial_layout=places, optimization_level=0, seed_transpiler=1
    )


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        ("delay", "the operation delay"),
        ("reset", "the operation reset"),
        ("if", "the operation if_else"),
        ("after", "x on qubit 4 after its measurement"),
        ("twice", "two measurements into one bit"),
    ],
)
def test_what_cannot_be_decided_is_refused(gate: str, why: str) -> None:
    """A mismatch says why it cannot tell."""
    assert reason(_on([4, 5, 6], gate), _on([1, 2, 3], gate)) == f"cannot be decided: {why}"


@pytest.mark.parametrize("gate", ["barrier", "unitary"])
def test_what_can_be_decided_after_all(gate: str) -> None:
    """Barriers stand between gates and do nothing; a matrix is a gate."""
    assert apart(_on([4, 5, 6], gate), _on([1, 2, 3], gate)) == ()


def test_missing_layout_cannot_be_decided() -> None:
    """Without a layout nobody knows which qubit is which."""
    ours, theirs = _on([4, 5, 6]), _on([1, 2, 3])
    theirs._layout = None

    assert reason(ours, theirs) == (
        "cannot be decided: a circuit came without the layout that the transpiler gives it"
    )


def test_too_many_qubits_cannot_be_decided() -> None:
    """Thirteen qubits with any angles are too many; with Clifford gates they are not."""
    line = CouplingMap.from_line(20)

    def run(angle: float, seed: int) -> QuantumCircuit:
        circuit = QuantumCircuit(13)
        for i in range(13):
            circuit.rx(angle, i)
            circuit.cz(i, (i + 5) % 13)
        circuit.measure_all()
        return transpile(
            circuit, coupling_map=line, basis_gates=BASIS, optimization_level=1, seed_transpiler=seed
        )

    assert apart(run(np.pi / 2, 1), run(np.pi / 2, 2)) == ()
    assert reason(run(0.3, 1), run(0.3, 2)).startswith("cannot be decided: 13 qubits on ")


def test_measurements_are_part_of_the_circuit() -> None:
    """Into which bit which qubit goes, and into which register."""
    circuit, other, renamed = (QuantumCircuit(3, 3) for _ in range(3))
    for each in (circuit, other, renamed):
        each.cx(0, 2)
    circuit.measure([0, 1, 2], [0, 1, 2])
    other.measure([0, 1, 2], [0, 2, 1])
    renamed.remove_final_measurements()
    renamed = QuantumCircuit(3)
    renamed.add_register(ClassicalRegister(3, "other"))
    renamed.cx(0, 2)
    renamed.measure([0, 1, 2], [0, 1, 2])

    assert (
        reason(placed(circuit, [0, 1, 2]), placed(other, [3, 4, 5])) == "the measurement of qubit 1 differs"
    )
    assert reason(placed(circuit, [0, 1, 2]), placed(renamed, [3, 4, 5])) == "the registers differ"


def test_names_of_parameters_are_part_of_the_circuit() -> None:
    """Values are given to them by name."""
    ours, theirs = (QuantumCircuit(2) for _ in range(2))
    for circuit, name in ((ours, "a"), (theirs, "b")):
        circuit.rx(Parameter(name), 0)
        circuit.cz(0, 1)

    assert reason(placed(ours, [0, 1]), placed(theirs, [3, 4])) == "the parameters differ"


def _estimator(places: list[int], weight: float = 0.5, label: str = "XIZ") -> _payload.Meaning:
    circuit = QuantumCircuit(3)
    for i in range(3):
        circuit.rx(0.1 * i + 0.2, i)
        circuit.cz(i, (i + 2) % 3)
    isa = placed(circuit, places)
    observable = SparsePauliOp([label, "ZZI"], [weight, 0.25]).apply_layout(isa.layout)
    pub = EstimatorPub.coerce((isa, observable))
    return _payload.read("estimator", wire({"pubs": [pub], "options": {}}))


def test_observables_are_pulled_back_too() -> None:
    """What is measured on the device is what was asked before the layout."""
    ours = _estimator([0, 1, 2])

    assert _payload.differences(ours, _estimator([6, 4, 2]), ROUTED) == ()
    assert _payload.differences(ours, _estimator([6, 4, 2], weight=0.6), ROUTED) == (
        "PUB 0: observables before the layout.Z0 X2: asked 0.5, recorded 0.6",
    )
    assert _payload.differences(ours, _estimator([6, 4, 2], label="XIY"), ROUTED) == (
        "PUB 0: observables before the layout.Y0 X2: asked nothing, recorded 0.5",
        "PUB 0: observables before the layout.Z0 X2: asked 0.5, recorded nothing",
    )


def test_items_of_a_quantum_program_are_pulled_back_too() -> None:
    """A circuit with arguments may be routed otherwise; one with a samplex may not."""

    def job(places: list[int], value: float = 0.5, *, samplex: bool = False) -> _payload.Meaning:
        program = QuantumProgram(shots=10)
        isa = placed(everybody(3, free=True), places)
        program.append_circuit_item(isa, circuit_arguments=np.full(isa.num_parameters, value))
        encoder = QUANTUM_PROGRAM_PARAMS_CONVERTERS["v2.0"].encoder
        params = encoder(program, ExecutorOptions()).model_dump(mode="json")
        if samplex:
            params["quantum_program"]["items"][0]["samplex"] = {"ssv": 4, "samplex_json": _SAMPLEX}
        return _payload.read("executor", params)

    assert _payload.differences(job([0, 1, 2]), job([6, 5, 4]), ROUTED) == ()
    assert _payload.differences(job([0, 1, 2]), job([6, 5, 4], 0.6), ROUTED) == (
        "item 0: circuit arguments of p10: asked 0.5, recorded 0.6",
    )
    assert _payload.differences(job([0, 1, 2], samplex=True), job([6, 5, 4], samplex=True), ROUTED)[0] == (
        "item 0: not the same circuit with another layout and routing: "
        "cannot be decided: a samplex belongs to it"
    )


def test_angle_that_is_no_analytic_function_cannot_be_decided() -> None:
    """What agrees at some points need not agree at others."""
    circuit = QuantumCircuit(2)
    circuit.rz(abs(Parameter("t")), 0)
    circuit.cx(0, 1)

    assert reason(placed(circuit, [0, 1]), placed(circuit, [3, 4])) == (
        "cannot be decided: a parameter of rz that is no analytic function"
    )


def _beside(places: list[int], *terms: str) -> _payload.Meaning:
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    isa = placed(circuit, places)
    pub = EstimatorPub.coerce((isa, SparsePauliOp(list(terms), [0.5] * len(terms))))
    return _payload.read("estimator", wire({"pubs": [pub], "options": {}}))


def test_qubits_beside_the_layout_are_alike() -> None:
    """They are in 0, whichever they are: an observable on them counts by its letters."""
    ours = _beside([0, 1], "XXXXXXX")

    assert _payload.differences(ours, _beside([2, 3], "XXXXXXX"), ROUTED) == ()
    assert _payload.differences(_beside([0, 1], "ZIIIIII"), _beside([2, 3], "IIIIIIZ"), ROUTED) == ()
    assert _payload.differences(ours, _beside([2, 3], "ZXXXXXX"), ROUTED) == (
        "PUB 0: observables before the layout.X0 X1 XXXXX: asked 0.5, recorded nothing",
        "PUB 0: observables before the layout.X0 X1 XXXXZ: asked nothing, recorded 0.5",
    )


def test_terms_that_are_one_beside_the_layout_add_up() -> None:
    """Two terms on two idle qubits of ours are no single term of the recording's."""
    two = _beside([0, 1], "ZIIIIII", "IZIIIII")

    assert _payload.differences(two, _beside([2, 3], "IIIIIIZ", "IIIIIZI"), ROUTED) == ()
    assert _payload.differences(two, _beside([2, 3], "IIIIIIZ"), ROUTED) == (
        "PUB 0: observables before the layout.Z: asked 1, recorded 0.5",
    )


def test_everything_else_still_counts() -> None:
    """Shots, values and options are compared as ever."""
    circuit = everybody()
    one, two = placed(circuit, [0, 1, 2, 3]), placed(circuit, [3, 2, 1, 0])

    assert _payload.differences(sampler((one, None, 7)), sampler((two, None, 8)), ROUTED) == (
        "PUB 0: shots: asked 7, recorded 8",
    )
    assert _payload.differences(sampler((one,), x=1), sampler((two,), x=2), ROUTED) == (
        "x: asked 1, recorded 2",
    )


def test_jobs_that_match_share_a_digest() -> None:
    """The look-up finds what the comparison accepts, in every way to match."""
    circuit = everybody()
    ours, theirs = (
        sampler((placed(circuit, [0, 1, 2, 3]), None, 7)),
        sampler((placed(circuit, [3, 2, 1, 0]), None, 8)),
    )

    for match in (ROUTED, Match(frozenset({"circuits"}), routed=True), Match(frozenset({"options"}))):
        same = _payload.differences(ours, theirs, match) == ()
        assert (_payload.digest(ours, match) == _payload.digest(theirs, match)) is same
    assert _payload.digest(ours, Match()) == ours.digest


@pytest.mark.parametrize(
    ("aspects", "same"),
    [
        ({"circuits"}, False),
        ({"values", "shots", "options"}, True),
        ({"observables"}, True),
        ({"circuits", "options"}, False),
    ],
)
def test_named_aspects_alone_are_compared(aspects: set[str], same: bool) -> None:
    """What is not named may differ; the number of PUBs and the program may not."""
    match = Match(frozenset(aspects))
    ours, theirs = sampler((everybody(), None, 7)), sampler((everybody(twist=1), None, 7))

    assert (_payload.differences(ours, theirs, match) == ()) is same
    assert _payload.differences(ours, sampler((everybody(), None, 7), (everybody(),)), match) == (
        "PUBs: asked 1, recorded 2",
    )


def test_unknown_program_is_always_compared_whole() -> None:
    """Nobody knows which of its parts are the circuits."""
    ours, theirs = (_payload.read("mystery", {"x": each}) for each in (1, 2))
    match = Match(frozenset({"circuits"}))

    assert _payload.differences(ours, theirs, match) == ("x: asked 1, recorded 2",)
    assert _payload.digest(ours, match) != _payload.digest(theirs, match)


_GATES = st.one_of(
    st.tuples(st.sampled_from(["h", "sx", "t"]), st.just(1), st.none()),
    st.tuples(st.sampled_from(["rx", "rz", "p"]), st.just(1), st.integers(1, 600).map(lambda n: n / 100)),
    st.tuples(st.sampled_from(["cx", "cz", "cp"]), st.just(2), st.none()),
)
_SEQUENCES = st.lists(st.tuples(_GATES, st.permutations(range(4))), min_size=1, max_size=14)
_Gate = tuple[tuple[str, int, float | None], list[int]]
_QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _circuit(gates: list[_Gate]) -> QuantumCircuit:
    circuit = QuantumCircuit(4)
    for (name, width, angle), order in gates:
        angles = [0.7] if name == "cp" else [] if angle is None else [angle]
        getattr(circuit, name)(*angles, *order[:width])
    circuit.measure_all()
    return circuit


@_QUICK
@given(_SEQUENCES, st.integers(0, 2**31 - 1), st.sampled_from([0, 1, 2]), st.permutations(range(7)))
def test_any_routing_of_any_circuit_matches(
    gates: list[_Gate], seed: int, level: int, places: list[int]
) -> None:
    """Written by another version of QPY, laid out elsewhere, under any seed."""
    ours = placed(_circuit(gates), places[:4], seed=seed, level=level)
    theirs = routed(_circuit(gates), seed // 2, level=level)
    raw = io.BytesIO()
    qpy.dump(ours, raw, version=14)
    raw.seek(0)

    assert apart(qpy.load(raw)[0], theirs) == ()


@_QUICK
@given(_SEQUENCES, st.data(), st.permutations(range(7)))
def test_any_change_of_any_circuit_is_refused(
    gates: list[_Gate], data: st.DataObject, places: list[int]
) -> None:
    """One gate more, in any place, of a kind that is nobody's inverse."""
    at = data.draw(st.integers(0, len(gates)))
    qubit = data.draw(st.integers(0, 3))
    changed = [*gates[:at], (("rx", 1, 1e-4), [qubit]), *gates[at:]]

    assert apart(placed(_circuit(changed), places[:4]), placed(_circuit(gates), [0, 1, 2, 3]))

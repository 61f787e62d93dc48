"""Circuits are recognised by what they do."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable

import pytest
from payload_jobs import differences, params, read
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qpy
from qiskit.circuit import Clbit, Parameter, Qubit
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import PauliEvolutionGate, UnitaryGate
from qiskit.quantum_info import SparsePauliOp

from qsession import _payload


def _bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.rz(0.3, 1)
    circuit.measure_all()
    return circuit


def _dynamic(*, condition: int = 1, angle: float = 0.1, limit: int = 6) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3)
    counter = circuit.add_var("counter", expr.lift(5, types.Uint(8)))
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], condition)) as otherwise:
        circuit.x(1)
        circuit.rz(angle, 2)
    with otherwise:
        circuit.y(2)
    with circuit.for_loop(range(3)):
        circuit.h(2)
    with circuit.while_loop(expr.less(counter, expr.lift(limit, types.Uint(8)))):
        circuit.store(counter, expr.add(counter, expr.lift(1, types.Uint(8))))
    with circuit.switch(circuit.clbits[1]) as case:
        with case(0):
            circuit.x(0)
        with case(case.DEFAULT):
            circuit.z(0)
    with circuit.box():
        circuit.cx(0, 1)
    return circuit


def test_digest_of_a_renamed_circuit() -> None:
    """A circuit's name and metadata change the bytes, not the meaning."""
    renamed = _bell()
    renamed.name, renamed.metadata = "another", {"run": 7}

    assert params(renamed) != params(_bell())
    assert read(renamed).digest == read(_bell()).digest


@pytest.mark.parametrize("version", [13, 14, 15, 16])
def test_digest_of_another_qpy_version(version: int) -> None:
    """Older clients write older QPY."""
    assert read(_bell(), version=version).digest == read(_bell()).digest


def test_digest_of_fresh_parameters() -> None:
    """Parameters count by name; each one built has an identity of its own in the bytes."""

    def build() -> QuantumCircuit:
        circuit = QuantumCircuit(1, name="turn")
        circuit.rx(2 * Parameter("theta") + Parameter("phi"), 0)
        circuit.global_phase = Parameter("lambda")
        return circuit

    assert params(build()) != params(build())
    assert read(build()).digest == read(build()).digest


def test_digest_of_permuted_measurements() -> None:
    """The order of measurements of different qubits means nothing."""
    one, two = QuantumCircuit(2, 2, name="m"), QuantumCircuit(2, 2, name="m")
    one.measure([0, 1], [0, 1])
    two.measure([1, 0], [1, 0])

    assert params(one) != params(two)
    assert read(one).digest == read(two).digest


def test_digest_of_another_quantum_register() -> None:
    """Quantum registers that are not named are numbered by the process."""
    one, two = QuantumCircuit(QuantumRegister(2)), QuantumCircuit(QuantumRegister(2))
    one.cz(0, 1)
    two.cz(0, 1)

    assert read(one).digest == read(two).digest


def test_digest_of_an_unnamed_custom_gate() -> None:
    """A circuit made into a gate is known by its definition, not by the number in its name."""

    def build(*, angle: float = 0.1) -> QuantumCircuit:
        inner = QuantumCircuit(2)
        inner.rx(angle, 0)
        inner.cx(0, 1)
        circuit = QuantumCircuit(3)
        circuit.append(inner.to_gate(), [0, 2])
        circuit.append(inner.to_gate().control(1), [0, 1, 2])
        return circuit

    assert read(build()).digest == read(build()).digest
    assert differences(build(), build(angle=0.2)) == (
        "PUB 0: operation 0 (circuit on 0, 2) definition: operation 0: "
        "asked rx(0.1) on 0, recorded rx(0.2) on 0",
    )


def test_digest_of_control_flow() -> None:
    """Blocks, conditions and variables are read, identities of variables are not."""
    meaning = read(_dynamic())

    assert meaning.understood
    assert meaning.digest == read(_dynamic()).digest


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        (
            _dynamic(condition=0),
            (
                "PUB 0: operation 2 (if_else on 1, 2) condition: asked (clbit, 0), "
                "recorded (logic_not, (clbit, 0))",
            ),
        ),
        (
            _dynamic(angle=0.2),
            (
                "PUB 0: operation 2 (if_else on 1, 2) block 0: operation 1: asked rz(0.1) on 2, "
                "recorded rz(0.2) on 2",
            ),
        ),
        (
            _dynamic(limit=7),
            (
                "PUB 0: operation 4 (while_loop) condition: "
                "asked (less, (variable, counter, Uint(8)), (value, 6, Uint(8))), "
                "recorded (less, (variable, counter, Uint(8)), (value, 7, Uint(8)))",
            ),
        ),
    ],
)
def test_differences_in_control_flow(changed: QuantumCircuit, lines: tuple[str, ...]) -> None:
    """A changed block or condition is named with its path."""
    assert differences(_dynamic(), changed) == lines


def _changed(index: int, name: str, *arguments: object) -> QuantumCircuit:
    circuit = _bell()
    replacement = QuantumCircuit(2)
    getattr(replacement, name)(*arguments)
    circuit.data[index] = circuit.data[index].replace(
        operation=replacement.data[0].operation,
        qubits=[circuit.qubits[replacement.find_bit(bit).index] for bit in replacement.data[0].qubits],
    )
    return circuit


def _phased() -> QuantumCircuit:
    circuit = _bell()
    circuit.global_phase = 1.5
    return circuit


def _wider() -> QuantumCircuit:
    circuit = _bell()
    circuit.add_register(QuantumRegister(1, "more"))
    return circuit


def _shorter() -> QuantumCircuit:
    circuit = _bell()
    del circuit.data[2]
    return circuit


def _other_register() -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(2, "out"))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.rz(0.3, 1)
    circuit.barrier()
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        (_changed(2, "rz", 0.4, 1), ("PUB 0: operation 2: asked rz(0.3) on 1, recorded rz(0.4) on 1",)),
        (_changed(2, "rx", 0.3, 1), ("PUB 0: operation 2: asked rz(0.3) on 1, recorded rx(0.3) on 1",)),
        (_changed(0, "h", 1), ("PUB 0: operation 0: asked h on 0, recorded h on 1",)),
        (_changed(1, "cx", 1, 0), ("PUB 0: operation 1: asked cx on 0, 1, recorded cx on 1, 0",)),
        (_phased(), ("PUB 0: global phase: asked 0, recorded 1.5",)),
        (_wider(), ("PUB 0: qubits: asked 2, recorded 3",)),
        (
            _shorter(),
            (
                "PUB 0: operation 2: asked rz(0.3) on 1, recorded barrier on 0, 1",
                "PUB 0: operations: asked 6, recorded 5",
            ),
        ),
        (
            _other_register(),
            (
                "PUB 0: classical register meas: asked bits 0, 1, recorded nothing",
                "PUB 0: classical register out: asked nothing, recorded bits 0, 1",
            ),
        ),
    ],
)
def test_differences_of_one_change(changed: QuantumCircuit, lines: tuple[str, ...]) -> None:
    """Each single change to a circuit changes the digest and is said in words."""
    assert read(changed).digest != read(_bell()).digest
    assert differences(_bell(), changed) == lines


def test_differences_of_equal_looking_matrices() -> None:
    """A matrix is compared by its numbers."""
    one, two = QuantumCircuit(1), QuantumCircuit(1)
    one.append(UnitaryGate([[0, 1], [1, 0]]), [0])
    two.append(UnitaryGate([[0, 1j], [1, 0]]), [0])

    assert differences(one, two) == (
        "PUB 0: operation 0 (unitary on 0) parameter[0][0, 1]: asked 1+0j, recorded 0+1j",
    )


def test_differences_of_evolved_operators() -> None:
    """An evolution is known by its operator, not only by its time."""
    one, two = QuantumCircuit(2), QuantumCircuit(2)
    one.append(PauliEvolutionGate(SparsePauliOp(["XX"]), 0.3), [0, 1])
    two.append(PauliEvolutionGate(SparsePauliOp(["XZ"]), 0.3), [0, 1])

    assert differences(one, two)[0].startswith("PUB 0: operation 0")


def test_differences_of_formulas() -> None:
    """Symbolic angles are compared as functions of their parameters."""
    one, two, three = QuantumCircuit(1), QuantumCircuit(1), QuantumCircuit(1)
    first, second = Parameter("t"), Parameter("t")
    one.rx(2 * first + 1, 0)
    two.rx(second + 1 + second, 0)
    three.rx(3 * Parameter("t") + 1, 0)

    assert differences(one, two) == ()
    assert len(differences(one, three)) == 1


@pytest.mark.parametrize(
    ("formula", "lookalike"),
    [
        (lambda t, u: t, lambda t, u: abs(t)),
        (lambda t, u: t, lambda t, u: t * t.sign()),
        (lambda t, u: t, lambda t, u: t.sin().arcsin()),
        (lambda t, u: t, lambda t, u: (t**2) ** 0.5),
        (lambda t, u: abs(t - u), lambda t, u: t - u),
        (lambda t, u: abs(t - u), lambda t, u: u - t),
        (lambda t, u: abs(t), lambda t, u: (t**2) ** 0.5 + 1e-6),
    ],
)
def test_differences_of_formulas_that_agree_on_one_side_of_zero(
    formula: Callable[..., object], lookalike: Callable[..., object]
) -> None:
    """An absolute value, a sign, a root and an inverse function are told from what they are like there."""
    one, two = QuantumCircuit(1), QuantumCircuit(1)
    for circuit, angle in ((one, formula), (two, lookalike)):
        t, u = Parameter("t"), Parameter("u")
        circuit.rx(t + u, 0)
        circuit.rz(angle(t, u), 0)

    assert read(one).digest != read(two).digest
    assert len(differences(one, two)) == 1


@pytest.mark.parametrize(
    "angle", [abs, lambda t: t.log(), lambda t: t.arccos(), lambda t: 1 / t, lambda t: t**0.5]
)
def test_formula_that_has_no_value_everywhere_is_like_itself(angle: Callable[[Parameter], object]) -> None:
    """Where one has none, the other has none."""
    one, two = QuantumCircuit(1), QuantumCircuit(1)
    one.rz(angle(Parameter("t")), 0)
    two.rz(angle(Parameter("t")), 0)

    assert read(one).digest == read(two).digest
    assert differences(one, two) == ()


def test_differences_of_the_order_of_registers() -> None:
    """Results list the registers in their order, whatever bits they hold."""
    circuits = []
    for order in ("ab", "ba"):
        bits = [Clbit(), Clbit()]
        circuit = QuantumCircuit([Qubit()], bits)
        registers = {
            name: ClassicalRegister(name=name, bits=[bit]) for name, bit in zip("ab", bits, strict=True)
        }
        circuit.add_register(*(registers[name] for name in order))
        circuit.measure(0, 0)
        circuits.append(circuit)
    one, two = circuits

    assert read(one).digest != read(two).digest
    assert differences(one, two) == ("PUB 0: order of classical registers: asked a, b, recorded b, a",)


def test_differences_within_the_tolerance() -> None:
    """Angles 1e-9 apart are one, although their digests need not be."""
    near = _changed(2, "rz", 0.3 + 1e-9, 1)

    assert differences(_bell(), near) == ()


def test_differences_beyond_the_tolerance() -> None:
    """Angles 1e-7 apart are two, and the line shows where."""
    far = _changed(2, "rz", 0.3 + 1e-7, 1)

    assert differences(_bell(), far) == (
        "PUB 0: operation 2: asked rz(0.3) on 1, recorded rz(0.3000001) on 1",
    )


def test_digest_of_a_phase_of_whole_turns() -> None:
    """A global phase just under a full turn is no phase."""
    almost = _bell()
    almost.global_phase = -1e-15

    assert read(almost).digest == read(_bell()).digest


def test_summary_names_qubits_and_operations() -> None:
    """The summary tells a reader which job it is."""
    wide = QuantumCircuit(156)
    wide.h(3)
    wide.cz(3, 4)
    wide.measure_active()

    assert read(wide).summary == "sampler, 1 PUB: 2 qubits used of 156, 5 operations, shots 100"


def test_read_of_an_older_evaluating_qpy() -> None:
    """QPY that would be read by evaluating text is never read."""
    raw = io.BytesIO()
    qpy.dump(_bell(), raw)
    old = raw.getvalue()[:6] + bytes([12]) + raw.getvalue()[7:]
    value = base64.b64encode(zlib.compress(old)).decode()

    meaning = _payload.read("sampler", {"pubs": [[{"__type__": "QuantumCircuit", "__value__": value}]]})

    assert not meaning.understood
    assert meaning.note == (
        f"a QuantumCircuit cannot be decoded: QPY version 12, this qiskit reads 13 to {qpy.QPY_VERSION}"
    )


def test_json_of_the_client_is_read() -> None:
    """What the client's own encoder writes is understood."""
    from qiskit_ibm_runtime import RuntimeEncoder

    text = json.dumps({"pubs": [[_bell(), [], 100]], "options": {}, "version": 2}, cls=RuntimeEncoder)

    assert _payload.read("sampler", json.loads(text)).digest == read(_bell()).digest

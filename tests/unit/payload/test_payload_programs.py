"""PUBs, options and whatever else stands in the parameters of a job."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import pytest
from payload_jobs import bell, sampler, turns, wire
from qiskit import qpy
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray

from qsession import _payload


def _estimator(observables: object, *, precision: float | None = None) -> _payload.Meaning:
    pub = EstimatorPub.coerce((turns(), observables, [0.1, 0.2], precision))
    return _payload.read(
        "estimator", wire({"pubs": [pub], "options": {}, "version": 2, "resilience_level": 1})
    )


def _raw(values: object) -> _payload.Meaning:
    return _payload.read("sampler", wire({"pubs": [[turns(), values, None]]}))


def test_summary_of_a_sampler_job() -> None:
    """One line names program, PUBs, size and shots."""
    meaning = sampler((bell(),), (turns(), [0.1, 0.2], 7), options={"default_shots": 4096})

    assert meaning.summary == "sampler, 2 PUBs: 2 qubits used of 2, 7 operations, shots 4096, 7"


def test_summary_of_an_estimator_job() -> None:
    """The precision stands where a sampler has shots."""
    assert _estimator("ZZ", precision=0.01).summary == (
        "estimator, 1 PUB: 2 qubits used of 2, 2 operations, precision 0.01"
    )


@pytest.mark.parametrize(
    ("theirs", "lines"),
    [
        (sampler((bell(), None, 8)), ("PUB 0: shots: asked 7, recorded 8",)),
        (sampler((bell(),)), ("PUB 0: shots: asked 7, recorded none",)),
        (sampler((bell(), None, 7), (bell(),)), ("PUBs: asked 1, recorded 2",)),
        (
            sampler((bell(), None, 7), options={"twirling": {"enable_gates": True}}),
            ("options.twirling: asked nothing, recorded {enable_gates: true}",),
        ),
        (sampler((bell(), None, 7), version=3), ("version: asked 2, recorded 3",)),
        (
            sampler((turns(), [0.1, 0.2], 7)),
            (
                "PUB 0: classical register meas: asked bits 0, 1, recorded nothing",
                "PUB 0: classical bits: asked 2, recorded 0",
                "PUB 0: operation 0: asked h on 0, recorded rx(a) on 0",
                "PUB 0: operations: asked 5, recorded 2",
                "PUB 0: parameters: asked (), recorded (a, b)",
                "PUB 0: parameter values: asked shape (0,), recorded (2,)",
            ),
        ),
    ],
)
def test_differences_of_sampler_jobs(theirs: _payload.Meaning, lines: tuple[str, ...]) -> None:
    """Shots, PUBs and options are named with their place."""
    ours = sampler((bell(), None, 7))

    assert ours.digest != theirs.digest
    assert _payload.differences(ours, theirs) == lines


def test_differences_of_one_option() -> None:
    """An option is named by its path."""
    ours = sampler((bell(),), options={"twirling": {"enable_gates": True}})
    theirs = sampler((bell(),), options={"twirling": {"enable_gates": False}})

    assert _payload.differences(ours, theirs) == (
        "options.twirling.enable_gates: asked true, recorded false",
    )


def test_differences_put_the_first_of_each_pub_first() -> None:
    """Two changed PUBs are both named before the details of one."""
    ours = sampler((turns(), [0.1, 0.2], 1), (turns(), [0.1, 0.2], 1))
    theirs = sampler((turns(), [0.3, 0.4], 1), (turns(), [0.1, 0.5], 2))

    assert _payload.differences(ours, theirs) == (
        "PUB 0: parameter values of a: asked 0.1, recorded 0.3",
        "PUB 1: parameter values of b: asked 0.2, recorded 0.5",
        "PUB 0: parameter values of b: asked 0.2, recorded 0.4",
        "PUB 1: shots: asked 1, recorded 2",
    )


def test_differences_are_cut_at_twenty_lines() -> None:
    """A message stays readable, and says how much it leaves out."""
    ours, theirs = ({f"o{i:02}": value for i in range(30)} for value in (1, 2))

    lines = _payload.differences(sampler((bell(),), **ours), sampler((bell(),), **theirs))

    assert lines[0] == "o00: asked 1, recorded 2"
    assert lines[19:] == ("and 11 more differences",)


def test_differences_of_programs() -> None:
    """Two programs are never compared further."""
    ours, theirs = _payload.read("sampler", {}), _payload.read("estimator", {})

    assert _payload.differences(ours, theirs) == ("program: asked sampler, recorded estimator",)


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.2],
        np.array([0.1, 0.2]),
        {"b": 0.2, "a": 0.1},
        BindingsArray({("a", "b"): np.array([0.1, 0.2])}),
        BindingsArray({"a": 0.1, "b": 0.2}),
        np.array([0.1 + 1e-17, 0.2]),
    ],
)
def test_digest_of_parameter_values_in_every_spelling(values: object) -> None:
    """Lists, arrays, objects and the client's own container mean the same numbers."""
    meaning = _raw(values)

    assert meaning.understood
    assert meaning.digest == _raw(np.array([0.1, 0.2])).digest


def test_read_of_values_for_other_parameters() -> None:
    """Values for names that the circuit does not have are kept as they are."""
    assert _raw({"a": 0.1, "c": 0.2}).note == (
        "parameter values cannot be decoded: values for ['a', 'c'], the circuit has ['a', 'b']"
    )


@pytest.mark.parametrize("observables", ["ZZ", {"ZZ": 1.0}, ObservablesArray("ZZ"), {"ZZ": 1}])
def test_digest_of_observables_in_every_spelling(observables: object) -> None:
    """A label, an object of weights and the client's own container mean the same."""
    params = {"pubs": [[turns(), observables, [0.1, 0.2], None]]}
    plain = {"pubs": [[turns(), {"ZZ": 1.0}, [0.1, 0.2], None]]}

    meaning = _payload.read("estimator", wire(params))

    assert meaning.understood
    assert meaning.digest == _payload.read("estimator", wire(plain)).digest


@pytest.mark.parametrize(
    ("theirs", "lines"),
    [
        (
            _estimator({"ZZ": 2.0}, precision=0.1),
            ("PUB 0: observables.ZZ: asked 1, recorded 2",),
        ),
        (
            _estimator("XX", precision=0.1),
            (
                "PUB 0: observables.XX: asked nothing, recorded 1",
                "PUB 0: observables.ZZ: asked 1, recorded nothing",
            ),
        ),
        (_estimator("ZZ", precision=0.2), ("PUB 0: precision: asked 0.1, recorded 0.2",)),
    ],
)
def test_differences_of_estimator_jobs(theirs: _payload.Meaning, lines: tuple[str, ...]) -> None:
    """Observables and precision are named."""
    assert _payload.differences(_estimator("ZZ", precision=0.1), theirs) == lines


def test_differences_of_observables_on_a_device() -> None:
    """A label of 156 letters is told by the qubits it touches."""
    zeros = "I" * 150
    ours, theirs = (
        _payload.read("estimator", {"pubs": [[None, {f"{label}{zeros}": 1.0}]]})
        for label in ("IIIIXZ", "IIIIXX")
    )

    assert _payload.differences(ours, theirs) == (
        "PUB 0: observables.X150 X151: asked nothing, recorded 1",
        "PUB 0: observables.Z150 X151: asked 1, recorded nothing",
    )


def test_shape_of_observables_counts() -> None:
    """One observable and a list of one give results of different shapes."""
    assert _estimator("ZZ").digest != _estimator(["ZZ"]).digest


def test_read_of_an_unknown_program() -> None:
    """What is not known is compared as plain JSON, and says so."""
    meaning = _payload.read("mystery", {"x": [1, 2.0, None]})

    assert (meaning.understood, meaning.note) == (False, "the program 'mystery' is not known")
    assert meaning.digest == _payload.read("mystery", {"x": [1.0, 2, None]}).digest
    assert _payload.differences(meaning, _payload.read("mystery", {"x": [1, 3, None]})) == (
        "x[1]: asked 2, recorded 3",
    )


def _executor(*, angle: float = 0.5, shots: int = 10) -> _payload.Meaning:
    raw = io.BytesIO()
    qpy.dump([turns(), bell()], raw)
    circuits = {
        "b64_data": base64.b64encode(zlib.compress(raw.getvalue())).decode(),
        "qpy_version": qpy.QPY_VERSION,
        "num_programs": 2,
    }
    numbers = base64.b64encode(zlib.compress(np.array([angle, 0.25]).astype("<f8").tobytes())).decode()
    values = {"data": numbers, "shape": [2], "dtype": "f64"}
    flags = {"data": base64.b64encode(b"\x05").decode(), "shape": [3], "dtype": "bool"}
    items = [{"item_type": "circuit", "circuit_arguments": values, "extra": flags}]
    program = {"shots": shots, "circuits": circuits, "items": items}
    return _payload.read("executor", {"schema_version": "v2.0", "quantum_program": program})


def test_read_of_a_quantum_program() -> None:
    """The circuits and tensors of an executor job are decoded."""
    meaning = _executor()

    assert meaning.understood
    assert meaning.digest == _executor().digest
    assert _payload.differences(meaning, _executor(angle=0.75, shots=11)) == (
        "quantum_program.items[0].circuit_arguments[0]: asked 0.5, recorded 0.75",
        "quantum_program.shots: asked 10, recorded 11",
    )


def _samplex_program(turn: float = 1.0) -> dict[str, object]:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter
    from samplomatic import Twirl, build
    from samplomatic.serialization import samplex_to_json
    from samplomatic.ssv import SSV

    circuit = QuantumCircuit(2, 2)
    with circuit.box([Twirl()]):
        circuit.rz(turn * Parameter("a"), 0)
        circuit.cz(0, 1)
    with circuit.box([Twirl()]):
        circuit.measure([0, 1], [0, 1])
    _, samplex = build(circuit)
    encoded = {"ssv": SSV, "samplex_json": samplex_to_json(samplex, ssv=SSV)}
    return {"items": [{"item_type": "samplex", "samplex": encoded, "samplex_arguments": {}}]}


def test_read_of_a_samplex() -> None:
    """Built twice it is the same, though its parameters have another identity; another angle is not."""
    first, again, other = (_payload.read("executor", _samplex_program(turn)) for turn in (1.0, 1.0, 2.0))
    assert first.understood
    assert _samplex_program() != _samplex_program()
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert _payload.differences(first, other)


def _measured_in_a_basis(*references: str, argument: str = "") -> dict[str, object]:
    """A qubit after the other, each measured in a basis that the arguments of the samplex give."""
    from qiskit import QuantumCircuit
    from samplomatic import ChangeBasis, Twirl, build
    from samplomatic.serialization import samplex_to_json
    from samplomatic.ssv import SSV

    circuit = QuantumCircuit(len(references), len(references))
    for place, reference in enumerate(references):
        with circuit.box([Twirl(), ChangeBasis(ref=reference)]):
            circuit.measure([place], [place])
    _, samplex = build(circuit)
    encoded = {"ssv": SSV, "samplex_json": samplex_to_json(samplex, ssv=SSV)}
    data = base64.b64encode(b"\x02").decode()
    values = {
        f"basis_changes.{reference}": {"data": data, "shape": [1], "dtype": "u8"} for reference in references
    }
    chosen = {argument: values[argument]} if argument else values
    return {"items": [{"item_type": "samplex_item", "samplex": encoded, "samplex_arguments": chosen}]}


def test_names_that_a_process_counts_do_not_count() -> None:
    """The client's estimator on the executor numbers its bases through the life of a process."""
    first = _payload.read("executor", _measured_in_a_basis("basis0", "basis1"))
    later = _payload.read("executor", _measured_in_a_basis("basis9", "basis10"))
    assert first.understood
    assert later.understood
    assert _payload.differences(later, first) == ()
    assert first.digest == later.digest


def test_names_that_a_process_counts_stay_apart() -> None:
    """Another order of the bases is another program."""
    first = _payload.read("executor", _measured_in_a_basis("basis0", "basis1"))
    other = _payload.read("executor", _measured_in_a_basis("basis1", "basis0"))
    assert _payload.differences(other, first)
    half = _payload.read(
        "executor", _measured_in_a_basis("basis8", "basis9", argument="basis_changes.basis9")
    )
    assert _payload.differences(half, first) == (
        "items[0].samplex_arguments.basis_changes.basis0: asked nothing, recorded array of shape (1,)",
    )


def test_read_of_a_damaged_samplex() -> None:
    """What is no samplex is compared as the JSON it is, and said to be."""
    item = {"item_type": "samplex", "samplex": {"ssv": 4, "samplex_json": "{}"}}
    meaning = _payload.read("executor", {"items": [item]})
    assert not meaning.understood
    assert meaning.note == "a part of the program cannot be decoded: samplex: KeyError: attrs"


def test_large_integers_are_exact() -> None:
    """Seeds are not numbers to be close to each other."""
    ours, theirs = (_payload.read("mystery", {"seed": value}) for value in (10**12, 10**12 + 1))

    assert _payload.differences(ours, theirs) == ("seed: asked 1000000000000, recorded 1000000000001",)


def test_stable_seed_is_the_same_everywhere() -> None:
    """The seed of a test id is a constant."""
    assert _payload.stable_seed("tests/test_bell.py::test_bell") == 371339397
    assert 0 <= _payload.stable_seed("\ud800") < 2**31

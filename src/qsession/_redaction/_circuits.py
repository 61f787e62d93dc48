"""Files of circuits edited as circuits: decoded, changed, written again, and compared."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qsession._payload._circuit import read_circuit
from qsession._payload._decode import Unreadable, foreign, load_circuits
from qsession._redaction import _json
from qsession._redaction._values import REDACTED

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Instruction, Parameter

Clean = Callable[[str], str]

_DEEPEST = 20


def edited(raw: bytes, clean: Clean, *, wipe: bool = False) -> bytes:
    """A QPY file without secrets in names, labels and metadata.

    Args:
        raw: The file.
        clean: Takes secrets out of a text.
        wipe: Whether names and metadata of circuits go altogether.

    Returns:
        The file written anew in its own version; as it was where nothing had to be changed, or where
        that cannot be done without changing what a circuit does: names of registers and variables.
    """
    try:
        circuits = load_circuits(raw)
        edit = _Edit(clean, wipe)
        with foreign("QPY"):
            before = [read_circuit(circuit).digest for circuit in circuits]
            new = [edit.circuit(circuit) for circuit in circuits]
            if not edit.changed:
                return raw
            written = _written(new, version=raw[6])
            after = [read_circuit(circuit).digest for circuit in load_circuits(written)]
    except Unreadable:
        return raw
    return written if before == after or edit.renamed else raw


def _written(circuits: Sequence[QuantumCircuit], *, version: int) -> bytes:
    from qiskit import qpy

    stream = io.BytesIO()
    qpy.dump(list(circuits), stream, version=version)
    return stream.getvalue()


@dataclass(slots=True)
class _Edit:
    """One file being edited.

    Attributes:
        changed: Whether anything was.
        renamed: Whether something was that is part of what the circuit means: a parameter, a gate.
    """

    clean: Clean
    wipe: bool
    changed: bool = False
    renamed: bool = False
    known: dict[int, tuple[object, QuantumCircuit]] = field(default_factory=dict)

    def circuit(self, circuit: QuantumCircuit, depth: int = 0) -> QuantumCircuit:
        """The circuit with other names and metadata."""
        if depth > _DEEPEST:
            raise Unreadable("blocks or definitions nested too deeply")
        if id(circuit) in self.known:
            return self.known[id(circuit)][1]
        # Into a new circuit: one with blocks takes no others in their place (observed with qiskit 2.6).
        new = circuit.copy_empty_like()
        self._names(new)
        for entry in circuit.data:
            operation = self._operation(entry.operation, depth)
            new.append(entry if operation is entry.operation else entry.replace(operation=operation))
        new = self._parameters(new)
        self.known[id(circuit)] = circuit, new
        return new

    def _names(self, circuit: QuantumCircuit) -> None:
        name = REDACTED if self.wipe else self.text(circuit.name or "")
        metadata = circuit.metadata and ({} if self.wipe else self._metadata(circuit.metadata))
        if name != (circuit.name or "") or metadata != circuit.metadata:
            self.changed = True
            circuit.name, circuit.metadata = name, metadata

    def text(self, text: str) -> str:
        new = self.clean(text)
        self.changed = self.changed or new != text
        return new

    def _metadata(self, metadata: object) -> object:
        if not metadata:
            return metadata
        try:
            text = json.dumps(metadata)
        except (TypeError, ValueError):
            return metadata
        new = self.clean(text)
        return json.loads(new) if new != text and _json.document(new) else metadata

    def _operation(self, operation: Instruction, depth: int) -> Instruction:
        from qiskit.circuit import ControlFlowOp

        label = operation.label and self.text(operation.label)
        name = self.text(operation.name)
        if isinstance(operation, ControlFlowOp):
            blocks = [self.circuit(block, depth + 1) for block in operation.blocks]
            if self.changed:
                operation = operation.replace_blocks(blocks)
        if label == operation.label and name == operation.name:
            return self._defined(operation, depth)
        new = operation.to_mutable()
        self.renamed = self.renamed or name != operation.name
        new.label, new.name = label, name
        return self._defined(new, depth)

    def _defined(self, operation: Instruction, depth: int) -> Instruction:
        from qiskit.circuit import ControlledGate, Gate, Instruction

        # Classes of the library bring their own definitions along.
        if type(operation) not in {Instruction, Gate, ControlledGate} or operation.definition is None:
            return operation
        definition = self.circuit(operation.definition, depth + 1)
        if not self.changed:
            return operation
        new = operation.to_mutable()
        new.definition = definition
        return new

    def _parameters(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit with other names of parameters, in the order that their values have."""
        names = {_name(each): self.clean(_name(each)) for each in circuit.parameters}
        ordered = dict(_in_order(names))
        if all(old == new for old, new in ordered.items()):
            return circuit
        fresh = dict(_fresh(circuit.parameters, ordered))
        self.changed = self.renamed = True
        renamed = circuit.assign_parameters(fresh)
        if [each.name for each in renamed.parameters] != [
            fresh[each].name if each in fresh else each.name for each in circuit.parameters
        ]:
            raise Unreadable("other names would give the values to other parameters")
        return renamed


def _name(parameter: Parameter) -> str:
    """Its name; for one of a vector that of the vector, by which they are sorted."""
    vector = getattr(parameter, "vector", None)
    return str(parameter.name if vector is None else vector.name)


def _in_order(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """New names that sort as the old ones do: values without names follow that order."""
    former, taken = "", set(names)
    for old, wanted in names.items():
        new = wanted
        if new != old and (new <= former or new in taken):
            new = f"{former} {REDACTED}"
        taken.add(new)
        yield old, new
        former = new


def _fresh(
    parameters: Iterable[Parameter], names: Mapping[str, str]
) -> Iterator[tuple[Parameter, Parameter]]:
    from qiskit.circuit import Parameter, ParameterVector

    vectors: dict[str, ParameterVector] = {}
    for each in parameters:
        old = _name(each)
        if names[old] == old:
            continue
        if (vector := getattr(each, "vector", None)) is None:
            yield each, Parameter(names[old], uuid=_identity(each))
        else:
            whole = vectors.setdefault(old, ParameterVector(names[old], len(vector)))
            yield each, whole[each.index]


def _identity(parameter: Parameter) -> uuid.UUID:
    # Not a new one each time: recorded again, it would differ.
    return uuid.uuid5(uuid.NAMESPACE_OID, str(parameter.uuid))

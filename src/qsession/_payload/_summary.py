"""A payload in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qsession._payload._form import Circuit, Node


def summary(program: str, form: Mapping[str, Node], *, understood: bool) -> str:
    """One line that tells a reader which job this is."""
    circuits = list(_circuits(form))
    parts = [_program(program, form)]
    if circuits:
        used = _range(len(_used(each)) for each in circuits)
        size = _range(each.qubits for each in circuits)
        count = sum(len(each.operations) for each in circuits)
        parts += [f"{_counted(used, 'qubit')} used of {size}", _counted(str(count), "operation")]
    parts += _precision(form)
    line = f"{parts[0]}: {', '.join(parts[1:])}" if parts[1:] else parts[0]
    return line if understood else f"{line} (not fully understood)"


def _program(program: str, form: Mapping[str, Node]) -> str:
    pubs = form.get("pubs")
    if isinstance(pubs, tuple):
        return f"{program}, {_counted(str(len(pubs)), 'PUB')}"
    return program


def _circuits(node: Node) -> Iterable[Circuit]:
    if isinstance(node, Circuit):
        yield node
    elif isinstance(node, Mapping | tuple):
        for each in node.values() if isinstance(node, Mapping) else node:
            yield from _circuits(each)


def _used(circuit: Circuit) -> set[int]:
    return {bit for each in circuit.operations if each.name != "barrier" for bit in each.qubits}


def _precision(form: Mapping[str, Node]) -> list[str]:
    """Shots or precision of each PUB, or what the options say for those that have none."""
    lines = []
    pubs = [each for each in _tuple(form.get("pubs")) if isinstance(each, Mapping)]
    params = form["params"]
    options = params.get("options") if isinstance(params, Mapping) else None
    for name in ("shots", "precision"):
        default = options.get(f"default_{name}") if isinstance(options, Mapping) else None
        asked = [each.get(name) for each in pubs if name in each]
        values = [default if each is None else each for each in asked] or [default]
        texts = dict.fromkeys(str(each) for each in values if isinstance(each, int | float))
        if texts:
            lines.append(f"{name} {', '.join(texts)}")
    return lines


def _tuple(node: Node) -> Sequence[Node]:
    return node if isinstance(node, tuple) else ()


def _range(numbers: Iterable[int]) -> str:
    ordered = sorted(set(numbers))
    return str(ordered[0]) if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def _counted(number: str, what: str) -> str:
    return f"{number} {what}" if number == "1" else f"{number} {what}s"

"""Canonical values of what operations carry: angles, matrices, durations, conditions."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qsession._payload._decode import Unreadable
from qsession._payload._form import Formula, Node, Tensor

if TYPE_CHECKING:
    from qiskit.circuit import Parameter, ParameterExpression
    from qiskit.circuit.classical import expr

_POINTS = 3
_FURTHER_POINTS = 16
# An absolute value, a sign, a root or an inverse function may be another one's like on one side
# of 0 or within a turn only. That is seen in the text: a whole power is none of them.
_PIECEWISE = re.compile(r"abs|sign|asin|acos|atan|arc|log|sqrt|pow|\*\*(?!\d+(?![\d.]))")
_PICOSECONDS = {"s": 1e12, "ms": 1e9, "us": 1e6, "ns": 1e3, "ps": 1.0}
# Where the circle is cut. Angles that people write are not near it, so rounding
# does not throw a phase from one end of the range to the other.
_CUT = 0.7390851332151607

Where = Mapping[object, int]
"""Index in the outermost circuit of each bit of this one."""


def parameter(value: object, where: Where) -> Node:
    """One parameter of an operation.

    Raises:
        Unreadable: If it is of a kind whose meaning is not known here.
    """
    if value is None or isinstance(value, bool | int | float | complex | str):
        return value
    return _numeric(value) or _symbolic(value, where)


def _numeric(value: object) -> Node:
    import numpy as np

    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return Tensor(value)
    if isinstance(value, np.generic):
        return parameter(value.item(), {})
    if isinstance(value, list | tuple):
        return ("list", *(parameter(each, {}) for each in value))
    return None


def _symbolic(value: object, where: Where) -> Node:
    from qiskit.circuit import ParameterExpression
    from qiskit.circuit.classical import expr
    from qiskit.quantum_info import SparseObservable, SparsePauliOp

    if isinstance(value, ParameterExpression):
        return formula(value)
    if isinstance(value, expr.Expr):
        return expression(value, where)
    if isinstance(value, SparseObservable):
        value = SparsePauliOp.from_sparse_observable(value)
    if isinstance(value, SparsePauliOp):
        return ("operator", tuple(value.paulis.to_labels()), parameter(value.coeffs, where))
    raise Unreadable(f"a parameter of type {type(value).__name__}")


def formula(value: ParameterExpression) -> Node:
    """A symbolic angle without the identity of its parameters: a number if it has none."""
    free = {each.name: each for each in value.parameters}
    if not free:
        number = complex(value)
        return number if number.imag else number.real
    text = str(value)
    analytic = _PIECEWISE.search(text) is None
    turns = range(_POINTS if analytic else _POINTS + _FURTHER_POINTS)
    points = ({each: _point(name, turn) for name, each in free.items()} for turn in turns)
    return Formula(tuple(sorted(free)), tuple(_at(value, point) for point in points), text, analytic)


def _at(value: ParameterExpression, point: Mapping[Parameter, float]) -> complex:
    """The value of a formula at a point; NaN where it has none."""
    try:
        return complex(value.bind(point))
    except (ArithmeticError, RuntimeError, ValueError, TypeError):
        return complex(math.nan)


def _point(name: str, turn: int) -> float:
    """A value for a parameter.

    The first are between 0.1 and 0.9, where every function of qiskit's is defined; the further
    ones up to 8 on either side of 0, two by two.
    """
    raw = hashlib.sha256(f"{turn}:{name}".encode("utf-8", "surrogatepass")).digest()
    drawn = 0.1 + 0.8 * int.from_bytes(raw[:4]) / 2**32
    if turn < _POINTS:
        return drawn
    first = hashlib.sha256(f"{turn // 2}:{name}".encode("utf-8", "surrogatepass")).digest()[0] % 2
    return 8 * drawn * (1 if (turn + first) % 2 else -1)


def phase(value: object) -> Node:
    """A global phase; numbers that differ by whole turns are one."""
    canonical = parameter(value, {})
    if isinstance(canonical, int | float):
        return (canonical + _CUT) % (2 * math.pi) - _CUT
    return canonical


def duration(value: object, unit: str | None, where: Where) -> Node:
    """A duration with its unit; every unit of time as picoseconds, ``dt`` as it is."""
    length = parameter(value, where)
    if unit in _PICOSECONDS and isinstance(length, int | float):
        return (length * _PICOSECONDS[unit], "ps")
    return (length, unit)


def expression(node: expr.Expr, where: Where) -> Node:
    """A classical expression, its variables by name and its bits by index.

    Raises:
        Unreadable: If it is of a kind that this version does not know.
    """
    kind = type(node).__name__
    reader = _EXPRESSIONS.get(kind)
    if reader is None:
        raise Unreadable(f"a classical expression of kind {kind}")
    return reader(node, where)


def _variable(node: expr.Var, where: Where) -> Node:
    if node.standalone:
        return ("variable", node.name, repr(node.type))
    if node.var in where:
        return ("clbit", where[node.var])
    return ("register", node.var.name, *(where[bit] for bit in node.var))


def _literal(node: expr.Value, where: Where) -> Node:
    value = node.value
    known = isinstance(value, bool | int | float)
    return ("value", value if known else repr(value), repr(node.type))


_EXPRESSIONS: Mapping[str, Callable[[expr.Expr, Where], Node]] = {
    "Var": _variable,
    "Value": _literal,
    "Stretch": lambda node, where: ("stretch", node.name),
    "Cast": lambda node, where: ("cast", repr(node.type), expression(node.operand, where)),
    "Unary": lambda node, where: (node.op.name.lower(), expression(node.operand, where)),
    "Binary": lambda node, where: (
        node.op.name.lower(),
        expression(node.left, where),
        expression(node.right, where),
    ),
    "Index": lambda node, where: (
        "index",
        expression(node.target, where),
        expression(node.index, where),
    ),
}


def condition(value: object, where: Where) -> Node:
    """The condition of a branch or loop, or the target of a switch, in either spelling."""
    from qiskit.circuit.classical import expr

    if isinstance(value, tuple):
        return expression(expr.lift_legacy_condition(value), where)
    return expression(expr.lift(value), where)


def reads(value: object) -> frozenset[object]:
    """The bits and variables that an expression, or a condition in the old spelling, touches."""
    from qiskit.circuit import Clbit
    from qiskit.circuit.classical import expr

    if isinstance(value, tuple):
        value = expr.lift_legacy_condition(value)
    found: set[object] = set()
    for each in expr.iter_vars(expr.lift(value)):
        if each.standalone:
            found.add(each.name)
        else:
            found.update([each.var] if isinstance(each.var, Clbit) else each.var)
    return frozenset(found)

"""Copies of the client's plain objects: exact, made anew, and many times faster than deepcopy.

A copy is either exactly what it should be or not made at all: lists, dicts and the client's
own models are known here, and numbers, texts and dates, which cannot change. Whoever meets
anything else goes the slower way.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, TypeAlias

_MODELS = "qiskit_ibm_runtime.models."

Make: TypeAlias = Callable[[], Any]
"""Makes a thing anew; two results have nothing in common that can change."""


class _Strange(Exception):
    """Here is something that is to be copied in another way."""


def recipes(model: object) -> dict[str, Make] | None:
    """How to make each attribute of such a model again, or None if it holds what is not known here.

    Lists, dicts and the client's models are made anew; numbers, texts and dates cannot
    change and are the same in all. Nothing of the model itself is kept.
    """
    if not _is_model(type(model)):
        return None
    seen = {id(model)}
    try:
        return {name: _maker(value, seen) for name, value in vars(model).items()}
    except _Strange:
        return None


def _maker(value: Any, seen: set[int]) -> Make:
    if is_atom(value):
        return lambda: value
    if id(value) in seen:  # two copies of what was one would not be the same
        raise _Strange
    seen.add(id(value))
    kind = type(value)
    if kind is list:
        return _list_maker(value, seen)
    if kind is dict:
        return _dict_maker(value, seen)
    if _is_model(kind):
        return _model_maker(kind, _dict_maker(vars(value), seen))
    raise _Strange


def is_atom(value: Any) -> bool:
    """Whether a value cannot change: a number, a text, a date, or a tuple of these."""
    if type(value) is tuple:
        return all(map(is_atom, value))
    return type(value) in _ATOMS or isinstance(value, datetime.datetime)


_ATOMS = frozenset({str, int, float, bool, complex, type(None)})


def _is_model(kind: type) -> bool:
    return kind.__module__.startswith(_MODELS) and kind.__dictoffset__ != 0 and kind.__mro__[1:] == (object,)


def _list_maker(value: list[Any], seen: set[int]) -> Make:
    if all(map(is_atom, value)):
        return list(value).copy
    kinds = set(map(type, value))
    if len(kinds) == 1 and _is_model(kind := kinds.pop()) and _all_flat(value, seen):
        return _models_maker(kind, [dict(vars(each)) for each in value])
    makes = [_maker(each, seen) for each in value]
    return lambda: [make() for make in makes]


def _all_flat(value: list[Any], seen: set[int]) -> bool:
    # Nine of ten objects are of this kind: worth a loop of their own.
    if not all(is_atom(field) for each in value for field in vars(each).values()):
        return False
    ids = set(map(id, value))
    if len(ids) < len(value) or ids & seen:
        raise _Strange
    seen |= ids
    return True


def _models_maker(kind: type, states: list[dict[str, Any]]) -> Make:
    if all(_is_told_in_order(kind, state) for state in states):
        rows = [tuple(state.values()) for state in states]
        return lambda: [kind(*row) for row in rows]
    makes = [_model_maker(kind, state.copy) for state in states]
    return lambda: [make() for make in makes]


def _is_told_in_order(kind: type, state: dict[str, Any]) -> bool:
    # Where the class only keeps what it is told, calling it is the fastest way there is.
    try:
        made = vars(kind(*state.values()))
    except TypeError:
        return False
    return list(made) == list(state) and all(made[name] is each for name, each in state.items())


def _model_maker(kind: type, fields: Make) -> Make:
    new = object.__new__

    def make() -> Any:
        made: Any = new(kind)
        made.__dict__ = fields()
        return made

    return make


def _dict_maker(value: dict[Any, Any], seen: set[int]) -> Make:
    if not all(map(is_atom, value)):
        raise _Strange
    template = {name: each if is_atom(each) else None for name, each in value.items()}
    parts = [(name, _maker(each, seen)) for name, each in value.items() if not is_atom(each)]
    if not parts:
        return template.copy

    def make() -> dict[Any, Any]:
        made = template.copy()
        for name, part in parts:
            made[name] = part()
        return made

    return make

"""Things that become what they are when somebody looks at them.

The client parses, reads and builds much that most tests never look at. What stands here in
its place holds how to get it, and gets it at the first look.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from functools import cached_property, partial, wraps
from inspect import isdatadescriptor
from pathlib import Path
from typing import Any

from qsession._kept import uncollected
from qsession._wire._copies import Make, is_atom


class Unread(dict[str, Any]):
    """A JSON object that is not empty, parsed when anybody looks into it.

    Attributes:
        digest: Digest of the JSON text.
        given: Texts that were set before anybody looked.
        untouched: Whether nobody looked yet: the content is the text and what was given.
    """

    def __init__(
        self, digest: bytes, parse: Callable[[], dict[str, Any]], given: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.digest = digest
        self.given = dict(given or {})
        self.untouched = True
        self._parse = parse

    def read(self) -> None:
        """Become the object itself."""
        if self.untouched:
            self.untouched = False
            super().update(self._parse())
            super().update(self.given)

    def __bool__(self) -> bool:
        return self.untouched or len(self) > 0

    def __setitem__(self, name: str, value: Any) -> None:
        if self.untouched and type(value) is str:
            self.given[name] = value
        else:
            self.read()
            super().__setitem__(name, value)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return dict, (dict(self),)


def _read_before(kind: type, base: type, *names: str) -> None:
    """Make methods of a base class call ``read`` of the derived one before they begin."""

    def reading(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.read()
            return original(self, *args, **kwargs)

        return method

    for name in names:
        setattr(kind, name, reading(getattr(base, name)))


_read_before(
    *(Unread, dict),
    *("__contains__", "__delitem__", "__eq__", "__getitem__", "__ior__", "__iter__", "__len__", "__ne__"),
    *("__or__", "__repr__", "__reversed__", "__ror__"),
    *("clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"),
)


class LateContext(ssl.SSLContext):
    """A TLS context that reads its file of certificates when it is first needed."""

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """Remember a file that is there; all else is done at once."""
        if capath is None and cadata is None and _is_file(cafile):
            vars(self).setdefault("_files", []).append(cafile)
        else:
            super().load_verify_locations(cafile, capath, cadata)

    def read(self) -> None:
        """Read what was put off."""
        for file in vars(self).pop("_files", ()):
            super().load_verify_locations(file)


def _is_file(name: object) -> bool:
    # By its whole name, since the working folder may be another one when it is read.
    return isinstance(name, str) and Path(name).is_absolute() and Path(name).is_file()


_read_before(
    *(LateContext, ssl.SSLContext),
    *("wrap_socket", "wrap_bio", "get_ca_certs", "cert_store_stats", "load_default_certs"),
)


class Original:
    """A model of the client that is kept. It is never handed out: it stands in where one is only read.

    Args:
        kind: Its class.
        parts: How to make each of its attributes, in their order.
    """

    LISTS = ("faulty_qubits", "faulty_gates")
    """Methods that give a list of parts, and that the client asks before each job."""

    def __init__(self, kind: type, parts: Mapping[str, Make]) -> None:
        self.kind, self.parts = kind, parts

    @cached_property
    def model(self) -> Any:
        """The model itself, to be read only."""
        model: Any = object.__new__(self.kind)
        with uncollected():
            vars(model).update((name, make()) for name, make in self.parts.items())
        return model

    @cached_property
    def atoms(self) -> dict[str, Any]:
        """Its attributes that cannot change by themselves: who reads them needs none of his own."""
        hidden = {name for name in self.parts if isdatadescriptor(getattr(self.kind, name, None))}
        return {n: value for n, value in vars(self.model).items() if is_atom(value) and n not in hidden}

    @cached_property
    def empty(self) -> frozenset[str]:
        """Which of the lists have nothing in them."""
        methods = {name: getattr(self.kind, name, None) for name in self.LISTS}
        return frozenset(name for name, method in methods.items() if method and method(self.model) == [])


_ORIGINAL = "_qsession_original"
_becoming = threading.RLock()


def late(original: Original) -> Any:
    """A model like the original, whose parts are made when somebody looks at them.

    Until somebody looks at it as a whole it is of a class derived from its own, which has
    the same name; ``isinstance`` and ``__class__`` tell no difference.
    """
    made: Any = object.__new__(_late_kind(original.kind))
    _names_of(made)[_ORIGINAL] = original
    return made


def original_of(thing: object) -> Original | None:
    """The original of a model of which nothing was made yet; None for anything else."""
    if type(thing) not in _late_kinds:
        return None
    names = _names_of(thing)
    return names.get(_ORIGINAL) if len(names) == 1 else None


def _names_of(thing: object) -> dict[str, Any]:
    names: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    return names


_late_kinds: dict[type, type] = {}


def _late_kind(kind: type) -> type:
    known = next((late for late, base in _late_kinds.items() if base is kind), None)
    if known is None:
        known = _derived(kind)
        _late_kinds[known] = kind
    return known


def _derived(kind: Any) -> type:
    def look(self: Any, name: str) -> Any:
        if name == "__class__":
            return kind
        with _becoming:
            original = _names_of(self).get(_ORIGINAL)
            if original is not None:
                if name in original.empty and original_of(self) is not None:
                    return partial(_nothing, self, name)
                _make_way_for(name, self, original)
                if name in original.atoms and name not in _names_of(self):
                    return original.atoms[name]
        return kind.__getattribute__(self, name)

    def change(self: Any, name: str, value: Any) -> None:
        _become(self)
        setattr(self, name, value)

    def remove(self: Any, name: str) -> None:
        _become(self)
        delattr(self, name)

    methods = {"__getattribute__": look, "__setattr__": change, "__delattr__": remove}
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**methods, **names})


def _make_way_for(name: str, thing: Any, original: Original) -> None:
    """Make what a look at a name needs: that part, or all of them for what Python looks at itself."""
    if name.startswith("__"):
        _become(thing)
    elif name in original.parts and name not in original.atoms and name not in _names_of(thing):
        with uncollected():
            _names_of(thing)[name] = original.parts[name]()


def _nothing(thing: Any, name: str) -> Any:
    return [] if original_of(thing) is not None else getattr(thing, name)()


def _become(thing: Any) -> None:
    with _becoming:
        names = _names_of(thing)
        original = names.pop(_ORIGINAL, None)
        if original is None:
            return
        with uncollected():
            made = {n: names[n] if n in names else make() for n, make in original.parts.items()}
        names.clear()
        names.update(made)
        object.__setattr__(thing, "__class__", original.kind)

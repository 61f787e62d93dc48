"""Changes of a module: now where it is loaded, else as soon as somebody loads it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not imported: typing takes a child 5 ms.
    from typing import Any


@contextmanager
def once_imported(name: str, change: Callable[[Any], AbstractContextManager[None]]) -> Iterator[None]:
    """Change a module without loading it for that.

    TLS and HTTP together take 30 ms to import (measured), which a child that has nothing to
    do with them should not pay.

    Args:
        name: The module.
        change: Changes it, and puts it back at its end.

    Yields:
        Nothing. Everything is put back at the end.
    """
    with ExitStack() as undo:
        module = sys.modules.get(name)
        if module is not None:
            undo.enter_context(change(module))
            yield
            return
        watch = _Watch(name, lambda loaded: undo.enter_context(change(loaded)))
        sys.meta_path.insert(0, watch)
        try:
            yield
        finally:
            # Others may have put back a list of their own; at the end of a process there is none.
            if sys.meta_path:
                sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not watch]


class _Watch:
    """Finds one module by the finders behind it, and says when it is loaded."""

    def __init__(self, name: str, tell: Callable[[Any], None]) -> None:
        self._name = name
        self._tell = tell

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the import system asks of a finder."""
        if name != self._name:
            return None
        # Not those before: among them may be another that waits for the same module.
        behind = [f for f in sys.meta_path[sys.meta_path.index(self) + 1 :] if hasattr(f, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in behind)), None)
        if spec is not None and spec.loader is not None:
            loader: Any = _Loader(spec.loader, self._tell)
            spec.loader = loader
        return spec


class _Loader:
    """A loader, and a word to somebody once it has loaded."""

    def __init__(self, loader: Any, tell: Callable[[Any], None]) -> None:
        self._loader = loader
        self._tell = tell

    def create_module(self, spec: Any) -> Any:
        """What the import system asks of a loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """What the import system asks of a loader."""
        # Those who look for a module's source ask the loader that it remembers.
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._tell(module)


@contextmanager
def replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """Put something in an attribute's place, and that back at the end, inherited ones too.

    What somebody else put there meanwhile stays: it is theirs to take away.
    """
    # Without unittest.mock, which loads asyncio into every child process.
    own = name in vars(owner)
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if vars(owner).get(name) is value:
            if own:
                setattr(owner, name, before)
            else:
                delattr(owner, name)

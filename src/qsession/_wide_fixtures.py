"""Fixtures of wide scope and sessions that tests share, as pytest sets them up and tears them down.

Loaded where a project has to do with us, and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qsession._collected import describe
from qsession._naming import layer_path
from qsession._noted import Noted
from qsession._plan import Plan, parameters
from qsession._report import Summary
from qsession._run import Run, active
from qsession._suite import Opened, Suite, Wide, close, ident_of, numbered, opened, wide_for
from qsession.errors import QSessionError

_XUNIT = re.compile(r"^_(?:xunit|unittest)_(setUpClass|setup_class|setup_module|setUpModule)_fixture")
_NEAR = ("class", "module")
"""Scopes of fixtures that belong to a test file."""


class WideFixtures:
    """Lets fixtures of wide scope have runs of their own.

    Args:
        plan: The options of this run of pytest.
        is_ours: Whether a test is ours.
        tell: Takes up what was refused outside of the runs of tests.
        summaries: Takes up what the runs of fixtures did.
        run_id: Names this run of pytest where several processes share it; else empty.
    """

    def __init__(
        self,
        plan: Plan,
        is_ours: Callable[[pytest.Item], bool],
        tell: Callable[[QSessionError], None],
        summaries: list[Summary],
        *,
        run_id: str,
    ) -> None:
        scratch = plan.settings.scratch
        noted = Noted(scratch / "layers" / f"{run_id}.json" if run_id else None, scratch)
        self._suite = Suite(plan, tell, noted, summaries)
        self._plan, self._is_ours = plan, is_ours
        self._users: dict[Any, list[pytest.Item]] = {}
        self._paths: Mapping[str, Path] = {}
        self._shared: dict[str, Wide] = {}
        self._imports = ExitStack()

    def watch_imports(self) -> None:
        """Be there while test modules are imported."""
        self._imports.enter_context(self._suite.importing())

    def stop(self) -> None:
        """Nothing is imported any more."""
        self._imports.close()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """See which tests use which fixtures, and which share sessions."""
        ours = [item for item in session.items if self._is_ours(item)]
        for item in ours:
            for definition in used_by(item):
                self._users.setdefault(definition, []).append(item)
        tests = [describe(item) for item in ours]
        self._paths = numbered(self._plan, tests)
        if self._plan.covers(tests):
            self._suite.renew()
        self.stop()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Let it have a run, from when on it asks the service for more than what all tests read."""
        is_ours = fixturedef in self._users or active() is not None
        if fixturedef.scope == "function" or not is_ours:
            return (yield)
        wide = self._describe(fixturedef, request)
        fixturedef.addfinalizer(partial(self._suite.end, wide))
        with self._suite.setting_up(wide):
            result = yield
        # Finalizers run in the opposite order.
        fixturedef.addfinalizer(partial(self._suite.tear_down, wide))
        return result

    def layers_of(self, items: Sequence[pytest.Item]) -> Mapping[str, Mapping[str, str]]:
        """Where the layers of tests lie, if they have some, below the folder of the cassettes.

        Args:
            items: Tests.

        Returns:
            By test id, what the head of each layer would say, by its path.
        """
        tests = [describe(item) for item in items]
        paths = numbered(self._plan, [test for test in tests if test.scope != "function"])
        known: dict[object, tuple[str, str]] = {}
        found: dict[str, Mapping[str, str]] = {}
        for item, test in zip(items, tests, strict=True):
            used = [each for each in used_by(item) if _may_ask(each)]
            layers = dict(_layer_of(each, item, self._plan.root, known) for each in used)
            if test.scope != "function":
                ident = ident_of(self._plan, test)
                layers[Path(os.path.relpath(paths[ident], self._plan.folder)).as_posix()] = ident
            found[test.nodeid] = layers
        return found

    def unread(self) -> Sequence[str]:
        """What the shared layers of the folder have and nobody read in this process."""
        return self._suite.unread()

    def run_of(self, item: pytest.Item, *, spent: float) -> Run:
        """The run of a test.

        Args:
            item: The test.
            spent: QPU seconds that the tests before it used.
        """
        self._plan.check_marker(describe(item))  # before a session is opened because of it
        keys: list[object] = [*used_by(item)]
        if (wide := self._share(item)) is not None:
            keys.append(wide.key)
        return self._suite.run_of(describe(item), keys, spent=spent)

    def is_over(self, run: Run, item: pytest.Item) -> None:
        """A test's run has ended."""
        self._suite.is_over(run, item.nodeid)

    def shared(self, item: pytest.Item) -> Opened | None:
        """The session that a test shares with others; None if it has its own."""
        wide = self._shared.get(ident_of(self._plan, describe(item)))
        value = wide.value[0] if wide is not None and wide.value else None
        return value if isinstance(value, Opened) else None

    def _share(self, item: pytest.Item) -> Wide | None:
        test = describe(item)
        if test.scope == "function" or "scenario" in test.marks:
            return None
        ident = ident_of(self._plan, test)
        if ident not in self._shared:
            records = any(map(self._plan.records, self._sharing(item, ident)))
            wide = wide_for(self._plan, test, ident, self._paths[ident], records=records)
            self._suite.share(test, wide, lambda run: (opened(self._plan, test, run),))
            self._shared[ident] = wide
            node = item.session if test.scope == "session" else item.getparent(pytest.Module)
            (node or item.session).addfinalizer(partial(self._unshare, ident))
        return self._shared[ident]

    def _sharing(self, item: pytest.Item, ident: str) -> Iterator[Any]:
        tests = (describe(each) for each in item.session.items if self._is_ours(each))
        return (test for test in tests if ident_of(self._plan, test) == ident)

    def _unshare(self, ident: str) -> None:
        wide = self._shared.pop(ident)
        for value in wide.value:
            if isinstance(value, Opened):
                self._suite.unshare(wide, partial(close, value.session))

    def _describe(self, definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Wide:
        item: pytest.Item = request._pyfuncitem
        place, owner = _place_of(definition, request, self._plan.root)
        name = _name_of(definition, request.node if definition.scope in _NEAR else item)
        reached = _reached(definition, item)
        path = layer_path(
            self._plan.folder, place, name, owner=owner, parameters=_parameters(reached, definition, item)
        )
        users = self._users.get(definition, [item])
        words = f"{owner}.{name}" if owner else name
        return Wide(
            definition,
            f"the fixture {words!r} (scope {definition.scope!r})",
            f"{place}::{path.stem}",
            path,
            Path(os.path.relpath(path, self._plan.folder)).as_posix(),
            item.nodeid,
            any(self._plan.records(describe(each)) for each in users),
            self._suite.alive(reached),
        )


def used_by(item: pytest.Item) -> Sequence[Any]:
    """Definitions of the fixtures of wide scope that a test uses."""
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return ()
    names: Sequence[str] = getattr(item, "fixturenames", ())
    found = (each for name in names for each in info.name2fixturedefs.get(name, ()))
    return [each for each in found if each.scope != "function"]


def _name_of(definition: pytest.FixtureDef[Any], node: Any) -> str:
    """What a fixture is called, from the class or module that it is one's, or else from a test."""
    found = _XUNIT.match(definition.argname)
    if found:
        return found[1]
    # One that is overridden and used by what overrides it: both may lie in one place. It is called the same
    # whichever test asks for it, so what a class overrides does not count for its module.
    chain = node.session._fixturemanager.getfixturedefs(definition.argname, node) or ()
    rivals = [each for each in chain if each.scope == definition.scope]
    if definition.scope not in _NEAR:
        rivals = [each for each in rivals if each.baseid == definition.baseid]
    if definition not in rivals:
        return f"{definition.argname}~{definition.baseid.rpartition('::')[2]}"
    return definition.argname + "~" * (len(rivals) - 1 - rivals.index(definition))


def _place_of(
    definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest, root: Path
) -> tuple[str, str]:
    """Path of the file or folder that it belongs to, and the class, if it is one's."""
    node = request.node
    if definition.scope in ("class", "module"):
        owner = node.cls.__qualname__ if isinstance(node, pytest.Class) and node.cls else ""
        return Path(os.path.relpath(node.path, root)).as_posix(), owner
    if definition.scope == "package" and isinstance(node, pytest.Package):
        return Path(os.path.relpath(node.path, root)).as_posix(), ""
    # Of a plugin, or of the conftest.py at the top, it is nobody's in particular.
    return definition.baseid.partition("::")[0] or ".", ""


def _may_ask(definition: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture may ask the service for something: none of pytest's own and of its plugins does."""
    package = str(getattr(definition.func, "__module__", "")).partition(".")[0]
    is_of_a_tool = package in {"_pytest", "xdist", "qsession"} or package.startswith("pytest_")
    return not is_of_a_tool or _XUNIT.match(definition.argname) is not None


def _layer_of(
    definition: pytest.FixtureDef[Any], item: pytest.Item, root: Path, known: dict[object, tuple[str, str]]
) -> tuple[str, str]:
    """Path and name of the layer of a fixture that a test uses, as `_describe` has them once it is set up."""
    # Without parameters it is the same for all tests of a class and a file.
    same = (definition, item.path, getattr(item, "cls", None))
    if getattr(item, "callspec", None) is not None:
        return _layer_in(definition, item, root)
    if same not in known:
        known[same] = _layer_in(definition, item, root)
    return known[same]


def _layer_in(definition: pytest.FixtureDef[Any], item: pytest.Item, root: Path) -> tuple[str, str]:
    place, owner = definition.baseid.partition("::")[0] or ".", ""
    node: pytest.Item | pytest.Collector | None = item
    if definition.scope in _NEAR:
        place = Path(os.path.relpath(item.path, root)).as_posix()
        node = item.getparent(pytest.Class if definition.scope == "class" else pytest.Module)
    if definition.scope == "class":
        owner = getattr(getattr(item, "cls", None), "__qualname__", "")
    parameters = _parameters(_reached(definition, item), definition, item)
    path = layer_path(Path(), place, _name_of(definition, node or item), owner=owner, parameters=parameters)
    return path.as_posix(), f"{place}::{path.stem}"


def _reached(definition: pytest.FixtureDef[Any], item: pytest.Item) -> Sequence[Any]:
    """Definitions of the fixtures that it uses, directly or not; what sets up a module is for all."""
    info = getattr(item, "_fixtureinfo", None)
    known: Mapping[str, Sequence[Any]] = {} if info is None else info.name2fixturedefs
    xunit = [name for name in known if _XUNIT.match(name) and name != definition.argname]
    found, names = dict[Any, None](), [*definition.argnames, *xunit]
    while names:
        for each in known.get(names.pop(), ()):
            if each is not definition and each not in found:
                found[each] = None
                names += each.argnames
    return list(found)


def _parameters(
    reached: Sequence[Any], definition: pytest.FixtureDef[Any], item: pytest.Item
) -> Sequence[tuple[str, str]]:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return ()
    names = {each.argname for each in (definition, *reached) if each.scope != "function"}
    values = {name: value for name, value in callspec.params.items() if name in names}
    return parameters(values, callspec.indices)

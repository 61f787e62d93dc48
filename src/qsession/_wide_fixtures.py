"""Fixtures of wide scope and sessions that tests share, as pytest sets them up and tears them down.

Loaded where a project has to do with us, and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
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
        self._shared: dict[str, tuple[Wide, Opened]] = {}
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
        if fixturedef.scope == "function" or not is_ours or not _may_ask(fixturedef):
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

    def run_of(self, item: pytest.Item) -> Run:
        """The run of a test.

        Args:
            item: The test.
        """
        self._plan.check_marker(describe(item))  # before a session is opened because of it
        keys: list[object] = [*used_by(item)]
        if (wide := self._share(item)) is not None:
            keys.append(wide.key)
        return self._suite.run_of(describe(item), keys)

    def is_over(self, run: Run, item: pytest.Item) -> None:
        """A test's run has ended."""
        self._suite.is_over(run, item.nodeid)

    def shared(self, item: pytest.Item) -> Opened | None:
        """The session that a test shares with others; None if it has its own."""
        known = self._shared.get(ident_of(self._plan, describe(item)))
        return None if known is None else known[1]

    def _share(self, item: pytest.Item) -> Wide | None:
        test = describe(item)
        if test.scope == "function" or "scenario" in test.marks:
            return None
        ident = ident_of(self._plan, test)
        if ident not in self._shared:
            records = self._are_recorded(self._sharing(item, ident))
            wide = wide_for(self._plan, test, ident, self._paths[ident], records=records)
            self._shared[ident] = wide, self._suite.share(wide, partial(opened, self._plan, test))
            node = item.session if test.scope == "session" else item.getparent(pytest.Module)
            (node or item.session).addfinalizer(partial(self._unshare, ident))
        return self._shared[ident][0]

    def _sharing(self, item: pytest.Item, ident: str) -> Iterator[pytest.Item]:
        ours = filter(self._is_ours, item.session.items)
        return (each for each in ours if ident_of(self._plan, describe(each)) == ident)

    def _are_recorded(self, users: Iterable[pytest.Item]) -> bool:
        """Whether any of some tests is: what they use is recorded with it."""
        plan = self._plan
        return not plan.only_replays and any(plan.records(describe(each)) for each in users)

    def _unshare(self, ident: str) -> None:
        wide, shared = self._shared.pop(ident)
        self._suite.unshare(wide, partial(close, shared.session))

    def _describe(self, definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Wide:
        item: pytest.Item = request._pyfuncitem
        name, ident = _layer_in(definition, item, self._plan.root)
        users = self._users.get(definition, [item])
        owner = _owner_of(definition, item)
        words = f"{owner}.{_name_of(definition, item)}" if owner else _name_of(definition, item)
        return Wide(
            definition,
            f"the fixture {words!r} (scope {definition.scope!r})",
            ident,
            self._plan.folder / name,
            name,
            item.nodeid,
            self._are_recorded(users),
            self._suite.alive(_reached(definition, item)),
        )


def used_by(item: pytest.Item) -> Sequence[Any]:
    """Definitions of the fixtures of wide scope that a test uses."""
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return ()
    names: Sequence[str] = getattr(item, "fixturenames", ())
    found = (each for name in names for each in info.name2fixturedefs.get(name, ()))
    return [each for each in found if each.scope != "function"]


def _name_of(definition: pytest.FixtureDef[Any], item: pytest.Item) -> str:
    found = _XUNIT.match(definition.argname)
    if found:
        return found[1]
    # One that is overridden and used by what overrides it: both may lie in one place. It is called the same
    # whichever test asks for it, so what a class overrides does not count for its module.
    is_near = definition.scope in ("class", "module")
    node = _node_of(definition, item)
    chain = item.session._fixturemanager.getfixturedefs(definition.argname, node) or ()
    rivals = [each for each in chain if each.scope == definition.scope]
    if not is_near:
        rivals = [each for each in rivals if each.baseid == definition.baseid]
    if definition not in rivals:
        return f"{definition.argname}~{definition.baseid.rpartition('::')[2]}"
    return definition.argname + "~" * (len(rivals) - 1 - rivals.index(definition))


def _node_of(definition: pytest.FixtureDef[Any], item: pytest.Item) -> pytest.Item | pytest.Collector:
    """What it is set up for: a class or a module; the test itself, where that is wider."""
    module = item.getparent(pytest.Module) or item
    if definition.scope == "class":
        return item.getparent(pytest.Class) or module
    return module if definition.scope == "module" else item


def _owner_of(definition: pytest.FixtureDef[Any], item: pytest.Item) -> str:
    """The class that it is set up for; nothing if it is none."""
    owner = getattr(item, "cls", None) if definition.scope == "class" else None
    return str(getattr(owner, "__qualname__", ""))


def _may_ask(definition: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture may ask the service for something: none of pytest's own and of its plugins does."""
    package = str(getattr(definition.func, "__module__", "")).partition(".")[0]
    is_of_a_tool = package in {"_pytest", "xdist", "qsession"} or package.startswith("pytest_")
    return not is_of_a_tool or _XUNIT.match(definition.argname) is not None


def _layer_of(
    definition: pytest.FixtureDef[Any], item: pytest.Item, root: Path, known: dict[object, tuple[str, str]]
) -> tuple[str, str]:
    """The same as `_layer_in`, which takes a while for thousands of tests."""
    # Without parameters it is the same for all tests of a class and a file.
    same = (definition, item.path, getattr(item, "cls", None))
    if getattr(item, "callspec", None) is not None:
        return _layer_in(definition, item, root)
    if same not in known:
        known[same] = _layer_in(definition, item, root)
    return known[same]


def _layer_in(definition: pytest.FixtureDef[Any], item: pytest.Item, root: Path) -> tuple[str, str]:
    """Path of its layer below the folder of the cassettes, and its name in the head of that."""
    # Of a plugin, or of the conftest.py at the top, it is nobody's in particular.
    place = definition.baseid.partition("::")[0] or "."
    if definition.scope in ("class", "module"):
        place = Path(os.path.relpath(item.path, root)).as_posix()
    owner, name = _owner_of(definition, item), _name_of(definition, item)
    parameters = _parameters(_reached(definition, item), definition, item)
    path = layer_path(Path(), place, name, owner=owner, parameters=parameters)
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

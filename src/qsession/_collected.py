"""What pytest collected: tests as their runs must know them, and the cassettes that none of them has.

Loaded where a project has to do with us, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from qsession._naming import layer_path
from qsession._plan import Item, Plan, parameters
from qsession._shelf import Collected, Offer, look, write
from qsession.errors import CassetteError


def describe(item: pytest.Item) -> Item:
    """A test, as far as its run must know it."""
    markers = list(item.iter_markers("qsession"))
    callspec = getattr(item, "callspec", None)
    owner = getattr(item, "cls", None)
    plain = getattr(item, "originalname", None) or item.name
    return Item(
        nodeid=item.nodeid,
        file=Path(item.path),
        name=f"{owner.__qualname__}.{plain}" if owner else plain,
        parameters=parameters(callspec.params, callspec.indices) if callspec else (),
        positional=sum(len(marker.args) for marker in markers),
        marks={name: value for marker in reversed(markers) for name, value in marker.kwargs.items()},
    )


class LeftOver:
    """Finds what belongs to no test any more, and tells it.

    Args:
        plan: Knows which cassette a test has.
        is_ours: Whether a test has one at all.
        told: Gains what was found, as lines for the closing block: ``orphans``, ``renamed``, ``layers``.
    """

    def __init__(
        self, plan: Plan, is_ours: Callable[[pytest.Item], bool], told: dict[str, list[str]]
    ) -> None:
        self._plan, self._is_ours, self._told = plan, is_ours, told
        self._files: list[Path] = []
        self._collected: Collected | None = None
        self._offers: Sequence[Offer] | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Remember which test files were collected whole; one that is skipped or broken says nothing."""
        report = yield
        if isinstance(collector, pytest.Module) and report.passed:
            self._files.append(collector.path)
        return report

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """A selection says nothing of the tests that it leaves out."""
        if items:
            self._files.clear()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take down which tests there are and what they have."""
        target = os.environ.get("QSESSION_COLLECTED")
        items = {item: describe(item) for item in session.items if self._is_ours(item)}
        files = [] if any("::" in arg for arg in session.config.args) else self._files
        if not target and not (items and files):
            return
        wide = {test.nodeid: _wide_layers(item, test, self._plan.root) for item, test in items.items()}
        self._collected = replace(self._plan.cassettes([*items.values()], files), wide=wide)
        if target:
            write(self._collected, Path(target))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test without a recording: is there one that lost its test?"""
        try:
            return (yield)
        except CassetteError as missing:
            offers = self._offers_to(item.nodeid) if missing.code == "QS201" else ()
            if not offers:
                raise
            raise _offered(missing, item.nodeid, offers).with_traceback(missing.__traceback__) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look at the folder, once everything was written to it."""
        if self._collected is None or session.config.getoption("collectonly"):
            return
        folder, found = self._collected.folder, look(self._collected)
        self._told["orphans"] = [path.relative_to(folder).as_posix() for path in found.orphans]
        self._told["layers"] = [path.relative_to(folder).as_posix() for path in found.layers]
        self._told["renamed"] = [
            f"{offer.path.relative_to(folder).as_posix()}: {offer.wording}" for offer in found.offers
        ]

    def _offers_to(self, test: str) -> Sequence[Offer]:
        if self._offers is None:
            self._offers = look(self._collected).offers if self._collected else ()
        return [offer for offer in self._offers if test in {taker.name for taker in offer.takers}]


_MOST = 3
_UNNAMED = (
    ("_unittest_setUpClass_fixture_", "setUpClass"),
    ("_xunit_setup_class_fixture_", "setup_class"),
    ("_xunit_setup_module_fixture_", "setup_module"),
)


def _wide_layers(item: pytest.Item, test: Item, root: Path) -> Sequence[str]:
    """Where the layers of a test's wide fixtures lie, if they have some, below the cassette folder."""
    info, callspec = getattr(item, "_fixtureinfo", None), getattr(item, "callspec", None)
    owner = getattr(getattr(item, "cls", None), "__qualname__", "")
    file = Path(os.path.relpath(test.file, root)).as_posix()
    found: set[str] = set()
    for name, definitions in (info.name2fixturedefs if info else {}).items():
        plain, given = _plain_name(name), _given(name, callspec)
        for each in definitions:
            place = _place(each.scope, file, owner, each.baseid)
            if place is not None and (plain != name or not _is_of_a_tool(each)):
                found.add(_layer(place, plain, owner if each.scope == "class" else "", given))
    return sorted(found)


def _is_of_a_tool(definition: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture is pytest's own or one of its plugins', which ask the service for nothing."""
    package = str(getattr(definition.func, "__module__", "")).partition(".")[0]
    return package in {"_pytest", "xdist", "qsession"} or package.startswith("pytest_")


def _given(name: str, callspec: Any) -> tuple[tuple[str, str], ...]:
    """Name and text of a fixture's own parameter, if it has one."""
    if callspec is None or name not in callspec.params:
        return ()
    return tuple(parameters({name: callspec.params[name]}, callspec.indices))


def _place(scope: str, file: str, owner: str, base: str) -> str | None:
    """The file or folder that a fixture's layer belongs to; None for one that has none."""
    if scope == "module" or (scope == "class" and owner):
        return file
    if scope not in ("package", "session"):
        return None
    defined = base.partition("::")[0]
    return PurePosixPath(defined).parent.as_posix() if defined.endswith(".py") else defined


def _plain_name(name: str) -> str:
    """Fixtures that pytest makes of methods are called like those."""
    return next((plain for start, plain in _UNNAMED if name.startswith(start)), name)


@cache
def _layer(place: str, fixture: str, owner: str, given: tuple[tuple[str, str], ...]) -> str:
    return layer_path(Path(), place, fixture, owner=owner, parameters=given).as_posix()


def _offered(missing: CassetteError, test: str, offers: Sequence[Offer]) -> CassetteError:
    """The message of a test without a recording, with the recordings that may be its own."""
    # Only here: it loads what reads cassettes.
    from qsession._store import display

    lost = [f"{display(o.path)} has lost its test: was {o.former} renamed?" for o in offers[:_MOST]]
    if len(offers) > _MOST:
        lost.append(f"{len(offers) - _MOST} more have, too: qsession prune shows them")
    if len(offers) > 1:
        fix = f"qsession prune --take CASSETTE '{test}', with the one of these that is its own"
    elif offers[0].is_sure:
        fix = "qsession prune --rename"
    else:
        fix = f"qsession prune --take {display(offers[0].path)} '{test}'"
    return CassetteError(
        missing.code,
        missing.what,
        evidence=[*missing.evidence, *lost],
        fix=fix,
        intended=f"record it: {missing.fix}",
        where=missing.where,
    )

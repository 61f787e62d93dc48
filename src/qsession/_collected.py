"""What pytest collected: tests as their runs must know them, and the cassettes that none of them has.

Loaded where a project has to do with us, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from unittest import mock

import pytest

from qsession._plan import Item, Plan, parameters
from qsession._shelf import Collected, Offer, look, write
from qsession.errors import QSessionError, ReplayMismatch


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


class Layers(Protocol):
    """Knows of the layers of tests."""

    def layers_of(self, items: Sequence[pytest.Item]) -> Mapping[str, Mapping[str, str]]:
        """By test id, what the heads of its layers would say, by their paths."""
        ...

    def unread(self) -> Sequence[str]:
        """What the shared layers have and nobody read."""
        ...


@contextmanager
def just_before(item: pytest.Item, call: Callable[[], None]) -> Iterator[None]:
    """Call something right before a test itself, after whatever other plugins do when it is called.

    pytest-randomly seeds there, and for the methods of ``unittest`` there is no later hook.

    Args:
        item: The test.
        call: What to call.
    """
    runtest = item.runtest

    def runs() -> None:
        call()
        runtest()

    with mock.patch.object(item, "runtest", runs):
        yield


class LeftOver:
    """Finds what belongs to no test any more, and tells it.

    Args:
        plan: Knows which cassette a test has.
        is_ours: Whether a test has one at all.
        layers: Knows which layers it has.
        told: Gains what was found, as lines for the closing block: ``orphans``, ``renamed``,
            ``layers``, ``unread``.
    """

    def __init__(
        self,
        plan: Plan,
        is_ours: Callable[[pytest.Item], bool],
        layers: Layers,
        told: dict[str, list[str]],
    ) -> None:
        self._plan, self._is_ours, self._layers, self._told = plan, is_ours, layers, told
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
        items = [item for item in session.items if self._is_ours(item)]
        files = [] if any("::" in arg for arg in session.config.args) else self._files
        if not target and not (items and files):
            return
        collected = self._plan.cassettes([describe(item) for item in items], files)
        self._collected = replace(collected, wide=self._layers.layers_of(items))
        if target:
            write(self._collected, Path(target))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """A test without a recording: is there one that lost its test?"""
        refused = call.excinfo.value if call.excinfo is not None else None
        # That of a fixture is raised for each of its tests.
        if isinstance(refused, QSessionError) and _PRUNE not in refused.fix:
            _offer(refused, item.nodeid, self._offers_to(item.nodeid, refused))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Look at the folder, once everything was written to it."""
        if self._collected is None or session.config.getoption("collectonly"):
            return
        folder, found = self._collected.folder, look(self._collected)
        self._told["orphans"] = [path.relative_to(folder).as_posix() for path in found.orphans]
        self._told["layers"] = [path.relative_to(folder).as_posix() for path in found.layers]
        self._told["renamed"] = [
            f"{offer.path.relative_to(folder).as_posix()}: {offer.wording}" for offer in found.offers
        ]
        # What a test that failed would have read, nobody knows.
        if found.is_whole and exitstatus == pytest.ExitCode.OK and self._plan.mode == "replay":
            self._told["unread"] = [*self._layers.unread()]

    def _offers_to(self, test: str, refused: QSessionError) -> Sequence[Offer]:
        names = self._names_of(test, refused)
        if not names:
            return ()
        if self._offers is None and self._collected is not None:
            self._offers = look(self._collected).offers
        return [o for o in self._offers or () if not names.isdisjoint(taker.name for taker in o.takers)]

    def _names_of(self, test: str, refused: QSessionError) -> Set[str]:
        """Whose recording is missing, that something was refused."""
        if self._collected is None or self._plan.mode != "replay":
            return set()
        if refused.code == _NO_LAYER:
            return self._collected.wide.get(test, {}).keys()
        # Where every test is ours, one without a cassette replays one that is empty.
        path = self._collected.claimed.get(test)
        is_missing = isinstance(refused, ReplayMismatch) and path is not None and not path.exists()
        return {test} if is_missing or refused.code == _NO_CASSETTE else set()


_NO_CASSETTE, _NO_LAYER = "QS201", "QS240"
_PRUNE = "qsession prune"
_MOST = 3


def _offer(refused: QSessionError, test: str, offers: Sequence[Offer]) -> None:
    """Add to the message of a test without a recording which recordings may be its own."""
    if not offers:
        return
    # Only here: it loads what reads cassettes.
    from qsession._store import display

    what = "fixture" if refused.code == _NO_LAYER else "test"
    lost = [f"{display(o.path)} has lost its {what}: was {o.former} renamed?" for o in offers[:_MOST]]
    if len(offers) > _MOST:
        lost.append(f"{len(offers) - _MOST} more have, too: {_PRUNE} shows them")
    if len(offers) == 1 and offers[0].is_sure:
        fix = f"{_PRUNE} --rename"
    elif what == "fixture":
        fix = f"{_PRUNE}, which shows them, and then {_PRUNE} --take LAYER FIXTURE"
    elif len(offers) > 1:
        fix = f"{_PRUNE} --take CASSETTE '{test}', with the one of these that is its own"
    else:
        fix = f"{_PRUNE} --take {display(offers[0].path)} '{test}'"
    # The same error: others know it already, and show it once.
    QSessionError.__init__(
        refused,
        refused.code,
        refused.what,
        evidence=[*refused.evidence, *lost],
        fix=fix,
        intended=f"record it: {refused.fix}",
        where=refused.where,
    )

"""What pytest collected: tests as their runs must know them, and the cassettes that none of them has.

Loaded where a project has to do with us, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from qsession._plan import Item, Plan, parameters
from qsession._shelf import orphans, write


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
    """Finds the cassettes that belong to no test any more, and adds them to a list.

    Args:
        plan: Knows which cassette a test has.
        is_ours: Whether a test has one at all.
        found: The list: names below the folder of the cassettes.
    """

    def __init__(self, plan: Plan, is_ours: Callable[[pytest.Item], bool], found: list[str]) -> None:
        self._plan, self._is_ours, self._found = plan, is_ours, found
        self._files: list[Path] = []

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
        """See which cassettes belong to no test any more."""
        target = os.environ.get("QSESSION_COLLECTED")
        ours = [describe(item) for item in session.items if self._is_ours(item)]
        files = [] if any("::" in arg for arg in session.config.args) else self._files
        if not target and not (ours and files):
            return
        collected = self._plan.cassettes(ours, files)
        if target:
            write(collected, Path(target))
        self._found += [path.relative_to(collected.folder).as_posix() for path in orphans(collected)]

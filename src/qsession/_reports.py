"""What pytest reports while something is recorded passes the screen before anybody else sees it.

Registered in runs that may learn a secret, and loaded in no other.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator
from functools import wraps
from typing import TYPE_CHECKING

import pytest
from _pytest.junitxml import xml_key

from qsession._naming import looks_secret

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

    from qsession._redaction import Screen

_TOLD = ("sections", "user_properties", "wasxfail")


class Reports:
    """The hooks.

    Args:
        screen: Cleans texts.
        config: Knows who shows what.
    """

    def __init__(self, screen: Screen, config: pytest.Config) -> None:
        self._screen = screen
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Before a word is said of any test; workers of pytest-xdist say nothing."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            _screen_terminal(self._screen, self._config.get_terminal_writer())

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Credentials among the parameters of tests, which are named after them."""
        for item in items:
            callspec = getattr(item, "callspec", None)
            for value in callspec.params.values() if callspec else ():
                if isinstance(value, str) and looks_secret(value):
                    self._screen.learn(value)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """As soon as there is a report: plugins that take it from here get it clean."""
        report = yield
        self._clean(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Once more before reporters, junit files and pytest-xdist: others may have added something."""
        self._clean(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that broke when it was imported."""
        self._clean(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """For the summary of warnings."""
        text = str(warning_message.message)
        if (clean := self._screen.clean(text)) != text:
            # Not of its own class: that may take other arguments than a text.
            warning_message.message = UserWarning(clean)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: object) -> None:
        """A traceback of pytest itself or of a plugin."""
        self._screen.clean_tree(excrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self) -> None:
        """What the terminal keeps to show at the end, with --full-trace as a traceback with its arguments."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        self._screen.clean_tree(getattr(reporter, "_keyboardinterrupt_memo", None))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The junit file: properties of the whole suite, and the names of tests."""
        junit = self._config.stash.get(xml_key, None)
        if junit is not None:
            junit.global_properties[:] = [(n, self._screen.clean(v)) for n, v in junit.global_properties]
            for case in junit.node_reporters_ordered:
                # A test that has ended is an element already, and nothing else any more.
                attributes = case.attrs if hasattr(case, "attrs") else case.to_xml().attrib
                attributes.update({name: self._screen.clean(value) for name, value in attributes.items()})

    def _clean(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        for name in _TOLD:
            if name in vars(report):
                setattr(report, name, self._screen.clean_tree(getattr(report, name)))
        if (context := getattr(report, "context", None)) is not None:
            self._clean_subtest(context)
        told = report.longrepr
        if told is None or isinstance(told, str | tuple) or type(told).__module__.startswith("_pytest."):
            report.longrepr = self._screen.clean_tree(told)  # type: ignore[assignment]
        elif (clean := self._screen.clean(str(told))) != str(told):
            # An object of somebody else's, which shows itself as it likes.
            report.longrepr = clean

    def _clean_subtest(self, context: object) -> None:
        """What a subtest was called, and its values."""
        for name in ("msg", "kwargs"):
            if hasattr(context, name):
                # The object is frozen.
                object.__setattr__(context, name, self._screen.clean_tree(getattr(context, name)))


def install(screen: Screen, config: pytest.Config) -> None:
    """Let everything that pytest says pass a screen, to the end of its run."""
    config.pluginmanager.register(Reports(screen, config), "qsession-reports")
    config.add_cleanup(_screen_logs(screen))


def _screen_terminal(screen: Screen, writer: TerminalWriter) -> None:
    """Have the terminal told clean texts: ids of tests, and the values of fixtures with --setup-show."""
    write = writer.write

    def clean(msg: str, *, flush: bool = False, **markup: bool) -> None:
        write(screen.clean(msg), flush=flush, **markup)

    writer.write = clean  # type: ignore[method-assign]


def _screen_logs(screen: Screen) -> Callable[[], None]:
    """Have every handler of this process write clean lines: in reports, on the terminal, in log files.

    Returns:
        What puts things back.
    """
    former = logging.Handler.format

    @wraps(former)
    def clean(self: logging.Handler, record: logging.LogRecord) -> str:
        return screen.clean(former(self, record))

    logging.Handler.format = clean  # type: ignore[method-assign]

    def undo() -> None:
        if logging.Handler.format is clean:
            logging.Handler.format = former  # type: ignore[method-assign]

    return undo

"""The pytest plugin: options, fixtures, the marker, the closing block. No logic.

Loading it imports next to nothing: a project that has to do with us imports the
rest at its start, or when its first test of ours is collected, and what a run
needs when one begins.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qsession._options import MARKER, OPTIONS, in_use
from qsession.errors import BudgetError, Parked, QSessionError, ReplayMismatch, UsageError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

    from qsession._clock import VirtualClock
    from qsession._plan import Item, Plan
    from qsession._report import Summary
    from qsession._run import Run
    from qsession._tally import Tally
    from qsession.session import Batch, Session

_OURS = frozenset(
    {"qsession", *(f"qsession_{name}" for name in ("run", "service", "backend", "clock", "isa"))}
)
_plan_key = pytest.StashKey["Plan"]()
_summaries_key = pytest.StashKey[list["Summary"]]()
_run_key = pytest.StashKey["Run"]()
_outcome_key = pytest.StashKey[str]()
_reason_key = pytest.StashKey[str]()
_strays_key = pytest.StashKey["Tally"]()
_settled_key = pytest.StashKey[bool]()
_on_key = pytest.StashKey[bool]()
_unseen_key = pytest.StashKey[list[str]]()
_files_key = pytest.StashKey[list[Path]]()
_orphans_key = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and their ini keys."""
    group = parser.getgroup("qsession", "IBM Quantum sessions, recorded and replayed")
    group.addoption(
        "--qsession-record", action="store_true", default=False, help="short for --qsession-mode=record"
    )
    for stem, (metavar, text) in OPTIONS.items():
        group.addoption(f"--qsession-{stem}", default=None, metavar=metavar, help=text)
        parser.addini(f"qsession_{stem}", text, default=None)
    resume = "go on with recordings that were cut off or parked; other tests as the mode says"
    group.addoption("--qsession-resume", action="store_true", default=False, help=resume)
    ci = "reach the service although CI is set"
    group.addoption("--qsession-allow-ci", action="store_true", default=False, help=ci)
    parser.addini("qsession_allow_ci", ci, type="bool", default=False)
    hosts = "hosts besides this machine that a replay may reach"
    parser.addini("qsession_allowed_hosts", hosts, type="args", default=[])
    parser.addini("qsession_redact", "what to keep out of recordings", "linelist", [])
    parser.addini(
        "qsession_expire", "when a recording is stale: a number of days (90d), or never", default=None
    )
    parser.addini("qsession_on_stale", "what happens then: warn, error or ignore", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options once, where there are any."""
    config.addinivalue_line("markers", MARKER)
    config.stash[_summaries_key] = []
    config.stash[_unseen_key] = []
    config.stash[_on_key] = False
    config.stash[_files_key] = []
    config.stash[_orphans_key] = []
    if in_use(command_line=_command_line(config), ini=_ini(config), root=_root(config)):
        # Before the test modules are imported: one could make a service at once.
        _guard_the_service(config)
        if (screen := _plan(config).screen) is not None:
            from qsession._reports import install

            install(screen, config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the run before the function-scoped fixtures of every test that is ours."""
    ours = [item for item in items if _is_ours(item)]
    if not ours:
        return
    for item in ours:
        _run_first(item)
    try:
        _plan(config).check_cassettes([_describe(item) for item in ours])
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None
    _guard_the_service(config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Remember which test files were collected whole; one that is skipped or broken says nothing."""
    report = yield
    if isinstance(collector, pytest.Module) and report.passed:
        collector.config.stash[_files_key].append(collector.path)
    return report


def pytest_deselected(items: list[pytest.Item]) -> None:
    """A selection says nothing of the tests that it leaves out."""
    for item in items[:1]:
        item.config.stash[_files_key].clear()


def pytest_collection_finish(session: pytest.Session) -> None:
    """See which cassettes belong to no test any more."""
    config, target = session.config, os.environ.get("QSESSION_COLLECTED")
    ours = [item for item in session.items if _is_ours(item)]
    files = [] if any("::" in arg for arg in config.args) else config.stash[_files_key]
    if not target and not (ours and files):
        return
    from qsession._shelf import orphans, write

    collected = _plan(config).cassettes([_describe(item) for item in ours], files)
    if target:
        write(collected, Path(target))
    found = [path.relative_to(collected.folder).as_posix() for path in orphans(collected)]
    config.stash[_orphans_key] = found


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a fixture that would outlive the run it asks for."""
    _forget(item)
    info = getattr(item, "_fixtureinfo", None)
    for name, definitions in (info.name2fixturedefs if info else {}).items():
        asked = _OURS.intersection(definitions[-1].argnames)
        if asked and definitions[-1].scope != "function" and name not in _OURS:
            from qsession._plan import too_wide

            raise too_wide(name, definitions[-1].scope, min(asked), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A refusal that the test swallowed fails the test itself, not its teardown."""
    result = yield
    if (run := item.stash.get(_run_key, None)) is not None:
        run.check()
        if strays := item.config.stash.get(_strays_key, None):
            raise strays.causes()[0]
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Item) -> None:
    """Here, as pytest-randomly seeds anew when a test is called."""
    if (run := pyfuncitem.stash.get(_run_key, None)) is not None:
        run.begin_numbers_again()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how the test went, and show the first refusal before anything else."""
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        _shorten(call.excinfo)
    _skip_parked(item, call)
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, QSessionError):
        _fail(report)
    _remember(item, report)
    if (
        report.failed
        and (first := _first_refusal(item))
        and (call.excinfo is None or call.excinfo.value is not first)
    ):
        told = "\n".join((str(first), *getattr(first, "__notes__", ())))
        report.sections.insert(0, ("qsession: the first refusal of this run", told))
    strays = item.config.stash.get(_strays_key, None)
    if strays and (report.failed or (report.when == "teardown" and _run_key in item.stash)):
        strays.forget()
    if report.when == "teardown":
        # pytest keeps its items to the end, and a run holds its recording.
        _forget(item)
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The closing block."""
    summaries = config.stash[_summaries_key]
    if summaries:
        from qsession._report import lines

        terminalreporter.write_sep("=", "qsession")
        left_over = config.stash[_orphans_key]
        for line in lines(summaries, mode=_plan(config).mode, orphans=left_over):
            terminalreporter.write_line(line)
    for told in config.stash[_unseen_key]:
        terminalreporter.write_sep("=", "qsession: refused outside of the tests that are ours")
        terminalreporter.write_line(told)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, hand the summaries to the controller."""
    if strays := session.config.stash.get(_strays_key, None):
        session.config.stash[_unseen_key].append(strays.told())
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["qsession_unseen"] = session.config.stash[_unseen_key]
    if output is not None and (summaries := session.config.stash[_summaries_key]):
        from dataclasses import asdict

        output["qsession"] = [asdict(summary) for summary in summaries]
        output["qsession_orphans"] = session.config.stash[_orphans_key]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the controller of pytest-xdist, take over what a worker did."""
    output = getattr(node, "workeroutput", None) or {}
    node.config.stash[_unseen_key] += output.get("qsession_unseen", [])
    if summaries := output.get("qsession"):
        from qsession._report import Summary

        node.config.stash[_summaries_key] += [Summary(**summary) for summary in summaries]
        # Every worker collects all tests.
        node.config.stash[_orphans_key] = output.get("qsession_orphans", [])


@pytest.fixture
def qsession_run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """The run of this test: its requests, its cassette, its QPU seconds."""
    from qsession._report import Summary
    from qsession._run import Run

    item = request.node
    summaries = item.config.stash[_summaries_key]
    spent = sum(summary.spent for summary in summaries)
    run = Run(_plan(item.config).settings(_describe(item), spent=spent))
    try:
        with run:
            item.stash[_run_key] = run
            item.config.stash[_on_key] = True
            yield run
            _tell_outcome(run, item)
    finally:
        item.config.stash[_on_key] = False
        _settle(item.config)
        begun = _run_key in item.stash
        summaries.append(run.summary() if begun else Summary(run.mode, run.target, test=item.nodeid))


@pytest.fixture
def qsession_service(qsession_run: Run) -> QiskitRuntimeService:
    """A real ``QiskitRuntimeService`` inside the run of this test."""
    return qsession_run.service()


@pytest.fixture
def qsession_backend(
    request: pytest.FixtureRequest, qsession_run: Run, qsession_service: QiskitRuntimeService
) -> IBMBackend:
    """The configured backend: marker, option, ini, ``QISKIT_IBM_QPU``, else ``ibm_fez`` on the emulator."""
    from qiskit.providers.exceptions import QiskitBackendNotFoundError

    from qsession._plan import no_backend, unknown_backend

    test = _describe(request.node)
    name = _plan(request.config).backend(test, qsession_run)
    if name is None:
        raise no_backend([b.name for b in qsession_service.backends()], test.nodeid)

    try:
        return qsession_service.backend(name)
    except QiskitBackendNotFoundError:
        names = [] if qsession_run.mode == "replay" else [b.name for b in qsession_service.backends()]
        raise unknown_backend(name, names, test.nodeid, qsession_run.mode) from None


@pytest.fixture
def qsession(request: pytest.FixtureRequest, qsession_backend: IBMBackend) -> Iterator[Session | Batch]:
    """An open session on the configured backend; a batch with ``mode="batch"``."""
    from qsession.session import open_session

    item = _describe(request.node)
    session = open_session(
        qsession_backend, mode=item.session_mode, max_time=item.max_time, where=item.nodeid
    )
    yield session
    if not session.ended:
        # What is refused here the run raises at its end, once, unless the test failed already.
        with suppress(ReplayMismatch, BudgetError, Parked):
            session.close()


@pytest.fixture
def qsession_clock(qsession_run: Run) -> VirtualClock:
    """The clock of this test's run: ``advance``, ``travel_to``, ``now``, ``real``."""
    return qsession_run.clock


@pytest.fixture
def qsession_isa(
    request: pytest.FixtureRequest, qsession_run: Run, qsession_backend: IBMBackend
) -> Callable[[QuantumCircuit], QuantumCircuit]:
    """Transpiles a circuit for the backend with a seed that follows from the test's id."""
    from qsession._isa import transpiler

    return transpiler(qsession_backend, qsession_run, request.node.nodeid)


def _settle(config: pytest.Config) -> None:
    # What the client and qiskit are made of stays to the end: looking through it for garbage
    # costs a test 40 ms on average (measured with 156 qubits).
    if _settled_key not in config.stash:
        config.stash[_settled_key] = gc.get_freeze_count() > 0
        if not config.stash[_settled_key]:
            gc.freeze()
            config.add_cleanup(gc.unfreeze)


def _plan(config: pytest.Config) -> Plan:
    if _plan_key not in config.stash:
        from qsession._plan import plan

        try:
            config.stash[_plan_key] = plan(
                command_line=_command_line(config),
                ini=_ini(config),
                root=_root(config),
                workers=getattr(config, "workerinput", {}).get("workercount", 1),
            )
        except UsageError as wrong:
            raise pytest.UsageError(str(wrong)) from None
    return config.stash[_plan_key]


def _command_line(config: pytest.Config) -> dict[str, object]:
    values = {stem: config.getoption(f"--qsession-{stem}") for stem in OPTIONS}
    values["allow_ci"] = config.getoption("--qsession-allow-ci")
    values["record"] = config.getoption("--qsession-record")
    values["resume"] = config.getoption("--qsession-resume")
    return values


def _ini(config: pytest.Config) -> dict[str, object]:
    stems = [*OPTIONS, "allow_ci", "allowed_hosts", "redact", "expire", "on_stale"]
    return {stem: config.getini(f"qsession_{stem}") for stem in stems}


def _root(config: pytest.Config) -> Path:
    return config.inipath.parent if config.inipath else config.rootpath


def _is_ours(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return item.get_closest_marker("qsession") is not None or bool(_OURS.intersection(names))


def _forget(item: pytest.Item) -> None:
    # A plugin that repeats failed tests sets the same item up again.
    keys: tuple[pytest.StashKey[Any], ...] = (_run_key, _outcome_key, _reason_key)
    for key in keys:
        if key in item.stash:
            del item.stash[key]


def _fail(report: pytest.TestReport) -> None:
    # xfail expects a failure of the code under test, not of its recording.
    if hasattr(report, "wasxfail"):
        del report.wasxfail
        report.outcome = "failed"


def _skip_parked(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    # Whatever the test made of its end: it is left until later.
    run = item.stash.get(_run_key, None)
    parked = run.parked if run is not None else None
    if call.excinfo is None or (parked is None and not isinstance(call.excinfo.value, Parked)):
        return
    skipped = pytest.skip.Exception(str(parked or call.excinfo.value), _use_item_location=True)
    call.excinfo = pytest.ExceptionInfo.from_exception(skipped.with_traceback(call.excinfo.tb))


def _remember(item: pytest.Item, report: pytest.TestReport) -> None:
    if item.stash.get(_outcome_key, "") == "failed" or (report.when == "setup" and report.passed):
        return
    item.stash[_reason_key] = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", ""))
    # An expected failure is what its recording is about.
    item.stash[_outcome_key] = "passed" if hasattr(report, "wasxfail") else report.outcome


def _tell_outcome(run: Run, item: pytest.Item) -> None:
    # Without an outcome the test was interrupted: Ctrl-C makes no report.
    outcome = item.stash.get(_outcome_key, "failed")
    if outcome == "skipped" and run.parked is None:
        run.check()
    if outcome != "passed":
        run.fail(item.stash.get(_reason_key, "interrupted"))


def _first_refusal(item: pytest.Item) -> QSessionError | None:
    strays, run = item.config.stash.get(_strays_key, None), item.stash.get(_run_key, None)
    refusals = [*(strays.causes() if strays else ()), *(run.refusals() if run is not None else ())]
    return refusals[0] if refusals else None


def _shorten(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    if not isinstance(excinfo.value, QSessionError):
        return
    from qsession._traceback import package, shortened

    ours = (entry for entry in excinfo.traceback if package(entry.frame.raw) == "qsession")
    kept = shortened(excinfo.tb) or [entry.with_repr_style("short") for entry in islice(ours, 1)]
    excinfo.traceback = type(excinfo.traceback)(kept)


def _run_first(item: pytest.Item) -> None:
    names: list[str] = getattr(item, "fixturenames", [])
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return
    definitions = info.name2fixturedefs
    if "qsession_run" not in definitions:
        found = item.session._fixturemanager.getfixturedefs("qsession_run", item)
        definitions["qsession_run"] = found
    if "qsession_run" in names:
        names.remove("qsession_run")
    wide = [name in definitions and definitions[name][-1].scope != "function" for name in names]
    names.insert(wide.index(False) if False in wide else len(names), "qsession_run")


def _guard_the_service(config: pytest.Config) -> None:
    plan = _plan(config)
    if _strays_key in config.stash or not plan.keeps_off_the_service:
        return
    from qsession import _tally
    from qsession._fence import round_tests

    strays: Tally = _tally.Tally()
    config.stash[_strays_key] = strays
    undo = ExitStack()
    undo.enter_context(round_tests(plan.allowed_hosts, strays, is_inside=lambda: config.stash[_on_key]))
    config.add_cleanup(undo.close)


def _describe(item: pytest.Item) -> Item:
    from qsession._plan import Item, parameters

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

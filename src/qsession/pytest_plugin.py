"""The pytest plugin: options, fixtures, the marker, the closing block. No logic.

Loading it imports next to nothing: a project that has to do with us imports the
rest at its start, or when its first test of ours is collected, and what a run
needs when one begins.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from qsession._options import FLAGS, INI, MARKER, OPTIONS, Told
from qsession._outcome import Course, first_refusal, remember, skip_parked, tell_outcome
from qsession.errors import QSessionError, UsageError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

    from qsession._clock import VirtualClock
    from qsession._plan import Plan
    from qsession._report import Summary
    from qsession._run import Run
    from qsession._tally import Tally
    from qsession._wide_fixtures import WideFixtures
    from qsession.session import Batch, Session

_OURS = frozenset(
    {"qsession", *(f"qsession_{name}" for name in ("run", "service", "backend", "clock", "isa"))}
)


@dataclass(slots=True)
class _State:
    """What is known of a run of pytest.

    Attributes:
        plan: Its options, once they were read.
        strays: What was refused outside of runs, where that is watched.
        wide: What lets fixtures of wide scope have runs, where a project has to do with us.
        is_on: Whether a run of ours is on.
        is_settled: Whether the garbage collector was told what stays.
        summaries: What the runs of ours did.
        unseen: What was refused and is no test's.
        left_over: What lies in the cassette folder and belongs to no test.
    """

    plan: Plan | None = None
    strays: Tally | None = None
    wide: WideFixtures | None = None
    is_on: bool = False
    is_settled: bool = False
    summaries: list[Summary] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    left_over: dict[str, list[str]] = field(default_factory=dict)


_state_key = pytest.StashKey[_State]()
_course_key = pytest.StashKey[Course]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and their ini keys."""
    group = parser.getgroup("qsession", "IBM Quantum sessions, recorded and replayed")
    for stem, (metavar, text) in OPTIONS.items():
        group.addoption(f"--qsession-{stem}", default=None, metavar=metavar, help=text)
    for stem, text in FLAGS.items():
        group.addoption(f"--qsession-{stem.replace('_', '-')}", action="store_true", default=False, help=text)
    for stem, (kind, default, text) in INI.items():
        parser.addini(f"qsession_{stem}", text, type=kind, default=default)  # type: ignore[arg-type]


def pytest_configure(config: pytest.Config) -> None:
    """Read the options once, where there are any."""
    config.addinivalue_line("markers", MARKER)
    config.stash[_state_key] = _State()
    if _told(config).concerns_us() or "QSESSION_COLLECTED" in os.environ:
        # Before the test modules are imported: one could make a service at once.
        _guard_the_service(config)
        _wide(config).watch_imports()
        config.add_cleanup(_wide(config).stop)
        from qsession._collected import LeftOver

        left = config.stash[_state_key].left_over
        config.pluginmanager.register(
            LeftOver(_plan(config), _is_ours, _wide(config), left), "qsession-left-over"
        )
        if (screen := _plan(config).settings.screen) is not None:
            from qsession._reports import install

            install(screen, config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the run before the function-scoped fixtures of every test that is ours."""
    ours = [item for item in items if _is_ours(item)]
    if not ours:
        return
    from qsession._collected import describe

    for item in ours:
        _run_first(item)
    try:
        _plan(config).check_cassettes([describe(item) for item in ours])
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None
    _guard_the_service(config)
    _wide(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a fixture that would outlive the run it asks for."""
    item.stash[_course_key] = Course()  # a plugin that repeats failed tests sets an item up again
    info = getattr(item, "_fixtureinfo", None)
    for name, definitions in (info.name2fixturedefs if info else {}).items():
        asked = _OURS.intersection(definitions[-1].argnames)
        if asked and definitions[-1].scope != "function" and name not in _OURS:
            from qsession._plan import too_wide

            raise too_wide(name, definitions[-1].scope, min(asked), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A refusal that the test swallowed fails the test itself, not its teardown."""
    run = _course(item).run
    if run is None:
        return (yield)
    from qsession._collected import just_before

    with just_before(item, run.begin_numbers_again):
        result = yield
    run.check()
    if strays := item.config.stash[_state_key].strays:
        raise strays.causes()[0]
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how the test went, and show the first refusal before anything else."""
    course, strays = _course(item), item.config.stash[_state_key].strays
    shows_all = item.config.getoption("fulltrace")
    if call.excinfo is not None and isinstance(call.excinfo.value, QSessionError) and not shows_all:
        from qsession._traceback import shorten

        shorten(call.excinfo)
    skip_parked(course, call)
    report = yield
    raised = call.excinfo.value if call.excinfo is not None else None
    if isinstance(raised, QSessionError) and hasattr(report, "wasxfail"):
        # xfail expects a failure of the code under test, not of its recording.
        del report.wasxfail
        report.outcome = "failed"
    remember(course, report)
    first = first_refusal(strays, course.run) if report.failed else None
    if first is not None and first is not raised:
        told = "\n".join((str(first), *getattr(first, "__notes__", ())))
        report.sections.insert(0, ("qsession: the first refusal of this run", told))
    if strays and (report.failed or (report.when == "teardown" and course.run is not None)):
        strays.forget()
    if report.when == "teardown":
        course.run = None  # pytest keeps its items to the end, and a run holds its recording
        if "qsession._run" in sys.modules:
            from qsession._neighbours import lift_limits

            lift_limits(item.config)
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The closing block."""
    state = config.stash[_state_key]
    if state.summaries:
        from qsession._report import lines

        terminalreporter.write_sep("=", "qsession")
        for line in lines(state.summaries, mode=_plan(config).mode, **state.left_over):
            terminalreporter.write_line(line)
    for told in state.unseen:
        terminalreporter.write_sep("=", "qsession: refused outside of the tests that are ours")
        terminalreporter.write_line(told)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, hand the summaries to the controller."""
    state, output = session.config.stash[_state_key], getattr(session.config, "workeroutput", None)
    if state.strays:
        state.unseen.append(state.strays.told())
    if output is not None:
        summaries = [asdict(summary) for summary in state.summaries]
        output["qsession"] = {"summaries": summaries, "unseen": state.unseen, "left_over": state.left_over}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller of pytest-xdist, give all workers one purse, and delete what they noted."""
    plan = node.config.stash[_state_key].plan
    if plan is None:
        return
    noted = plan.settings.scratch / "layers" / f"{node.workerinput['testrunuid']}.json"
    node.config.add_cleanup(lambda: noted.unlink(missing_ok=True))
    if (purse := plan.settings.purse) is not None:
        node.workerinput["qsession_purse"] = purse.share()
        node.config.add_cleanup(purse.clear)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the controller of pytest-xdist, take over what a worker did."""
    state, told = node.config.stash[_state_key], (getattr(node, "workeroutput", None) or {}).get("qsession")
    if not told:
        return
    state.unseen += told["unseen"]
    if told["summaries"]:
        from qsession._report import Summary, together

        state.summaries += [Summary(**summary) for summary in told["summaries"]]
        state.left_over = together(state.left_over, told["left_over"])


@pytest.fixture
def qsession_run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """The run of this test: its requests, its cassette, its QPU seconds."""
    from qsession._report import Summary

    item = request.node
    state, course, wide = item.config.stash[_state_key], _course(item), _wide(item.config)
    run = wide.run_of(item)
    if item.get_closest_marker("vcr"):
        from qsession._neighbours import refuse_one_file

        refuse_one_file(request, run.path)
    try:
        with run:
            course.run = run
            state.is_on = True
            yield run
            tell_outcome(run, course, takes_all=_takes_all(item.config))
    finally:
        state.is_on = False
        wide.is_over(run, item)
        _settle(item.config)
        begun = course.run is not None
        state.summaries.append(run.summary() if begun else Summary(run.mode, run.target, test=item.nodeid))


@pytest.fixture
def qsession_service(request: pytest.FixtureRequest, qsession_run: Run) -> QiskitRuntimeService:
    """A real ``QiskitRuntimeService`` inside the run of this test."""
    shared = _wide(request.config).shared(request.node)
    return qsession_run.service() if shared is None else shared.service


@pytest.fixture
def qsession_backend(
    request: pytest.FixtureRequest, qsession_run: Run, qsession_service: QiskitRuntimeService
) -> IBMBackend:
    """The configured backend: marker, option, ini, ``QISKIT_IBM_QPU``, else ``ibm_fez`` on the emulator."""
    from qsession._collected import describe
    from qsession._suite import backend_for

    shared = _wide(request.config).shared(request.node)
    if shared is not None:
        return shared.backend
    return backend_for(_plan(request.config), describe(request.node), qsession_run, qsession_service)


@pytest.fixture
def qsession(request: pytest.FixtureRequest, qsession_backend: IBMBackend) -> Iterator[Session | Batch]:
    """An open session on the configured backend; a batch with ``mode="batch"``."""
    from qsession._collected import describe
    from qsession._suite import close, session_for

    shared = _wide(request.config).shared(request.node)
    if shared is not None:
        yield shared.session
        return
    session = session_for(describe(request.node), qsession_backend)
    yield session
    close(session)


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
    state = config.stash[_state_key]
    if not state.is_settled and gc.get_freeze_count() == 0:
        gc.freeze()
        config.add_cleanup(gc.unfreeze)
    state.is_settled = True


def _plan(config: pytest.Config) -> Plan:
    state = config.stash[_state_key]
    if state.plan is None:
        from qsession._plan import plan

        try:
            state.plan = plan(
                _told(config), purse=getattr(config, "workerinput", {}).get("qsession_purse", "")
            )
        except UsageError as wrong:
            raise pytest.UsageError(str(wrong)) from None
    return state.plan


def _wide(config: pytest.Config) -> WideFixtures:
    state = config.stash[_state_key]
    if state.wide is None:
        from qsession._wide_fixtures import WideFixtures

        tell = state.strays.add if state.strays is not None else _untold
        workers: dict[str, str] = getattr(config, "workerinput", {})
        state.wide = WideFixtures(
            _plan(config), _is_ours, tell, state.summaries, run_id=workers.get("testrunuid", "")
        )
        config.pluginmanager.register(state.wide, "qsession-wide-fixtures")
    return state.wide


def _untold(_refusal: QSessionError) -> None:
    # Against the service nothing is watched outside of runs: it is raised, as everywhere.
    return


def _told(config: pytest.Config) -> Told:
    return Told(
        {stem: config.getoption(f"qsession_{stem}") for stem in (*OPTIONS, *FLAGS)},
        {stem: config.getini(f"qsession_{stem}") for stem in INI},
        config.inipath.parent if config.inipath else config.rootpath,
    )


def _course(item: pytest.Item) -> Course:
    return item.stash.setdefault(_course_key, Course())


def _is_ours(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    if getattr(item, "_fixtureinfo", None) is not None and _takes_all(item.config):
        return True
    return item.get_closest_marker("qsession") is not None or bool(_OURS.intersection(names))


def _takes_all(config: pytest.Config) -> bool:
    return bool(config.getoption("qsession_all") or config.getini("qsession_all"))


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
    state, plan = config.stash[_state_key], _plan(config)
    if state.strays is not None or not plan.keeps_off_the_service:
        return
    from qsession import _tally
    from qsession._fence import round_tests

    state.strays = _tally.Tally()
    undo = ExitStack()
    undo.enter_context(round_tests(plan.settings.allowed_hosts, state.strays, is_inside=lambda: state.is_on))
    config.add_cleanup(undo.close)

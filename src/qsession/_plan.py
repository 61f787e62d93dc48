"""What a test wants of its run: options, marker and place, turned into settings. No pytest here."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from qsession._config import (
    Layer,
    Mode,
    Option,
    Options,
    Settings,
    check_budget,
    check_match,
    check_park,
    check_word,
    did_you_mean,
    not_emulated,
    nothing_recorded,
    nothing_to_resume,
    wrong_match,
)
from qsession._model import Micros
from qsession._naming import cassette_path, is_layer, journal_path, looks_secret
from qsession._options import BUDGET_SECONDS, CASSETTES, Told
from qsession._payload import stable_seed
from qsession._shelf import Collected
from qsession._staleness import expiry
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._redaction import Screen
    from qsession._run import Run
    from qsession.emulator import Emulator

_SEED = re.compile(r"^    random_seed: (\d+)$", re.MULTILINE)
_HEAD = 4096
DEFAULT_BACKEND = "ibm_fez"

_MARKS = (
    "backend",
    "max_time",
    "mode",
    "cassette",
    "scenario",
    "match",
    "polls",
    "beyond",
    "allow_unused",
    "scope",
)
_KINDS: Sequence[tuple[str, type | tuple[type, ...], str]] = (
    ("backend", str, "the name of a backend"),
    ("max_time", (int, str, type(None)), "seconds, or a text such as '2h 30m'"),
    ("cassette", str, "a name like 'bell.yaml'"),
    ("scenario", str, "the name of a scenario, such as 'pending_for_hours'"),
    ("allow_unused", bool, "True or False"),
)
_WORDS = {
    "mode": ("dedicated", "batch"),
    "polls": ("leap", "exact"),
    "beyond": ("error", "model"),
    "scope": ("function", "module", "session"),
}
_LATER_MARKS = ("faults",)


@dataclass(frozen=True, slots=True)
class Item:
    """A test, as far as its run must know it.

    Attributes:
        nodeid: pytest's id.
        file: The test file.
        name: ``Class.test`` without parameters.
        parameters: Name and text of each parameter.
        positional: How many positional arguments its marker has.
        marks: Keyword arguments of its marker.
    """

    nodeid: str
    file: Path
    name: str
    parameters: Sequence[tuple[str, str]]
    positional: int
    marks: Mapping[str, object]

    @property
    def session_mode(self) -> str:
        """``dedicated`` or ``batch``."""
        return str(self.marks.get("mode", "dedicated"))

    @property
    def scope(self) -> str:
        """Of the session that the fixtures give: ``function``, ``module`` or ``session``."""
        return str(self.marks.get("scope", "function"))

    @property
    def max_time(self) -> int | str | None:
        """Seconds, or a text such as ``2h 30m``; None for the service's default."""
        value = self.marks.get("max_time")
        return value if isinstance(value, (int, str)) else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a test run, read once.

    Attributes:
        options: Where each value comes from.
        mode: One of the modes.
        root: Folder of the configuration.
        settings: What the runs of all its tests have in common.
    """

    options: Options
    mode: str
    root: Path
    settings: Settings

    @property
    def keeps_off_the_service(self) -> bool:
        """Whether no test of this run may reach IBM."""
        replays = self.mode == "replay" and not self.settings.resume
        return replays or self.settings.target == "emulator"

    @property
    def takes_all(self) -> bool:
        """Whether every test is ours, so that one may ask for nothing."""
        return self.options.get("all").value is not None

    def settings_of(self, test: Item, *, spent: float = 0.0) -> Settings:
        """What the run of a test is made of.

        Args:
            test: The test.
            spent: QPU seconds that the tests before it used.

        Raises:
            UsageError: If its marker is wrong (QS106).
        """
        _check_marks(test)
        path = self._path(test)
        scenario = str(test.marks.get("scenario", ""))
        mode: Mode = "scenario" if scenario else self._mode(path)
        backend = test.marks.get("backend")
        return replace(
            self.settings,
            mode=mode,
            target="emulator" if scenario else self.settings.target,
            path=None if mode in ("live", "scenario") else path,
            test=test.nodeid,
            backend=str(backend) if backend else None,
            budget=self.settings.budget - spent,
            allow_unused=bool(test.marks.get("allow_unused")),
            may_be_empty=self.takes_all,
            scenario=scenario,
            polls=check_word("polls", Option(str(test.marks.get("polls", "default")), "marker")),
            beyond=check_word("beyond", Option(str(test.marks.get("beyond", "error")), "marker")),
            match=check_match(test.marks.get("match", "meaning")),
            record_command=f"pytest '{test.nodeid}' --qsession-record --qsession-target={{target}}",
        )

    def covers(self, tests: Sequence[Item]) -> bool:
        """Whether tests are recorded anew, and every cassette of the folder is one of theirs.

        Args:
            tests: The tests.
        """
        if self.mode != "record":
            return False
        claimed = {os.path.normcase(self._path(test)).casefold() for test in tests}
        below = (path for path in self.folder.rglob("*.yaml") if not is_layer(path))
        return all(os.path.normcase(path).casefold() in claimed for path in below)

    def folder_of(self, test: Item) -> Path:
        """Where the cassettes of a test file lie, whatever cassette a test names itself."""
        return self._path(replace(test, marks={})).parent

    def check_marker(self, test: Item) -> None:
        """Its marker says what it may.

        Args:
            test: The test.

        Raises:
            UsageError: If it does not (QS106).
        """
        _check_marks(test)

    def records(self, test: Item) -> bool:
        """Whether a test is recorded."""
        return "scenario" not in test.marks and self._mode(self._path(test)) == "record"

    def settings_of_layer(
        self, path: Path, ident: str, test: str, *, records: bool, layer: Layer
    ) -> Settings:
        """What the run of a fixture is made of.

        Args:
            path: Its cassette.
            ident: Its name, in the place of a test's.
            test: A test that uses it.
            records: Whether it is recorded.
            layer: What is to be known of its recording.
        """
        mode: Mode = "live" if self.mode == "live" else "record" if records else "replay"
        return replace(
            self.settings,
            mode=mode,
            path=None if mode == "live" else path,
            test=ident,
            resume=False,
            park=None,
            layer=layer,
            record_command=f"pytest '{test}' --qsession-record --qsession-target={{target}}",
        )

    def seed_of_layer(self, path: Path, ident: str, *, records: bool) -> int | None:
        """Where random numbers begin in a fixture; None if nobody knows.

        Args:
            path: Its cassette.
            ident: Its name.
            records: Whether it is recorded.
        """
        if not records:
            return _seed_in(path)
        return stable_seed(ident) if self.settings.target == "emulator" else secrets.randbits(32)

    def check_cassettes(self, tests: Sequence[Item]) -> None:
        """Where something is recorded, each test has a cassette of its own.

        Args:
            tests: All tests of this run that have one.

        Raises:
            UsageError: If two would write the same one (QS109).
        """
        if self.mode not in ("record", "missing") and not self.settings.resume:
            return
        first: dict[str, Item] = {}
        for test in (test for test in tests if "scenario" not in test.marks):
            path = self._path(test)
            other = first.setdefault(str(path).lower(), test)
            if other is not test:
                raise _shared(path, self.root, other, test)

    def cassettes(self, tests: Sequence[Item], files: Sequence[Path]) -> Collected:
        """What a collection of tests tells of the cassettes.

        Args:
            tests: The tests that have one.
            files: Test files that were collected whole.
        """
        claimed = [self._path(test) for test in tests if "scenario" not in test.marks]
        return Collected(self.folder, self.root, claimed, files)

    def backend(self, test: Item, run: Run) -> str | None:
        """Name of the backend for the fixtures; None when nobody named one.

        In a replay the recording knows it, whatever this machine's options say.
        """
        marked = str(test.marks.get("backend") or "")
        name = run.backend_name(marked or self._named(run))
        return marked or name or None

    def _named(self, run: Run) -> str:
        named = self.options.get("backend").value or os.environ.get("QISKIT_IBM_QPU")
        template = None if run.mode == "scenario" else self.settings.template
        first = template.backends[0] if template is not None else DEFAULT_BACKEND
        return named or ("" if run.target == "ibm" else first)

    def _mode(self, path: Path) -> Mode:
        if self.mode == "live":
            return "live"
        if self.settings.resume and journal_path(self.settings.scratch, path).exists():
            return "record"
        replays = self.mode == "replay" or (self.mode == "missing" and path.exists())
        return "replay" if replays else "record"

    @property
    def folder(self) -> Path:
        """The folder of the cassettes."""
        return self.settings.folder or self.root

    def _path(self, test: Item) -> Path:
        if name := test.marks.get("cassette"):
            return self.folder / str(name)
        file = Path(os.path.relpath(test.file, self.root)).as_posix()
        return cassette_path(self.folder, file, test.name, test.parameters)


def plan(told: Told, *, workers: int = 1) -> Plan:
    """Read the options of a test run.

    Args:
        told: What was set.
        workers: Processes that share the budget; none knows what the others spend.

    Raises:
        UsageError: If a value is wrong (QS101, QS102, QS105, QS121, QS140 to QS142, QS167, QS170,
            QS178, QS179) or two contradict (QS108, QS143, QS165).
    """
    options = Options((("command line", told.command_line), ("ini", told.ini)))
    mode, target = _mode_of(options, told), check_word("target", options.get("target", "ibm"))
    resume = bool(told.command_line.get("resume"))
    redact = _listed(told.ini.get("redact"))
    settings = Settings(
        mode="replay",
        target=target,
        folder=told.root / str(options.get("cassettes", CASSETTES).value),
        scratch=told.root / ".qsession",
        account=options.get("account").value,
        instance=options.get("instance").value,
        budget=check_budget(options.get("budget", str(BUDGET_SECONDS))) / workers,
        allow_ci=options.get("allow_ci").value is not None,
        template=_template(options, told.root, target, replays=mode == "replay" and not resume),
        allowed_hosts=frozenset(host.lower() for host in _listed(told.ini.get("allowed_hosts"))),
        resume=resume,
        park=_park(options, mode, target, resume=resume),
        redact=redact,
        screen=_screen(redact, "record" if resume else mode),
        expiry=expiry(told.ini.get("expire"), told.ini.get("on_stale")),
    )
    return Plan(options, mode, told.root, settings)


def _mode_of(options: Options, told: Told) -> str:
    mode: str = check_word("mode", options.get("mode", "replay"))
    if not told.command_line.get("record"):
        return mode
    asked = told.command_line.get("mode")
    if asked in (None, "record"):
        return "record"
    raise UsageError(
        "QS108",
        "--qsession-record and --qsession-mode contradict each other.",
        evidence=[f"--qsession-record is short for --qsession-mode=record, but the mode is {asked!r}"],
        fix="leave one of them out",
    )


def _park(options: Options, mode: str, target: str, *, resume: bool) -> Micros | None:
    """How long a job may be queued, where there is a queue; refuses who insists where there is none."""
    asked = options.get("park")
    park = check_park(asked)
    insists = resume or asked.origin == "command line"
    if insists and mode == "live":
        raise nothing_recorded()
    if insists and target == "emulator":
        raise nothing_to_resume()
    # The ini file speaks of runs against the service.
    return None if target == "emulator" else park


def _seed_in(path: Path) -> int | None:
    """What the head of a cassette says, without opening it."""
    try:
        with path.open(encoding="utf-8") as file:
            found = _SEED.search(file.read(_HEAD))
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None


def _template(options: Options, root: Path, target: str, *, replays: bool) -> Emulator | None:
    """The emulator that was named, where this run goes to one; refuses who insists where it does not."""
    asked = options.get("emulator")
    if asked.value is None or replays:
        return None
    if target == "ibm":
        # The ini file speaks of runs on the emulator.
        if asked.origin == "command line":
            raise not_emulated(asked)
        return None
    # Only here: a replay has no use for it.
    from qsession._setup import template

    return template(asked, root)


def _listed(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _screen(redact: tuple[str, ...], mode: str) -> Screen | None:
    if mode == "replay" and not redact:
        return None
    from qsession._redaction import Screen, rules

    known = rules(redact, origin="the ini key qsession_redact")
    return None if mode == "replay" else Screen(known)


def parameters(values: Mapping[str, object], indices: Mapping[str, int]) -> Sequence[tuple[str, str]]:
    """Names and texts of a test's parameters, whatever order pytest shows them in.

    Args:
        values: Value by name.
        indices: Position of the value in its list, by name.
    """
    plain = (int, float, bool, type(None))
    return tuple(
        (name, value)
        if isinstance(value, str) and not looks_secret(value)
        # With the kind, 1 and "1" are two names.
        else (f"{name}:{type(value).__name__}", str(value))
        if isinstance(value, plain)
        else (f"{name}:object", f"{name}{indices.get(name, 0)}")
        for name, value in sorted(values.items())
    )


def too_wide(fixture: str, scope: str, asked: str, nodeid: str) -> UsageError:
    """A fixture of wider scope asks for one of ours."""
    return UsageError(
        "QS107",
        f"The fixture {fixture!r} outlives the run that it asks for.",
        evidence=[f"{fixture!r} has scope {scope!r}, {asked!r} belongs to one test (scope 'function')"],
        fix=f"give {fixture!r} the scope 'function'",
        where=nodeid,
    )


def no_backend(names: Sequence[str], nodeid: str) -> UsageError:
    """Nobody said on which backend to spend QPU time."""
    return UsageError(
        "QS112",
        "No backend was named, and against the service none is chosen for you.",
        evidence=[f"your instance has: {', '.join(sorted(names)) or 'none'}"],
        fix=f"--qsession-backend={sorted(names)[0] if names else 'NAME'}",
        where=nodeid,
    )


def unknown_backend(name: str, names: Sequence[str], nodeid: str, mode: str) -> UsageError:
    """The account has no backend of this name, or the recording none."""
    if mode == "replay":
        evidence = [f"{name!r} is not in the recording"]
        fix = "name the backend that was recorded, or record again with --qsession-record"
    else:
        evidence = [f"{name!r}; {did_you_mean(name, sorted(names))}"]
        fix = "name another with --qsession-backend=NAME, in the marker, or in QISKIT_IBM_QPU"
    return UsageError("QS115", "There is no backend of this name.", evidence=evidence, fix=fix, where=nodeid)


def _shared(path: Path, root: Path, one: Item, other: Item) -> UsageError:
    return UsageError(
        "QS109",
        "Two tests would write the same cassette, each over the other's. Nothing was recorded.",
        evidence=[f"both write {os.path.relpath(path, root)}", one.nodeid, other.nodeid],
        fix="leave cassette= out of the marker, or give each test a name (ids=... for parameters) of its own",
    )


def _check_marks(test: Item) -> None:
    evidence = [*_wrong_values(test.marks)]
    if test.positional:
        evidence.append(f"{test.positional} positional argument(s); it takes keyword arguments only")
    for name in test.marks:
        if name in _LATER_MARKS:
            evidence.append(f"{name!r} is not there yet")
        elif name not in _MARKS:
            evidence.append(f"{name!r}; {did_you_mean(name, _MARKS)}")
    if evidence:
        raise UsageError(
            "QS106",
            "The marker qsession has an argument that it does not take.",
            evidence=evidence,
            fix='for example @pytest.mark.qsession(backend="ibm_fez", max_time="1h", mode="batch")',
            where=test.nodeid,
        )


def _wrong_values(marks: Mapping[str, object]) -> Iterator[str]:
    for name, words in _WORDS.items():
        if name in marks and marks[name] not in words:
            yield f"{name}={marks[name]!r}; {did_you_mean(str(marks[name]), words)}"
    if "match" in marks and (wrong := wrong_match(marks["match"])):
        yield wrong
    if "scenario" in marks and "cassette" in marks:
        yield "scenario and cassette; a scenario records nothing and replays nothing"
    for name, kinds, takes in _KINDS:
        if name in marks and (not isinstance(marks[name], kinds) or marks[name] == ""):
            yield f"{name}={marks[name]!r}; it takes {takes}"
    cassette = marks.get("cassette")
    if isinstance(cassette, str) and cassette and not _is_cassette_name(cassette):
        yield f"cassette={cassette!r}; it takes a name like 'bell.yaml', inside the folder of the cassettes"


def _is_cassette_name(name: str) -> bool:
    path = PurePath(name)
    return path.suffix == ".yaml" and not path.is_absolute() and not {"..", "\0"} & {*path.parts, *name}

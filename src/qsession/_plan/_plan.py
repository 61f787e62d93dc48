"""What tests want of their runs: options, marker and place, turned into settings."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qsession._config import (
    Layer,
    Mode,
    Option,
    Options,
    Settings,
    check_match,
    check_word,
)
from qsession._naming import cassette_path, is_layer, journal_path
from qsession._payload import stable_seed
from qsession._plan._marks import Item, check_marks
from qsession._plan._messages import one_for_two
from qsession._shelf import Collected, head_of

if TYPE_CHECKING:
    from qsession._run import Run

DEFAULT_BACKEND = "ibm_fez"


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
    def only_replays(self) -> bool:
        """Whether nothing is recorded, nor gone on with."""
        return self.mode == "replay" and not self.settings.resume

    @property
    def keeps_off_the_service(self) -> bool:
        """Whether no test of this run may reach IBM."""
        return self.only_replays or self.settings.target == "emulator"

    @property
    def takes_all(self) -> bool:
        """Whether every test is ours, so that one may ask for nothing."""
        return self.options.get("all").value is not None

    def settings_of(self, test: Item) -> Settings:
        """What the run of a test is made of.

        Args:
            test: The test.

        Raises:
            UsageError: If its marker is wrong (QS106).
        """
        check_marks(test)
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
        check_marks(test)

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
            # A file that is not there, or is damaged, is refused when the fixture asks for something.
            head = head_of(path)
            return None if head is None else head.random_seed
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
                raise one_for_two(path, self.root, other, test)

    def cassettes(self, tests: Sequence[Item], files: Sequence[Path]) -> Collected:
        """What a collection of tests tells of the cassettes.

        Args:
            tests: The tests that have one.
            files: Test files that were collected whole.
        """
        claimed = {test.nodeid: self._path(test) for test in tests if "scenario" not in test.marks}
        return Collected(self.folder, self.root, claimed, files, may_be_empty=self.takes_all)

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

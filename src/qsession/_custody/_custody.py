"""The custody of one run that records."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qsession import _setup
from qsession._again import course_of, in_former_bytes
from qsession._config import Layer, Settings, nothing_to_resume
from qsession._custody import _quarantine
from qsession._custody._names import check_name
from qsession._custody._rejected import keep
from qsession._ids import Ids
from qsession._journal import Journal, Past, discard, new_head, other_test, read, withheld
from qsession._lock import Lock, waited_for
from qsession._model import Instant, Provenance, Recording
from qsession._naming import journal_path, relative
from qsession._recording import Account, Recorder, Settle
from qsession._store import display
from qsession.errors import CassetteError, Parked, UsageError

if TYPE_CHECKING:
    from qsession._answers import Served
    from qsession._money import MoneyGuard
    from qsession._redaction import Redactor


@dataclass(slots=True)
class Custody:
    """Lock, journal and end of one run that records.

    Attributes:
        settings: What the run is made of.
        past: What the run goes on from, or None.
        journal: What it writes; None on the emulator, whose jobs die with the process.
        parked: Why the run was left until later, or None.
        waits: Whether a journal of the service was left as it is: the run is one on the emulator, and
            what was submitted there was not for nothing.
        is_other: Whether another worker recorded the same fixture, and it did something else there.
    """

    settings: Settings
    past: Past | None = None
    journal: Journal | None = None
    parked: Parked | None = None
    waits: bool = False
    is_other: bool = False
    _lock: Lock | None = None

    def take(self) -> None:
        """Lock the cassette, and read the journal where there is something to go on with.

        Raises:
            UsageError: If resuming is asked of the emulator (QS165), a parked recording would be
                made anew (QS166), or a credential stands in the name of the test (QS620).
            CassetteError: If another process records this cassette (QS219), or the
                journal cannot be gone on with (QS211, QS216, QS218).
        """
        settings = self.settings
        if settings.path is None or settings.mode != "record" or settings.layer is not None:
            # What a fixture does cannot be gone on with: its sessions end with its process. And each worker
            # has its own: the first to end is kept.
            return
        if settings.target == "emulator" and (settings.resume or settings.park is not None):
            raise nothing_to_resume(settings.test)
        check_name(settings)
        self._lock = Lock(settings.scratch / "locks", settings.path)
        self._lock.take()
        path = journal_path(settings.scratch, settings.path)
        if not path.exists():
            return
        if settings.target == "emulator":
            self.waits = _holds_submissions(path)
        elif settings.resume:
            self.past = _fit(read(path), settings)
        elif parked := _parked(settings):
            raise _is_parked(parked, settings)

    def recorder(
        self,
        started: Instant,
        *,
        account: Account | None = None,
        ids: Ids | None = None,
        aliased: bool = False,
    ) -> Recorder:
        """The recorder of the run, told what was recorded before.

        Args:
            started: When the run begins.
            account: What is known of the account.
            ids: Real ids and pseudonyms of what was made before.
            aliased: Whether instances are known again in other recordings.
        """
        settings, past = self.settings, self.past
        recorder = Recorder(
            past.head.recorded_at if past else started,
            redactor=_setup.redactor(settings),
            proves=settings.mode == "record",
            aliased=aliased,
            account=account,
            ids=ids,
        )
        if settings.target == "emulator" or self._lock is None or settings.path is None:
            return recorder
        if past is not None:
            recorder.restore(past.interactions, ((m.kind, m.real, m.meaning) for m in past.settled))
            # Tokens are asked for before the journal is at its end.
            recorder.go_on(started)
            self.journal = Journal.go_on(past, recorder.redactor)
        else:
            path = journal_path(settings.scratch, settings.path)
            cassette = relative(settings.scratch, settings.path)
            head = new_head(test=settings.test, cassette=cassette, recorded_at=started)
            self.journal = Journal.begin(path, recorder.redactor, head)
        recorder.notes = self.journal
        return recorder

    def answers(self, recorder: Recorder, money: MoneyGuard) -> Served:
        """How requests are answered: by the service, after the journal if there is one.

        Args:
            recorder: From `recorder`.
            money: Watches over QPU time.
        """
        from qsession._answers import Parking, Served

        settings, parking = self.settings, None
        if settings.park is not None and self.journal is not None:
            parking = Parking(settings.park, lambda: self._leave(money))
        if self.past is None or self.journal is None:
            return Served(recorder, money, parking=parking)
        from qsession._answers._resumed import Resumed
        from qsession._journal import Playback

        return Resumed(
            recorder=recorder,
            money=money,
            parking=parking,
            journal=self.journal,
            past=self.past,
            playback=Playback(self.past, where=settings.test or str(settings.path)),
            record=settings.record_command.replace("{target}", "ibm"),
            where=settings.test or str(settings.path),
        )

    def recall(self, name: str, value: object) -> object:
        """What the run was told when its recording began, or, in a recording that begins, the value."""
        if self.past is not None and name in self.past.told:
            return self.past.told[name]
        if self.journal is not None:
            self.journal.told(name, value)
        return value

    def finish(
        self,
        recorder: Recorder,
        provenance: Provenance,
        *,
        failed: str | None,
        settle: Settle | None = None,
    ) -> str:
        """Make a recording a cassette, or keep it aside.

        Args:
            recorder: From `recorder`.
            provenance: What the run knows.
            failed: Why it must not become a cassette; None if it may.
            settle: Takes over what is recorded elsewhere. What is kept aside holds everything itself.

        Returns:
            The cassette that was written, or an empty text. Unless it was, the journal
            stays where there is something to go on with.

        Raises:
            CassetteError: If it cannot be written (QS207, QS208), or is in quarantine (QS221).
            UsageError: If a credential stands in the name of the test (QS620).
        """
        settings = self.settings
        if settings.path is None or settings.mode != "record" or self.parked is not None:
            return ""
        if settings.target == "emulator":
            # What the test itself brought along is known by now; elsewhere it may have been paid for.
            check_name(settings)
        if settings.may_be_empty and recorder.is_empty and not settings.path.exists():
            return ""
        redactor, store = recorder.redactor, _setup.store(settings)
        recording = recorder.finished(provenance, settle=settle if failed is None else None)
        if failed is None:
            if settings.may_be_empty and _says_nothing(recording) and not settings.path.exists():
                # Whether it was the first to read what is common, and so was asked at all, is chance.
                return ""
            with suppress(CassetteError):
                recording = in_former_bytes(recording, store.load(settings.path))
            # What was written by an older version may hold what is taken out today.
            recording = redactor.clean_recording(recording)
        _quarantine.keep_out(store, settings.path, recording, redactor)
        if failed is not None:
            if recording.interactions:
                keep(store, settings.path, recording, redactor, test=settings.test, failed=failed)
            return ""
        if settings.layer is not None:
            return self._finish_layer(settings.path, settings.layer, recording, redactor)
        store.save(settings.path, recording, redactor)
        if self.journal is not None:
            self.journal.remove()
        return display(settings.path)

    def _finish_layer(self, path: Path, layer: Layer, recording: Recording, redactor: Redactor) -> str:
        """Of several workers that recorded a fixture, the first to end is kept."""
        store = _setup.store(self.settings)
        with waited_for(self.settings.scratch / "locks", path):
            is_first = layer.is_first()
            known = store.load(path) if path.exists() and (layer.stays or not is_first) else None
            if known is not None and course_of(recording) == course_of(known):
                return ""
            if known is not None and not is_first:
                self.is_other = True
                return ""
            store.save(path, recording, redactor)
        return display(path)

    def release(self) -> None:
        """The run is over: let others record."""
        if self.journal is not None:
            if not self.journal.holds_submissions:
                self.journal.remove()
            self.journal.close()
        if self._lock is not None:
            self._lock.drop()

    def _leave(self, money: MoneyGuard) -> None:
        """Leave the run until later: what is queued stays queued."""
        assert self.journal is not None
        command = self.settings.resume_command
        # First on the disk: nothing is left that nobody could collect.
        self.journal.parked(command)
        money.park(command)
        self.parked = Parked(f"parked: a job is still queued. Collect it later with {command}")
        raise self.parked


def abandon(scratch: Path, command: str) -> None:
    """Drop the journal that a command would collect: what was parked is cancelled."""
    for path in (scratch / "journal").glob("*.jsonl"):
        with suppress(CassetteError, OSError):
            if read(path).parked == command:
                discard(path)


def _fit(past: Past, settings: Settings) -> Past:
    if past.head.test != settings.test:
        raise other_test(past.path, settings.test, past.head.test)
    if past.withheld:
        raise withheld(past.path, past.withheld)
    return past


def _holds_submissions(path: Path) -> bool:
    try:
        return read(path).numbers > 0
    except CassetteError:
        # Nobody can tell.
        return True


def _parked(settings: Settings) -> str:
    assert settings.path is not None
    try:
        return read(journal_path(settings.scratch, settings.path)).parked
    except CassetteError:
        # Nobody can go on with it.
        return ""


def _is_parked(command: str, settings: Settings) -> UsageError:
    return UsageError(
        "QS166",
        "This recording is parked: its job waits on the service. Recording anew would submit it again.",
        fix=command,
        intended="qsession doctor --close --parked cancels what is parked, and forgets it",
        where=settings.test or str(settings.path),
    )


def _says_nothing(recording: Recording) -> bool:
    """Whether a replay without it would be the same."""
    told = recording.provenance
    return not (recording.interactions or told.unmet or told.backend or told.isa_seed is not None)

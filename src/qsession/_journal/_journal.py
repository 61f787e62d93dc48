"""The journal of one recording, as it is written."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Self

from qsession._cassette import entry_of
from qsession._files import ignored_by_git
from qsession._journal import _messages
from qsession._journal._bodies import Bodies
from qsession._journal._lines import Record, line
from qsession._journal._past import FORMAT, Head, Past, bodies_of
from qsession._model import Instant, Interaction, Micros, Request, Response
from qsession._redaction import Redactor, not_written


class _Withheld(Exception):
    """A secret would have been written.

    Args:
        kinds: What kinds of secrets.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.kinds = kinds
        super().__init__(kinds)


class Journal:
    """Takes down a recording as it happens. Safe for concurrent use.

    What costs QPU time is on the disk before it is sent, and its answer before the
    code under test sees it; the rest survives the death of the process, not that of
    the machine.

    Where the disk refuses, or a secret would be written, it says no more: what was
    paid for goes on and becomes a cassette if it can, but nothing more is submitted.

    Use `begin` and `go_on`.
    """

    def __init__(self, past: Past, redactor: Redactor) -> None:
        self.path = past.path
        self.head = past.head
        self._redactor = redactor
        self._bodies = Bodies(bodies_of(past.path))
        self._lock = threading.RLock()
        self._goes_on = past.size > 0
        self._chain = past.chain
        self._size = past.size
        self._numbers = past.numbers
        self._marks = list(past.marks)
        self._untold: list[Record] = []
        self._under_way: dict[int, int] = {}
        self._known = -1
        self._stopped: OSError | tuple[str, ...] | None = None
        self._owner = os.getpid()
        self._file = -1
        self._closed = False

    @classmethod
    def begin(cls, path: Path, redactor: Redactor, head: Head) -> Self:
        """A new journal, which takes the place of one that was there with its first line."""
        return cls(Past(path, head), redactor)

    @classmethod
    def go_on(cls, past: Past, redactor: Redactor) -> Self:
        """The journal that was read, to be written on."""
        return cls(past, redactor)

    @property
    def holds_submissions(self) -> bool:
        """Whether anything was submitted: else there is nothing to go on with."""
        return self._numbers > 0

    def instance(self, index: int, crn: str) -> None:
        """An instance is used; what tells it from others is written, not what it is.

        Raises:
            CassetteError: If the journal was begun with another one (QS216).
        """
        mark = sha256(f"{self.head.salt}\0{crn}".encode()).hexdigest()
        with self._lock:
            if index < len(self._marks):
                if self._marks[index] != mark:
                    raise _messages.other_instance(self.path)
                return
            self._marks.append(mark)
            self._try({"k": "instance", "mark": mark})

    def told(self, name: str, value: object) -> None:
        """What the run was told and must be told again; a new journal has it from its first exchange on."""
        with self._lock:
            record = {"k": "told", "name": name, "value": value}
            if self._file < 0 and not self._goes_on:
                self._untold.append(record)
            else:
                self._try(record)

    def asking(self, endpoint: str, instance: int, request: Request, at: Instant) -> None:
        """A creating request is about to be sent; it is on the disk when this returns.

        Args:
            endpoint: ``sessions.create`` or ``jobs.create``.
            instance: Which of the recording's instances.
            request: Cleaned, with pseudonyms.
            at: Now.

        Raises:
            CassetteError: If it cannot be written (QS214), or would put a secret
                there (QS207). Then it must not be sent.
        """
        with self._lock:
            self._refuse_when_stopped()
            number = self._numbers + 1
            asked = Interaction(endpoint, instance, request, Response(0), at, 0)
            self._say(lambda: self._exchange("asking", number, asked, sync=True), sync=True)
            self._refuse_when_stopped()
            self._numbers = number
            self._under_way[threading.get_ident()] = number

    def answering(self, number: int) -> None:
        """What this thread makes next answers a request that was asked by an earlier process."""
        self._under_way[threading.get_ident()] = number

    def failed(self) -> None:
        """The request that this thread asked had no answer, and the code under test knows."""
        number = self._under_way.pop(threading.get_ident(), None)
        if number is not None:
            self._say(lambda: {"k": "failed", "n": number})

    def made(self, kind: str, real: str, meaning: str) -> None:
        """A session or job was made by the request that this thread asked."""
        with self._lock:
            number = self._under_way.get(threading.get_ident())
            # What is said next is flushed, and this with it.
            self._try({"k": "made", "n": number, "kind": kind, "real": real, "meaning": meaning})

    def said(self, interaction: Interaction) -> None:
        """An exchange that is a new interaction of the recording."""
        with self._lock:
            number = self._under_way.pop(threading.get_ident(), None)
            sync = number is not None
            self._say(lambda: self._exchange("said", number, interaction, sync=sync), sync=sync)

    def again(self, index: int, at: Micros) -> None:
        """The same answer once more.

        Args:
            index: Which interaction of the recording.
            at: When it was asked, counted from the start of the recording.
        """
        self._say(lambda: {"k": "again", "i": index, "at": at})

    def parked(self, command: str) -> None:
        """The run is left until later.

        Raises:
            CassetteError: If that cannot be written (QS214, QS207).
        """
        with self._lock:
            self._try({"k": "parked", "command": command}, sync=True)
            self._refuse_when_stopped()

    def taken_up(self) -> None:
        """What was parked is this run's again, or is gone."""
        self._try({"k": "resumed"}, sync=True)

    def close(self) -> None:
        """Say no more."""
        with self._lock:
            self._closed = True
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def remove(self) -> None:
        """The recording is a cassette now, or holds nothing worth going on with."""
        written = self._file >= 0 or self._goes_on
        self.close()
        if written and self._owner == os.getpid():
            with suppress(OSError):
                discard(self.path)

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignored_by_git(self.path.parent)
        if not self._goes_on:
            discard(self.path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        # A torn last line goes.
        os.ftruncate(self._file, self._size)
        if not self._goes_on:
            for record in ({"k": "head", "format": FORMAT, **asdict(self.head)}, *self._untold):
                self._append(record, prove=True)

    def _exchange(self, kind: str, number: int | None, interaction: Interaction, *, sync: bool) -> Record:
        self._prove(interaction)
        bodies: dict[str, bytes] = {}
        entry = entry_of(interaction, bodies)
        self._bodies.keep(bodies, sync=sync)
        return {"k": kind, "n": number, "exchange": entry}

    def _try(self, record: Record, *, sync: bool = False) -> None:
        self._say(lambda: record, sync=sync, prove=True)

    def _say(self, make: Callable[[], Record], *, sync: bool = False, prove: bool = False) -> None:
        with self._lock:
            # A forked child has a recording of its own, which nobody wants.
            if self._stopped is not None or self._closed or self._owner != os.getpid():
                return
            try:
                if self._file < 0:
                    self._open()
                self._append(make(), sync=sync, prove=prove)
            except OSError as refused:
                self._stopped = refused
                # What was written of the line goes, so that the rest can be read.
                with suppress(OSError):
                    os.ftruncate(self._file, self._size)
            except _Withheld as withheld:
                self._stopped = withheld.kinds
                # Nor is there anything to add to where what is known by now stands in it.
                with suppress(OSError, _Withheld):
                    self._append({"k": "withheld", "kinds": list(withheld.kinds)})

    def _append(self, record: Record, *, sync: bool = False, prove: bool = False) -> None:
        data, chain = line(record, self._chain)
        if prove:
            self._refuse(self._redactor.find(data))
        self._prove_the_rest()
        rest, at = memoryview(data), self._size
        while rest:
            written = os.pwrite(self._file, rest, at) if hasattr(os, "pwrite") else self._write(rest, at)
            rest, at = rest[written:], at + written
        if sync:
            os.fsync(self._file)
        self._chain, self._size = chain, at

    def _write(self, data: memoryview, at: int) -> int:
        # Windows has no pwrite.
        os.lseek(self._file, at, os.SEEK_SET)
        return os.write(self._file, data)

    def _prove(self, interaction: Interaction) -> None:
        # As the recorder has just done: what was looked through is not looked through again.
        self._refuse(sorted({each.kind for each in self._redactor.prove(interaction)}))

    def _refuse(self, kinds: Sequence[str]) -> None:
        if kinds:
            raise _Withheld(tuple(kinds))

    def _prove_the_rest(self) -> None:
        """What was not known as a secret when it was written may be known as one now."""
        if (known := self._redactor.known) == self._known:
            return
        self._known = known
        try:
            for path in (self.path, *bodies_of(self.path).glob("[0-9a-f]*")):
                self._refuse(self._redactor.find(path.read_bytes()))
        except _Withheld:
            discard(self.path)
            raise

    def _refuse_when_stopped(self) -> None:
        if isinstance(self._stopped, OSError):
            raise _messages.unwritable(self.path, self._stopped)
        if self._stopped is not None:
            kinds = f"{', '.join(self._stopped)} (the value is not shown)"
            told = f"the journal would hold: {kinds}; nothing was submitted"
            raise not_written(told, where=self.head.cassette)


def new_head(*, test: str, cassette: str, recorded_at: Instant) -> Head:
    """The head of a journal that begins now."""
    return Head(test, cassette, recorded_at, secrets.token_hex(16))


def discard(path: Path) -> None:
    """Delete a journal and what lies beside it; nothing happens where there is none.

    Raises:
        OSError: If the disk refuses.
    """
    path.unlink(missing_ok=True)
    shutil.rmtree(bodies_of(path), ignore_errors=True)

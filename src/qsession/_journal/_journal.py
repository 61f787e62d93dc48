"""The journal of one recording, as it is written."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

from qsession._journal import _messages
from qsession._journal._bodies import Bodies
from qsession._journal._lines import Record, line
from qsession._journal._past import FORMAT, Head, Past, bodies_of
from qsession._model import Instant, Interaction, Micros, Request
from qsession._redaction import Redactor


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

    def __init__(self, path: Path, redactor: Redactor, head: Head, past: Past | None = None) -> None:
        self.path = path
        self.head = head
        self._redactor = redactor
        self._bodies = Bodies(bodies_of(path), self._prove)
        self._lock = threading.RLock()
        self._chain = past.chain if past else ""
        self._size = past.size if past else 0
        self._numbers = past.numbers if past else 0
        self._marks = list(past.marks) if past else []
        self._under_way: dict[int, int] = {}
        self._known = -1
        self._stopped: OSError | tuple[str, ...] | None = None
        self._owner = os.getpid()
        self._past = past
        self._file = -1
        self._closed = False
        self._first: list[Record] = []

    @classmethod
    def begin(cls, path: Path, redactor: Redactor, head: Head) -> Self:
        """A new journal, which takes the place of one that was there with its first line."""
        return cls(path, redactor, head)

    @classmethod
    def go_on(cls, past: Past, redactor: Redactor) -> Self:
        """The journal that was read, to be written on."""
        return cls(past.path, redactor, past.head, past)

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
        """What the run was told and must be told again."""
        record: Record = {"k": "told", "name": name, "value": value}
        with self._lock:
            if self._file < 0 and self._past is None:
                # Not yet: a run that cannot even begin must not take an older journal's place.
                self._first.append(record)
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
            self._say(
                lambda: {
                    "k": "asking",
                    "n": number,
                    "endpoint": endpoint,
                    "instance": instance,
                    "request": self._bodies.request(request, sync=True),
                    "at": at,
                },
                sync=True,
            )
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
            self._try({"k": "failed", "n": number})

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
            self._say(lambda: self._exchange(interaction, number), sync=number is not None)

    def again(self, index: int, at: Micros) -> None:
        """The same answer once more.

        Args:
            index: Which interaction of the recording.
            at: When it was asked, counted from the start of the recording.
        """
        self._try({"k": "again", "i": index, "at": at})

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
        written = self._file >= 0 or self._past is not None
        self.close()
        if written and self._owner == os.getpid():
            with suppress(OSError):
                discard(self.path)

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        if self._past is None:
            discard(self.path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        # A torn last line goes.
        os.ftruncate(self._file, self._size)
        if self._past is None:
            head = self.head
            self._append(
                {
                    "k": "head",
                    "format": FORMAT,
                    "test": head.test,
                    "cassette": head.cassette,
                    "recorded_at": head.recorded_at,
                    "salt": head.salt,
                }
            )
            for record in self._first:
                self._append(record)

    def _exchange(self, interaction: Interaction, number: int | None) -> Record:
        sync = number is not None
        record: dict[str, object] = {
            "k": "said",
            "n": number,
            "endpoint": interaction.endpoint,
            "instance": interaction.instance,
            "response": self._bodies.response(interaction.response, sync=sync),
            "at": interaction.at,
            "took": interaction.took,
        }
        if number is None:
            record["request"] = self._bodies.request(interaction.request)
        return record

    def _try(self, record: Record, *, sync: bool = False) -> None:
        self._say(lambda: record, sync=sync)

    def _say(self, make: Callable[[], Record], *, sync: bool = False) -> None:
        with self._lock:
            # A forked child has a recording of its own, which nobody wants.
            if self._stopped is not None or self._closed or self._owner != os.getpid():
                return
            try:
                if self._file < 0:
                    self._open()
                self._append(make(), sync=sync)
            except OSError as refused:
                self._stopped = refused
                # What was written of the line goes, so that the rest can be read.
                with suppress(OSError):
                    os.ftruncate(self._file, self._size)
            except _Withheld as withheld:
                self._stopped = withheld.kinds
                with suppress(OSError):
                    self._append({"k": "withheld", "kinds": list(withheld.kinds)})

    def _append(self, record: Record, *, sync: bool = False) -> None:
        data, chain = line(record, self._chain)
        if record.keys() - {"k", "n", "i", "at"}:  # else there are only numbers in it
            self._prove(data)
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

    def _prove(self, data: bytes) -> None:
        if kinds := self._redactor.find(data):
            raise _Withheld(kinds)

    def _prove_the_rest(self) -> None:
        """What was not known as a secret when it was written may be known as one now."""
        if (known := self._redactor.known) == self._known:
            return
        self._known = known
        try:
            self._prove(self.path.read_bytes())
            for body in bodies_of(self.path).glob("[0-9a-f]*"):
                self._prove(body.read_bytes())
        except _Withheld:
            discard(self.path)
            raise

    def _refuse_when_stopped(self) -> None:
        if isinstance(self._stopped, OSError):
            raise _messages.unwritable(self.path, self._stopped)
        if self._stopped is not None:
            raise _messages.secret(self.head.cassette, self._stopped)


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

"""One budget and one pace for everybody who spends from it: runs of this process, and other processes.

The sum is that of all ledgers, to the moment, so it never depends on who was asked last.
A job is let through in a turn: one process at a time counts what all others may have
spent, reserves what the job may need, and says so on disk, before it is sent. Nobody
waits or sends in a turn.

What lowers a bound may be said later, since a ledger that is behind counts too much and
never too little.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from qsession._files import ignored_by_git
from qsession._lock import Turn
from qsession._model import SECOND, Instant
from qsession._money import _messages, _shares
from qsession._money._estate import Estate
from qsession._money._ledger import Entry, Ledger
from qsession._money._lives import this_life
from qsession._money._pace import OF_THIS_PROCESS, Pace, read_claims, write_claims
from qsession._money._shares import Place, Share

_REREAD = SECOND // 4
_RETELL = SECOND


class Spender(Protocol):
    """A guard, as its purse knows it."""

    @property
    def counted(self) -> Ledger:
        """What it may have spent."""
        ...

    def places(self, mark: Callable[[str], str]) -> Mapping[str, Place]:
        """Where the things in its ledger live, by id, with instances marked."""
        ...

    def entries(self, at: Instant) -> Iterable[Entry]:
        """Its bound, item by item."""
        ...


class Purse:
    """What one agreed budget has paid for so far, and when the next submission may go out.

    Without a name it belongs to this process: what its runs spent is known to them and
    to nobody else. With a name it is shared with every process that joined by that name.
    The pace is shared either way, with everybody who works in this folder.

    Args:
        folder: Folder such as ``.qsession``; what is shared goes to its ``purse``.
        name: The name to join by, from `share`; empty for a purse of one's own.
        pace: The moments that this process was given.
    """

    def __init__(self, folder: Path, *, name: str = "", pace: Pace = OF_THIS_PROCESS) -> None:
        self._scratch = folder.absolute()
        self._folder = self._scratch / "purse"
        self._pace_file = self._folder / "pace.json"
        self._turn = Turn(self._folder / "turn.lock")
        self._threads = threading.RLock()
        self._lock = threading.Lock()
        self._pace = pace
        self._spenders: tuple[Spender, ...] = ()
        self._settled = 0.0
        self._name = name
        self._is_joined = bool(name)
        self._is_owned = self._is_swept = self._is_told = False
        self._life = this_life()
        self._others: Mapping[str, Share] = {}
        self._taken: tuple[str, ...] = ()
        self._read: Instant | None = None
        self._told_at: Instant = 0

    def share(self) -> str:
        """Let other processes spend from this purse.

        Returns:
            The name to join by.
        """
        self._name, self._is_owned = _shares.name_of(self._life), True
        return self._name

    def clear(self) -> None:
        """Forget what was shared: the run of all processes is over. Only who shared it does."""
        if self._is_owned and self._life.pid == os.getpid():
            shutil.rmtree(self._folder / self._name, ignore_errors=True)

    def opened(self, spender: Spender) -> None:
        """Count what a guard counts.

        Raises:
            BudgetError: QS630 if other processes could not be told.
        """
        with self._lock:
            self._spenders = (*self._spenders, spender)
        if self._is_joined and not self._is_told:
            # From here on nobody takes the run for one whose processes are all dead.
            with self._on_disk():
                self._prepare()
                self._tell()

    def closed(self, spender: Spender, seconds: float) -> None:
        """Keep what a guard came to; nothing of it goes on."""
        with self._lock:
            self._spenders = self.beside(spender)
            self._settled += seconds
        # Where it cannot be said, the ledger that was told last counts on, which is more.
        with suppress(OSError):
            self._tell()

    def beside(self, spender: Spender) -> tuple[Spender, ...]:
        """The other guards of this process: those whose runs pause."""
        return tuple(each for each in self._spenders if each is not spender)

    def spent_elsewhere(self, spender: Spender, at: Instant) -> float:
        """What everybody but one guard may have spent by a moment, in QPU seconds.

        Raises:
            BudgetError: QS631 if nobody can tell what another process spent.
        """
        self._reread(at)
        with self._lock:
            settled, spenders, shares = self._settled, self.beside(spender), tuple(self._others.values())
        here = sum(each.counted.spent(at) for each in spenders)
        return settled + here + sum(share.spent(at) for share in shares)

    def entries_elsewhere(self, spender: Spender, at: Instant) -> tuple[Entry, ...]:
        """The same, item by item."""
        found = [entry for each in self.beside(spender) for entry in each.entries(at)]
        if self._settled:
            found.append(Entry("earlier tests of this process", self._settled, "counted at their end"))
        for share in self._others.values():
            if seconds := share.spent(at):
                found.append(Entry(f"process {share.life.pid}", seconds, _who(share)))
        return tuple(found)

    @contextmanager
    def turn(self, at: Instant) -> Iterator[None]:
        """Let nobody else spend meanwhile; what all others may have spent is up to date within.

        Args:
            at: The present moment.

        Raises:
            BudgetError: QS630 if the folder cannot be used, QS631 if nobody can tell what
                another process spent.
        """
        if not self._is_joined:
            with self._threads:
                yield
            return
        with self._on_disk():
            self._prepare()
            with self._turn:
                self._reread(at, anew=True)
                yield

    def reserved(self, at: Instant) -> None:
        """Say what is reserved, before it is used. Within a turn only.

        Raises:
            BudgetError: QS630 if it cannot be said.
        """
        with self._on_disk():
            self._tell()
        self._told_at = at

    def lowered(self, at: Instant) -> None:
        """Say that less may have been spent than was said; soon enough, not each time."""
        self._notice_fork()
        if self._is_told and not 0 <= at - self._told_at < _RETELL:
            self._told_at = at
            with suppress(OSError):
                self._tell()

    def inherited(self, at: Instant) -> tuple[Estate, ...]:
        """What processes of this run left that died, as far as this one looks after it.

        Raises:
            BudgetError: QS630 or QS631, as in a turn.
        """
        if any(_is_left(share) for share in self._others.values()):
            with self.turn(at):
                for name, share in tuple(self._others.items()):
                    if _is_left(share):
                        self._inherit(name, share)
        return tuple(each for each in self._spenders if isinstance(each, Estate))

    def claim(self, now: Instant) -> Instant:
        """The next moment, now or later, at which a submission may go out.

        Raises:
            BudgetError: QS630 if the folder cannot be used.
        """
        try:
            self._prepare()
            with self._turn:
                moment = self._pace.claim(now, known=read_claims(self._pace_file), life=this_life())
                write_claims(self._pace_file, self._pace.claims)
                return moment
        except OSError as error:
            if self._is_joined:
                raise _messages.no_purse(self._folder, error) from error
        # A run alone is no reason not to submit: at worst the service answers 429.
        return self._pace.claim(now)

    def _inherit(self, name: str, share: Share) -> None:
        with self._lock, self._on_disk():
            before = self._spenders, self._settled, self._taken
            self._spenders = (*self._spenders, *(Estate(each, share.places) for each in share.ledgers))
            self._settled += share.settled
            self._taken = (*self._taken, name, *share.taken)
            try:
                # From here on whoever reads it knows that the other file counts no more.
                self._write()
            except OSError:
                self._spenders, self._settled, self._taken = before
                raise
            self._others = {key: each for key, each in self._others.items() if key != name}
            (self._folder / self._name / name).unlink(missing_ok=True)

    def _prepare(self) -> None:
        ignored_by_git(self._scratch)
        self._folder.mkdir(exist_ok=True)
        if not self._is_swept:
            self._is_swept = True
            with self._turn:
                _shares.sweep(self._folder, but=self._name)

    def _tell(self) -> None:
        """Write this process' share; the former one stays where that fails."""
        if self._is_joined:
            with self._lock:
                self._notice_fork()
                self._write()

    def _write(self) -> None:
        ledgers = tuple(each.counted for each in self._spenders)
        places: dict[str, Place] = {}
        for each in self._spenders:
            places |= each.places(self.mark)
        share = Share(self._life, self._settled, ledgers, places, self._taken)
        _shares.write(self._folder / self._name / self._file, share)
        self._is_told = True

    @property
    def _file(self) -> str:
        return f"{self._life.pid}-{self._life.born}.json"

    def _notice_fork(self) -> None:
        # What a child inherits its parent counts already; of its own it has spent nothing yet.
        if self._life.pid != os.getpid():
            self._life, self._settled, self._is_told = this_life(), 0.0, False

    def mark(self, instance: str) -> str:
        """Tells instances of an account apart; nobody can read one out of it."""
        return sha256(f"{self._name} {instance}".encode()).hexdigest()[:32]

    def _reread(self, at: Instant, *, anew: bool = False) -> None:
        if not self._is_joined:
            return
        with self._lock:
            if anew or self._read is None or not 0 <= at - self._read < _REREAD:
                self._notice_fork()
                self._others = _shares.read_all(self._folder / self._name, but=(self._file, *self._taken))
                self._read = at

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _messages.no_purse(self._folder, error) from error


def _who(share: Share) -> str:
    if not share.life.is_over():
        return "another worker"
    return "a worker that died; what it left may go on" if share.ledgers else "a worker that ended"


def _is_left(share: Share) -> bool:
    return bool(share.ledgers) and share.life.is_over()

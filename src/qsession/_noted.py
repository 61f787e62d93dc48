"""Words that all processes of one run of pytest note, so that the first of them does what is done once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from qsession._files import ignored_by_git, write_whole
from qsession._lock import waited_for


@dataclass(slots=True)
class Noted:
    """What was noted so far, by whichever worker.

    Attributes:
        path: Where; None where there is one process.
        scratch: The folder of notes, for the lock.
    """

    path: Path | None
    scratch: Path
    _words: set[str] = field(default_factory=set)

    def first(self, word: str) -> bool:
        """Note a word; whether nobody had."""
        if word in self._words:
            # Whoever noted it: a test that reads what others read looks at no file for that.
            return False
        with self._held() as words:
            is_new = word not in words
            words.add(word)
        self._words.add(word)
        return is_new

    @contextmanager
    def _held(self) -> Iterator[set[str]]:
        if self.path is None:
            yield self._words
            return
        with waited_for(self.scratch / "locks", self.path):
            words: set[str] = set()
            with suppress(OSError, ValueError):
                words = set(json.loads(self.path.read_text("utf-8")))
            known = len(words)
            yield words
            if len(words) != known:
                ignored_by_git(self.path.parent)
                write_whole(self.path, json.dumps(sorted(words)).encode(), lasting=False)

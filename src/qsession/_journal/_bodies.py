"""Large bodies of a journal, in files beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qsession._files import write_whole


class Unreadable(Exception):
    """A body beside the journal is missing, or is not what its name says."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """The large bodies of one journal. Readable by their owner only.

    Attributes:
        folder: Where they lie; made when there is one.
    """

    folder: Path

    def __call__(self, reference: str) -> bytes:
        """A body by its reference.

        Raises:
            Unreadable: If it is not there as it was written.
        """
        path = self._path(reference)
        try:
            body = path.read_bytes()
        except OSError as missing:
            raise Unreadable(f"{path.name}: {missing.strerror}") from missing
        if hashlib.sha256(body).hexdigest() != path.name:
            raise Unreadable(f"{path.name}: its content is not what its name says")
        return body

    def keep(self, bodies: Mapping[str, bytes], *, sync: bool) -> None:
        """Write down bodies that are not there yet.

        Args:
            bodies: By their references; cleaned and proven.
            sync: Whether they must be on the disk when this returns.

        Raises:
            OSError: If the disk refuses.
        """
        for reference, body in bodies.items():
            if not (path := self._path(reference)).exists():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_whole(path, body, private=True, lasting=sync)

    def _path(self, reference: str) -> Path:
        return self.folder / reference.removeprefix("sha256:")

"""A fixture of wide scope, or a session that tests share: what is known of it, and its run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qsession._run import Run


@dataclass(slots=True, eq=False)
class Wide:
    """Something that outlives a test, and what it did with the service.

    Attributes:
        key: By what it is known again.
        title: What it is, for messages, such as ``the fixture 'session' (scope module)``.
        ident: Its name in the head of its recording; the same whichever test asks for it.
        path: Its cassette.
        name: The same, below the folder of the cassettes.
        test: The test that asked for it first.
        records: Whether it is recorded: one of the tests that use it is.
        builds_on: What it uses itself, of wide scope.
        run: Its run, once it asked the service for more than what all tests read.
        seed: Where random numbers begin in it, once that is known.
    """

    key: object
    title: str
    ident: str
    path: Path
    name: str
    test: str
    records: bool
    builds_on: tuple[Wide, ...] = ()
    run: Run | None = None
    seed: int | None = None

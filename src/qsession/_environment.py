"""Environment variables for the length of a run, and nothing of what others set meanwhile."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Former:
    """The environment as if some variables had not been set.

    Attributes:
        told: Those that were set.
        before: What they were before; None for those that were not there.
    """

    told: Mapping[str, str]
    before: Mapping[str, str | None]

    def get(self, name: str, default: str | None = None) -> str | None:
        """A variable; what somebody set since then counts."""
        value = os.environ.get(name)
        if name in self.told and value == self.told[name]:
            value = self.before[name]
        return default if value is None else value


@contextmanager
def changed(values: Mapping[str, str], *, without: Collection[str] = ()) -> Iterator[Former]:
    """Set some variables and take others away; put those back, and only those.

    Args:
        values: Variables to set.
        without: Names to take away.

    Yields:
        The environment without what was set.
    """
    touched = {name: os.environ.get(name) for name in [*values, *without]}
    for name in without:
        os.environ.pop(name, None)
    os.environ.update(values)
    try:
        yield Former(values, touched)
    finally:
        for name, before in touched.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before

"""Environment variables for the length of a run, and nothing of what others set meanwhile."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def changed(values: Mapping[str, str], *, without: Collection[str] = ()) -> Iterator[None]:
    """Set some variables and take others away; put those back, and only those.

    Args:
        values: Variables to set.
        without: Names to take away.

    Yields:
        Nothing.
    """
    touched = {name: os.environ.get(name) for name in [*values, *without]}
    for name in without:
        os.environ.pop(name, None)
    os.environ.update(values)
    try:
        yield
    finally:
        for name, before in touched.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before

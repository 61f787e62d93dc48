"""A cassette with what it builds on: the layers of its folder and of the fixtures that its test uses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qsession._layer import found_above
from qsession._model import Recording
from qsession._replay import past_of
from qsession._store import display
from qsession.cli._files._opening import open_cassette
from qsession.errors import CassetteError

_HIGHEST = 12  # folders that are searched upwards for a layer


def whole(path: Path) -> Recording:
    """A recording that needs no other.

    Args:
        path: A cassette.

    Raises:
        UsageError: If it cannot be read (QS175).
        CassetteError: If it, or a layer that it builds on, cannot be trusted, or one is missing (QS246).
    """
    recording = open_cassette(path)
    own = recording.provenance
    shared = found_above(path, own.target, Path(".qsession").absolute())
    before = [open_cassette(_layer(path, name)) for name in own.layers]
    if shared is not None and shared.provenance is not None:
        # As if it had been read at the start.
        start = min(each.recorded_at for each in (own, *(one.provenance for one in before)))
        told = replace(shared.provenance, recorded_at=start)
        before.insert(0, Recording(told, tuple(shared.recorded())))
    instances = own.instances or (before[0].provenance.instances if before else ())
    interactions = (*past_of(before, own), *recording.interactions)
    return Recording(replace(own, instances=instances, layers=()), interactions)


def _layer(path: Path, name: str) -> Path:
    for folder in list(path.absolute().parents)[:_HIGHEST]:
        if (folder / name).exists():
            return folder / name
    raise CassetteError(
        "QS246",
        "A recording that this one builds on is missing.",
        evidence=[f"{name}: what a fixture of its test did with the service"],
        fix="record a test that uses the fixture: pytest --qsession-record",
        where=display(path),
    )

"""Earlier calibrations of a device, so that a date and a calibration id make a difference.

The client brings one calibration of each device. The ones before it are a model, and
ours: one a day, each with errors and coherence times a few per cent off, drawn from the
device's name and how many days it lies back. What the service does: properties before a
date, and by a calibration id (documented); that nothing so early is answered with null is
inferred (the client takes an empty body for none).
"""

from __future__ import annotations

import functools
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from qsession._clock import from_datetime
from qsession._model import SECOND, Instant
from qsession.emulator._devices import Device
from qsession.emulator._replies import compact, derived_uuid

DAYS = 60
"""How many calibrations a device has, the snapshot's own included."""

_DAY = 86_400 * SECOND
_DRIFTS = frozenset({"T1", "T2", "gate_error", "readout_error", "prob_meas0_prep1", "prob_meas1_prep0"})
_DRIFT = 0.1


def ident(device: Device, day: int) -> str:
    """The id of a calibration.

    Args:
        device: The device.
        day: Days before the snapshot.
    """
    return derived_uuid("calibration", device.name, device.version, day)


def day_of(device: Device, calibration: str) -> int | None:
    """How many days before the snapshot a calibration was; None if its id is unknown.

    One that the emulator was told of is as old as the snapshot.
    """
    if calibration in device.calibrations:
        return 0
    return _days(device.name, device.version).get(calibration)


@functools.cache
def _days(name: str, version: str) -> dict[str, int]:
    return {derived_uuid("calibration", name, version, day): day for day in range(DAYS)}


@functools.lru_cache(maxsize=64)
def latest(device: Device) -> Instant:
    """When the snapshot was taken: the ``last_update_date`` of its properties."""
    return from_datetime(datetime.fromisoformat(json.loads(device.properties)["last_update_date"]))


def before(device: Device, moment: Instant) -> int | None:
    """The newest calibration that was made by a moment, in days before the snapshot; None if none was."""
    days = max(0, -(-(latest(device) - moment) // _DAY))
    return days if days < DAYS else None


@functools.lru_cache(maxsize=32)
def properties(device: Device, day: int) -> bytes:
    """The properties of a calibration.

    Args:
        device: The device.
        day: Days before the snapshot; 0 gives the snapshot itself.
    """
    if day == 0:
        return device.properties
    document = json.loads(device.properties)
    document["last_update_date"] = _earlier(document["last_update_date"], day)
    for number, qubit in enumerate(document["qubits"]):
        for parameter in qubit:
            _age(parameter, (device.name, day, number), day)
    for gate in document["gates"]:
        for parameter in gate["parameters"]:
            _age(parameter, (device.name, day, gate["gate"], *gate["qubits"]), day)
    return compact(document)


def _age(parameter: dict[str, Any], where: tuple[object, ...], day: int) -> None:
    parameter["date"] = _earlier(parameter["date"], day)
    # An error of 1 says that a qubit or gate is out of order, which stays so.
    if parameter["name"] in _DRIFTS and 0 < parameter["value"] != 1:
        value = parameter["value"] * (1 + _DRIFT * _draw(*where, parameter["name"]))
        parameter["value"] = value if parameter["name"] in {"T1", "T2"} else min(value, 1.0)


def _earlier(date: str, day: int) -> str:
    return (datetime.fromisoformat(date) - timedelta(days=day)).isoformat()


def _draw(*parts: object) -> float:
    """A number from -1 to 1, made from its parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**31 - 1

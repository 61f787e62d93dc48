"""Backends: list, configuration, properties, status."""

from __future__ import annotations

from qsession._model import SECOND, Micros, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _calibrations, _versions
from qsession.emulator._devices import Device
from qsession.emulator._exchange import Exchange, World
from qsession.emulator._replies import ready, reply


def listing(world: World, exchange: Exchange) -> Response:
    """``GET /backends``; before API version 2025-01-01 a list of names (documented).

    Backends of class ``mock`` are listed on request only (the client's code).
    """
    found = world.backends(exchange.instance, mocks=exchange.flag("include_mocks") is True)
    if exchange.version < _versions.OBJECTS_SINCE:
        return reply({"devices": [device.name for device in found]})
    wait = world.queue if exchange.query("fields") == "wait_time_seconds" else None
    return reply({"devices": [_entry(device, wait) for device in found]})


def _entry(device: Device, wait: Micros | None) -> dict[str, Json]:
    # physical_qubits and class are not documented, the client reads them (its code).
    status: dict[str, Json] = {"name": device.status}
    # Client 0.41.1 counts only those as usable that are online for this reason (its code).
    reason = device.reason or ("available" if device.status == "online" else "")
    entry: dict[str, Json] = {
        "name": device.name,
        "status": status | {"reason": reason} if reason else status,
        "is_simulator": False,
        "qubits": device.n_qubits,
        "physical_qubits": device.n_qubits,
        "queue_length": device.queue_length,
        "clops": {"type": "hardware", "value": device.clops} if device.clops else None,
        "processor_type": dict(device.processor) or None,
    }
    if device.mock:
        entry["class"] = "mock"
    if wait is not None:
        # Here every job waits equally long.
        entry["wait_time_seconds"] = dict.fromkeys(("average", "p50", "p95"), wait / SECOND)
    return entry


def configuration(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/configuration``; of a calibration if asked for (documented).

    It differs from the snapshot's only for a calibration that the emulator was told of (ours).
    """
    device = _device(world, exchange)
    _asked_calibration(device, exchange)
    return ready(device.calibrations.get(exchange.query("calibration_id") or "", device.configuration))


def properties(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/properties``: of a calibration, or the newest before a date.

    Null where there was none before that date (inferred: the client takes that for none).
    """
    device = _device(world, exchange)
    day, before = _asked_calibration(device, exchange), exchange.moment("updated_before")
    if day is None:
        day = 0 if before is None else _calibrations.before(device, before)
    return reply(None) if day is None else ready(_calibrations.properties(device, day))


def _asked_calibration(device: Device, exchange: Exchange) -> int | None:
    asked = exchange.query("calibration_id")
    if asked is None:
        return None
    if (day := _calibrations.day_of(device, asked)) is None:
        raise Refused("unknown calibration")
    return day


def status(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/status``.

    The client warns where the status is not ``active`` (its code). That an offline backend has
    ``state`` false and a paused one true, and their words, are inferred.
    """
    device = _device(world, exchange)
    return reply(
        {
            "state": device.status != "offline",
            "status": "active" if device.status == "online" else device.status,
            "message": device.reason,
            "length_queue": device.queue_length,
            "backend_version": device.version,
        }
    )


def defaults(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/defaults``: null for every device (observed)."""
    _device(world, exchange)
    return reply(None)


def _device(world: World, exchange: Exchange) -> Device:
    return world.device(exchange.call.ids["backend"], exchange.instance)

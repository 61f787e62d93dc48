"""Backends: list, configuration, properties, status."""

from __future__ import annotations

from qsession._model import Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._devices import Device
from qsession.emulator._exchange import Exchange, World
from qsession.emulator._replies import ready, reply

_OBJECTS_SINCE = "2025-01-01"


def listing(world: World, exchange: Exchange) -> Response:
    """``GET /backends``; before API version 2025-01-01 a list of names (documented)."""
    if exchange.request.headers.get("ibm-api-version", _OBJECTS_SINCE) < _OBJECTS_SINCE:
        return reply({"devices": list(world.devices)})
    wait = exchange.query("fields") == "wait_time_seconds"
    return reply({"devices": [_entry(device, wait=wait) for device in world.devices.values()]})


def _entry(device: Device, *, wait: bool) -> dict[str, Json]:
    # physical_qubits is not documented, the client reads it (its code).
    entry: dict[str, Json] = {
        "name": device.name,
        "status": {"name": "online"},
        "is_simulator": False,
        "qubits": device.n_qubits,
        "physical_qubits": device.n_qubits,
        "queue_length": 0,
        "clops": {"type": "hardware", "value": device.clops} if device.clops else None,
        "processor_type": dict(device.processor) or None,
    }
    return entry | {"wait_time_seconds": None} if wait else entry


def configuration(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/configuration``; there is one calibration only."""
    return ready(_device(world, exchange).configuration)


def properties(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/properties``; the same for every date."""
    return ready(_device(world, exchange).properties)


def status(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/status``."""
    device = world.device(exchange.call.ids["backend"])
    return reply(
        {
            "state": True,
            "status": "active",
            "message": "",
            "length_queue": 0,
            "backend_version": device.version,
        }
    )


def defaults(world: World, exchange: Exchange) -> Response:
    """``GET /backends/{id}/defaults``: null for every device (observed)."""
    world.device(exchange.call.ids["backend"])
    return reply(None)


def _device(world: World, exchange: Exchange) -> Device:
    device = world.device(exchange.call.ids["backend"])
    if exchange.query("calibration_id") is not None:
        raise Refused("unknown calibration")
    return device

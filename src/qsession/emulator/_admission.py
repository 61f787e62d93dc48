"""Whether a job or session is let in: backend, calibration, limits of the instance.

Each refusal is in the service's own spelling; what is checked first is inferred.
"""

from __future__ import annotations

from dataclasses import replace

from qsession._refusals import Refused
from qsession.emulator import _calibrations, _charges
from qsession.emulator._devices import Device
from qsession.emulator._exchange import Exchange, World
from qsession.emulator._instances import Instance
from qsession.emulator._records import Caps, Submission


def open_backend(world: World, exchange: Exchange, name: str) -> Device:
    """The backend of a job or session.

    Raises:
        Refused: If the instance sees none of that name (1007), or it is not online (1004).
    """
    found = world.backend(name, exchange.instance)
    if found is None:
        raise Refused("unknown backend")
    if found.status != "online":
        raise Refused("backend unavailable")
    return found


def admitted(world: World, exchange: Exchange, asked: Submission) -> Submission:
    """A job that may be read and queued, with what its backend says of it.

    Raises:
        Refused: If its backend does not take it, its calibration is unknown, or its instance
            has used up what it may (409, documented).
    """
    device = open_backend(world, exchange, asked.backend)
    if asked.calibration and _calibrations.day_of(device, asked.calibration) is None:
        raise Refused("unknown calibration")
    if not device.mock and _charges.is_used_up(world, exchange.instance, exchange.at):
        raise Refused("usage exceeded")
    return replace(asked, mock=device.mock)


def caps(world: World, instance: Instance) -> Caps:
    """How many jobs an instance may have waiting, and the account may submit."""
    return Caps(instance.pending_cap, world.jobs_a_minute)

"""The results of a private job, which are there once."""

from __future__ import annotations

from qsession._bodies import read_object
from qsession._model import Interaction
from qsession._order import Order, Read

RESULTS = "jobs.results"
_OK = 200


def are_private(read: Read, order: Order) -> bool:
    """Whether a read asks for the results of a job that was submitted as a private one."""
    maker = order.maker(read.call.ids.get("job", ""))
    body = b"" if maker is None else maker.interaction.request.body
    # Bodies of jobs are large, and few are private.
    return b'"private"' in body and read_object(body).get("private") is True


def given_once(read: Read, told: Interaction) -> Interaction | None:
    """The answer that is due, whenever it is asked for: reading is what changes it.

    Args:
        read: The read, which takes note.
        told: The answer as of the moment.

    Returns:
        The results the first time, later what came after them; None if nobody asked again.
    """
    states = read.timeline.states
    first = next((i for i, state in enumerate(states) if state.response.status == _OK), len(states))
    if first == len(states) or any(told is state for state in states[:first]):
        return told
    if not read.given:
        read.given = True
        return states[first]
    return next(iter(states[first + 1 :]), None)

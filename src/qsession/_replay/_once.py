"""The results of a private job, which are there once."""

from __future__ import annotations

from qsession._bodies import read_object
from qsession._model import Interaction
from qsession._order import Order, Read

RESULTS = "jobs.results"
ONLY_ONCE = "recorded once, and a private job gives its results once"
_OK = 200


def given_once(read: Read, told: Interaction, order: Order) -> Interaction | None:
    """The answer that is due, whenever it is asked for: reading is what changes it.

    Args:
        read: The read, which takes note.
        told: The answer as of the moment.
        order: What was submitted.

    Returns:
        The results the first time, later what came after them; None if nobody asked again. Those of other
        jobs are there as often as one likes.
    """
    states = read.timeline.states
    first = next((i for i, state in enumerate(states) if state.response.status == _OK), len(states))
    if first == len(states) or any(told is state for state in states[:first]):
        return told
    is_first, read.given = not read.given, True
    is_shown = told is states[first]
    if is_first is is_shown or not _are_private(read, order):
        return told
    known = order.known(read)
    if is_first:
        # A job that was deleted has none, whether they were read before or not.
        is_past = any(write.at > states[first].at for write in known.since)
        return told if is_past else states[first]
    following = next(iter(states[first + 1 :]), None)
    is_ahead = following is not None and known.next_write is not None and following.at > known.next_write
    return None if is_ahead else following


def _are_private(read: Read, order: Order) -> bool:
    maker = order.maker(read.call.ids.get("job", ""))
    body = b"" if maker is None else maker.interaction.request.body
    # Bodies of jobs are large, and few are private.
    return b'"private"' in body and read_object(body).get("private") is True

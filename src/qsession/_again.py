"""A recording that is made again: what means the same stands in the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qsession import _explain, _meaning
from qsession._endpoints import identify
from qsession._model import Interaction, Recording

_SHORTEST = 64  # characters: shorter texts may stand elsewhere in an answer


def in_former_bytes(recording: Recording, former: Recording) -> Recording:
    """The recording, with what it says as before in the same bytes as before.

    A circuit is sent under a name that counts and with random identities of its
    parameters. Recorded again, it would differ without meaning anything else; so would
    an answer that tells the parameters of a job.

    Args:
        recording: A new recording.
        former: The one that it will replace.
    """
    known: dict[tuple[str, ...], list[bytes]] = {}
    for interaction in reversed(former.interactions):
        if (meaning := _meaning_of(interaction)) is not None:
            known.setdefault(meaning, []).append(interaction.request.body)
    interactions, changed = [], dict[str, list[tuple[str, str]]]()
    for each in recording.interactions:
        same = known.get(_meaning_of(each) or ())
        if same:
            body = same.pop() if len(same) > 1 else same[0]
            changed[_explain.created_id(each) or ""] = list(_texts(each.request.body, body))
            interactions.append(replace(each, request=replace(each.request, body=body)))
        else:
            interactions.append(_told_again(each, changed))
    return replace(recording, interactions=tuple(interactions))


def course_of(recording: Recording) -> Sequence[tuple[object, ...]]:
    """What was asked and how that went, in its order; nothing of times and results."""
    return [_step(each) for each in recording.interactions]


def _step(interaction: Interaction) -> tuple[object, ...]:
    call = identify(interaction.request)
    if call is None:
        return (interaction.request.method, interaction.request.url)
    asked = _meaning.read(call, interaction.request).digest
    return _meaning.key_of(call, interaction.instance), asked, interaction.response.status


def _meaning_of(interaction: Interaction) -> tuple[str, ...] | None:
    if interaction.endpoint != "jobs.create":
        return None
    call = identify(interaction.request)
    if call is None:
        return None
    # Its answers say its tags, invented ones too.
    tags = _meaning.tags(call, interaction.request)
    return call.path, _meaning.read(call, interaction.request).digest, *tags


def _told_again(interaction: Interaction, changed: dict[str, list[tuple[str, str]]]) -> Interaction:
    call = identify(interaction.request) if interaction.endpoint == "jobs.get" else None
    texts = changed.get(call.ids["job"], ()) if call is not None else ()
    body = interaction.response.body
    for new, old in texts:
        body = body.replace(new.encode(), old.encode())
    if body == interaction.response.body:
        return interaction
    return replace(interaction, response=replace(interaction.response, body=body))


def _texts(new: bytes, old: bytes) -> Iterator[tuple[str, str]]:
    """Long texts that stand at one place of two documents and differ, such as circuits."""
    if new != old:
        yield from _differing(json.loads(new), json.loads(old))


def _differing(new: object, old: object) -> Iterator[tuple[str, str]]:
    if isinstance(new, str) and isinstance(old, str):
        if new != old and min(len(new), len(old)) >= _SHORTEST:
            yield new, old
    elif isinstance(new, dict) and isinstance(old, dict):
        for name in new.keys() & old.keys():
            yield from _differing(new[name], old[name])
    elif isinstance(new, list) and isinstance(old, list):
        for mine, other in zip(new, old, strict=False):
            yield from _differing(mine, other)

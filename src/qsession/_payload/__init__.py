"""Payloads as physics: what a job asks for, whatever its bytes.

The bytes of one job differ from process to process (names that count, identities of
parameters, the order in which a layout is listed), so a replay compares what they
mean. Importing this room imports neither qiskit nor numpy; reading does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import cast

from qsession._model import MEANING, Match
from qsession._payload._form import Node, fingerprint

__all__ = ["Meaning", "differences", "digest", "json_differences", "read", "stable_seed"]

_MOST_LINES = 20
_FEW = 4


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What a job asks for.

    Attributes:
        digest: SHA-256, hexadecimal. Equal for equal meaning in every process, on every
            machine and with every version of qiskit and QPY that can read the payload.
        understood: False if all or part of it was compared as plain JSON.
        note: Why it was not understood, empty if it was.
        summary: One line for messages.
        program: Name of the program.
        form: The canonical form. For this room only.
    """

    digest: str
    understood: bool
    note: str
    summary: str
    program: str
    form: Mapping[str, Node]


def read(program_id: str, params: object) -> Meaning:
    """Read the parameters of a job.

    Never raises for what it is given: what cannot be decoded is kept as the JSON it
    is, which equals the same JSON only, and `Meaning.understood` is False.

    Numbers are rounded for the digest to a grid of 2**-30 (absolute below 1, relative
    above), so numbers equal to about 1e-10 nearly always give one digest. Two that
    lie across an edge of the grid do not: look up by digest first, then ask
    `differences`, which has no edges.

    Args:
        program_id: Name of the program, such as ``sampler``.
        params: ``params`` of the body of ``POST /jobs``, as ``json.loads`` gave it.

    Returns:
        What was asked for.
    """
    from qsession._payload._programs import Reading
    from qsession._payload._summary import summary

    reading = Reading()
    form = reading.form(program_id, params)
    return Meaning(
        digest=fingerprint((program_id, form)),
        understood=not reading.notes,
        note="; ".join(dict.fromkeys(reading.notes)),
        summary=summary(program_id, form, understood=not reading.notes),
        program=program_id,
        form=form,
    )


def digest(meaning: Meaning, match: Match) -> str:
    """What jobs that match have in common, at least; for a look-up.

    Args:
        meaning: A job.
        match: What is compared.
    """
    if _is_whole(match) or not meaning.understood:
        return meaning.digest
    from qsession._payload._aspects import narrowed

    return fingerprint((meaning.program, narrowed(meaning.form, match)))


def differences(ours: Meaning, theirs: Meaning, match: Match = MEANING) -> tuple[str, ...]:
    """What sets a job apart from a recorded one.

    Numbers are equal if they differ by at most 1e-8, or by at most 1e-8 of the larger;
    two integers only if they are the same. Global phases are compared as angles.

    Args:
        ours: What the code under test asked.
        theirs: What stands in the recording.
        match: What is compared. A job that is not fully understood is compared whole, always.

    Returns:
        Nothing if they mean the same. Else at most 20 lines, the first difference of
        each PUB first. Operations are numbered as in the ``data`` of the circuit asked.
    """
    if ours.digest == theirs.digest:
        return ()
    if ours.program != theirs.program:
        return (f"program: asked {ours.program}, recorded {theirs.program}",)
    from qsession._payload._aspects import lines

    understood = ours.understood and theirs.understood
    found = lines(ours.form, theirs.form, match if understood else MEANING)
    if len(found) > _MOST_LINES:
        kept = _MOST_LINES - 1
        found[kept:] = [f"and {len(found) - kept} more differences"]
    return tuple(found)


def json_differences(ours: Mapping[str, object], theirs: Mapping[str, object]) -> tuple[str, ...]:
    """The first places where two JSON documents differ, nothing in them decoded."""
    from qsession._payload._difference import compare

    return tuple(islice(compare("", _frozen(ours), _frozen(theirs)), _FEW))


def _frozen(value: object) -> Node:
    if isinstance(value, Mapping):
        return {str(key): _frozen(each) for key, each in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else cast("Node", value)


def _is_whole(match: Match) -> bool:
    return match.aspects is None and not match.routed


def stable_seed(text: str) -> int:
    """A seed from a text such as a test id: below 2**31, the same on every machine."""
    raw = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(raw[:4]) & 0x7FFFFFFF

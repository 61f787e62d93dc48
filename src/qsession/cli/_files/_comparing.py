"""How two recordings differ in meaning. Ids and moments do not count, shot noise does not either."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from qsession import _meaning
from qsession._bodies import read_object
from qsession._endpoints import Call, identify
from qsession._model import Interaction, Recording, Request
from qsession.cli._files._opening import body_of
from qsession.cli._files._results import Measured, Numbers, results_of
from qsession.cli._files._telling import Names, head_of, names_of

NOISE = 0.001
"""Counts that chance makes differ this rarely, or less, are told as a difference."""

_MOST = 5
_FEW = 5
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*")
_CHANGING = frozenset({"jobs.get", "sessions.get", "jobs.results", "jobs.metrics", "instances.usage"})
_IGNORED = frozenset({"iam.token", "search.resources", "catalog.entry"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        place: What it is about.
        text: How it differs.
        matters: False for what chance explains.
    """

    place: str
    text: str
    matters: bool = True


def compare(old: Recording, new: Recording) -> Iterator[Difference]:
    """What sets a recording apart from an older one, the most important first.

    Args:
        old: The older one.
        new: The newer one.
    """
    one, other = _Told(old), _Told(new)
    yield from _writes(one, other)
    yield from _results(one, other)
    yield from _ends(one, other)
    yield from _reads(one, other)
    yield from _heads(old, new)


@dataclass(frozen=True, slots=True)
class _Write:
    call: Call
    request: Request
    status: int
    ask: _meaning.Ask
    label: str

    @property
    def key(self) -> tuple[object, ...]:
        return (self.label, self.status, self.ask.digest)


class _Told:
    """A recording under short names."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.names = names_of(recording)
        self.writes = [write for each in recording.interactions if (write := self._write(each)) is not None]
        self.results: dict[str, list[Measured | Numbers]] = {}
        self.last: dict[str, Mapping[str, Any]] = {}
        self.reads: dict[str, tuple[int, Any]] = {}
        for each in recording.interactions:
            self._take(each)

    def _write(self, interaction: Interaction) -> _Write | None:
        call = identify(interaction.request)
        if call is None or not call.endpoint.is_write:
            return None
        body = self.names(body_of(interaction.request)[0].decode("utf-8", "surrogateescape"))
        request = Request(
            interaction.request.method, interaction.request.url, body=body.encode("utf-8", "surrogateescape")
        )
        label = f"{call.endpoint.method} {self.names(call.path)}"
        return _Write(call, request, interaction.response.status, _meaning.read(call, request), label)

    def _take(self, interaction: Interaction) -> None:
        call = identify(interaction.request)
        if call is None or call.endpoint.is_write or interaction.endpoint in _IGNORED:
            return
        answer, _ = body_of(interaction.response)
        about = self.names(call.path)
        if interaction.endpoint == "jobs.results" and interaction.response.status < 300:
            self.results[about] = results_of(answer)
        if interaction.endpoint in {"jobs.get", "sessions.get"}:
            self.last[about] = read_object(answer)
        query = "&".join(f"{name}={value}" for name, value in call.query)
        key = f"{call.endpoint.method} {about}" + (f"?{self.names(query)}" if query else "")
        content = None if interaction.endpoint in _CHANGING else _loaded(answer, self.names)
        self.reads[key] = (interaction.response.status, content)


def _loaded(body: bytes, names: Names) -> Any:
    try:
        return json.loads(names(body.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None


def _writes(one: _Told, other: _Told) -> Iterator[Difference]:
    matcher = SequenceMatcher(
        a=[write.key for write in one.writes], b=[write.key for write in other.writes], autojunk=False
    )
    for kind, a_start, a_end, b_start, b_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        gone, come = one.writes[a_start:a_end], other.writes[b_start:b_end]
        yield from _pairs(gone, come)


def _pairs(gone: Sequence[_Write], come: Sequence[_Write]) -> Iterator[Difference]:
    left = list(come)
    for write in gone:
        partner = next((each for each in left if each.label == write.label), None)
        if partner is None:
            yield Difference(write.label, f"no longer sent ({write.ask.summary or 'no body'})")
            continue
        left.remove(partner)
        if partner.status != write.status:
            yield Difference(write.label, f"status {write.status} became {partner.status}")
        for line in _meaning.differences(partner.ask, write.ask):
            yield Difference(write.label, line.replace("asked ", "new ").replace("recorded ", "old "))
    for write in left:
        yield Difference(write.label, f"new ({write.ask.summary or 'no body'})")


def _results(one: _Told, other: _Told) -> Iterator[Difference]:
    for place in sorted(one.results.keys() & other.results.keys()):
        olds = {each.place: each for each in one.results[place]}
        news = {each.place: each for each in other.results[place]}
        for name in sorted(olds.keys() | news.keys()):
            old, new = olds.get(name), news.get(name)
            if isinstance(old, Measured) and isinstance(new, Measured):
                yield from _counts(f"{place} {name}", old.counts, new.counts)
            elif isinstance(old, Numbers) and isinstance(new, Numbers):
                yield from _numbers(f"{place} {name}", old, new)
            else:
                text = "is new" if old is None else "is gone" if new is None else "is of another kind"
                yield Difference(f"{place} {name}", text)


def _counts(place: str, old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[Difference]:
    if old == new:
        return
    distance, chance = total_variation(old, new), p_value(old, new)
    shots = f"{sum(old.values())} and {sum(new.values())} shots"
    text = f"counts differ by {distance:.3f} in total variation, p = {chance:.2g} ({shots})"
    if chance > NOISE:
        yield Difference(place, f"{text}: within shot noise", matters=False)
    else:
        yield Difference(place, f"{text}: more than shot noise")


def _numbers(place: str, old: Numbers, new: Numbers) -> Iterator[Difference]:
    if old == new:
        return
    if old.shape != new.shape:
        yield Difference(place, f"shape {old.shape} became {new.shape}")
        return
    pairs = zip(old.values, new.values, strict=True)
    most = max((abs(a - b) for a, b in pairs), default=0.0)
    yield Difference(place, f"values differ by up to {most:.4g} (of those that are compared: the first 8)")


def total_variation(old: Mapping[str, int], new: Mapping[str, int]) -> float:
    """Half of the sum of the differences of two distributions: 0 for the same, 1 for disjoint ones."""
    one, other = sum(old.values()) or 1, sum(new.values()) or 1
    return 0.5 * sum(abs(old.get(k, 0) / one - new.get(k, 0) / other) for k in old.keys() | new.keys())


def p_value(old: Mapping[str, int], new: Mapping[str, int]) -> float:
    """How often chance makes two samples of one distribution differ as much or more (chi-squared).

    Outcomes that were expected less than 5 times are put together.
    """
    from scipy.special import gammaincc  # type: ignore[import-untyped]

    one, other = sum(old.values()), sum(new.values())
    if not one or not other:
        return 1.0
    rows, rare = [], [0, 0]
    for key in old.keys() | new.keys():
        pair = (old.get(key, 0), new.get(key, 0))
        if sum(pair) * min(one, other) / (one + other) >= _FEW:
            rows.append(pair)
        else:
            rare = [rare[0] + pair[0], rare[1] + pair[1]]
    if any(rare):
        rows.append((rare[0], rare[1]))
    statistic = sum((math.sqrt(other / one) * a - math.sqrt(one / other) * b) ** 2 / (a + b) for a, b in rows)
    return float(gammaincc((len(rows) - 1) / 2, statistic / 2)) if len(rows) > 1 else 1.0


def _ends(one: _Told, other: _Told) -> Iterator[Difference]:
    for place in sorted(one.last.keys() & other.last.keys()):
        old, new = _end(one.last[place]), _end(other.last[place])
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield Difference(place, f"last {name}: {old.get(name)} became {new.get(name)}")


def _end(document: Mapping[str, Any]) -> dict[str, Any]:
    state = document.get("state")
    inner = state if isinstance(state, dict) else {"status": state}
    kept = {name: inner[name] for name in ("status", "reason", "reason_code") if inner.get(name) is not None}
    also = ("mode", "backend_name", "backend", "accepting_jobs", "max_ttl")
    return kept | {name: document[name] for name in also if name in document}


def _reads(one: _Told, other: _Told) -> Iterator[Difference]:
    for key in sorted(one.reads.keys() - other.reads.keys()):
        yield Difference(key, "no longer asked")
    for key in sorted(other.reads.keys() - one.reads.keys()):
        yield Difference(key, "newly asked")
    for key in sorted(one.reads.keys() & other.reads.keys()):
        (status, old), (now, new) = one.reads[key], other.reads[key]
        if status != now:
            yield Difference(key, f"status {status} became {now}")
        changed = list(_leaves("", old, new)) if old is not None and new is not None else []
        if changed:
            more = f" and {len(changed) - _MOST} more" if len(changed) > _MOST else ""
            yield Difference(key, f"answer: {'; '.join(changed[:_MOST])}{more}")


def _leaves(place: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys(), key=str):
            yield from _leaves(f"{place}.{name}".lstrip("."), old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from _leaves(f"{place}[{number}]", *pair)
    elif not (_is_moment(old) and _is_moment(new)):
        yield f"{place}: {_short(old)} became {_short(new)}"


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and _MOMENT.fullmatch(value) is not None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _heads(old: Recording, new: Recording) -> Iterator[Difference]:
    before, after = (dict(head_of(each.provenance, moments=False)) for each in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if name != "QPU seconds" and before.get(name) != after.get(name):
            yield Difference(
                "head", f"{name}: {before.get(name, 'nothing')} became {after.get(name, 'nothing')}"
            )

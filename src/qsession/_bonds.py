"""What a test invents now, and what stands for it in the recording: a bijection over a run.

Such values are known by their place: tags of a job, tags, searches and moments in a query.
Each is bound to the recorded one when it is first used, and from then on stands for it: in
what is asked, and in the tags of what is answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from qsession import _invented
from qsession._clock import SystemClock
from qsession._endpoints import Call
from qsession._invented import Part
from qsession._meaning import MOMENTS, TAGS
from qsession._model import SECOND, Instant, Micros, Response

SLACK: Micros = 300 * SECOND
"""By how much a moment may be nearer to now, or farther, than it was when it was recorded."""

Pair = tuple[Part, Part]
"""A part that is asked, and the one that is recorded in its place."""


@dataclass(frozen=True, slots=True)
class Now:
    """The moments of a request now, and of one that was recorded.

    Attributes:
        asked: Now, on the clock of the run and on the machine's: values that are made at an
            import come from the latter.
        recorded: When the other one was sent.
    """

    asked: tuple[Instant, ...]
    recorded: Instant

    def alike(self, asked: Instant, recorded: Instant) -> bool:
        """Whether two moments are as far from their now."""
        behind = recorded - self.recorded
        return asked == recorded or any(abs(asked - now - behind) <= SLACK for now in self.asked)


@dataclass(slots=True)
class Bonds:
    """The values bound so far. One caller at a time.

    Attributes:
        real: The machine's time.
    """

    real: Callable[[], Instant] = field(default_factory=lambda: SystemClock().now)
    _recorded: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, str] = field(default_factory=dict)

    def now(self, at: Instant, recorded: Instant) -> Now:
        """The moments of a request, beside those of a recorded one."""
        return Now((at, self.real()), recorded)

    def pairs(self, asked: Sequence[str], recorded: Sequence[str], now: Now) -> list[Pair] | None:
        """Which parts of some texts stand for which, None if the texts cannot stand for each other."""
        if [*map(_invented.shape, asked)] != [*map(_invented.shape, recorded)]:
            return None
        both = zip(_parts(asked), _parts(recorded), strict=True)
        pairs = [pair for pair in both if pair[0].text != pair[1].text or pair[0].text in self._recorded]
        return pairs if self._fit(pairs, now) else None

    def bind(self, pairs: Iterable[Pair]) -> None:
        """Let each part stand for the recorded one from now on."""
        for asked, recorded in pairs:
            self._recorded[asked.text] = recorded.text
            self._asked[recorded.text] = asked.text

    def inward(self, call: Call) -> Call:
        """A call with the recorded values in its tags and searches."""
        if not self._recorded or not call.query:
            return call
        query = tuple(
            (name, _swapped(value, self._recorded) if name in TAGS else value) for name, value in call.query
        )
        return replace(call, query=query)

    def tags_inward(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Tags as they are recorded, as far as they are bound."""
        return tuple(_swapped(tag, self._recorded) for tag in tags)

    def outward(self, response: Response) -> Response:
        """An answer with the values in its tags that the code under test asked for."""
        if not self._asked or b'"tags"' not in response.body:
            return response
        try:
            document = json.loads(response.body)
        except ValueError:
            return response
        if not self._echo(document):
            return response
        return Response(response.status, response.reason, response.headers, json.dumps(document).encode())

    def query_fits(self, asked: Call, recorded: Call, now: Now) -> list[Pair] | None:
        """Which parts of two queries stand for which; None if the queries ask for something else."""
        mine, other = ([(n, v) for n, v in call.query if n not in TAGS] for call in (asked, recorded))
        if len(mine) != len(other) or not all(map(_same_value(now), sorted(mine), sorted(other))):
            return None
        tags = [[(n, v) for n, v in call.query if n in TAGS] for call in (asked, recorded)]
        if [name for name, _ in tags[0]] != [name for name, _ in tags[1]]:
            return None
        return self.pairs([v for _, v in tags[0]], [v for _, v in tags[1]], now)

    def _fit(self, pairs: Iterable[Pair], now: Now) -> bool:
        recorded, asked = dict(self._recorded), dict(self._asked)
        for mine, other in pairs:
            one = recorded.setdefault(mine.text, other.text) == other.text
            if not one or asked.setdefault(other.text, mine.text) != mine.text:
                return False
            moments = mine.moment, other.moment
            if moments[0] is not None and moments[1] is not None and not now.alike(moments[0], moments[1]):
                return False
        return True

    def _echo(self, node: object) -> bool:
        """Replace the tags in a document in place; whether there were any to replace."""
        changed = False
        for key, value in _members(node):
            if key == "tags" and isinstance(value, list):
                said = [_swapped(each, self._asked) if isinstance(each, str) else each for each in value]
                changed = changed or said != value
                value[:] = said
            else:
                changed = self._echo(value) or changed
        return changed


def invents(call: Call) -> bool:
    """Whether a query has a place where a test may have put something that it invented."""
    return any(name in TAGS or name.endswith(MOMENTS) for name, _ in call.query)


def _members(node: object) -> Iterable[tuple[object, object]]:
    if isinstance(node, dict):
        return node.items()
    return enumerate(node) if isinstance(node, list) else ()


def _parts(texts: Iterable[str]) -> Iterator[Part]:
    return (part for text in texts for part in _invented.parts(text))


def _swapped(text: str, table: dict[str, str]) -> str:
    swapped, end = "", 0
    for part in _invented.parts(text):
        swapped += text[end : part.start] + table.get(part.text, part.text)
        end = part.start + len(part.text)
    return swapped + text[end:]


def _same_value(now: Now) -> Callable[[tuple[str, str], tuple[str, str]], bool]:
    def same(asked: tuple[str, str], recorded: tuple[str, str]) -> bool:
        if asked[0] != recorded[0] or not asked[0].endswith(MOMENTS):
            return asked == recorded
        mine, other = _invented.moment(asked[1]), _invented.moment(recorded[1])
        return asked == recorded or (mine is not None and other is not None and now.alike(mine, other))

    return same

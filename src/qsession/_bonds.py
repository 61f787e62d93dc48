"""What a test invents now, and what stands for it in the recording: a bijection over a run.

Such values are known by their place: tags of a job, tags, searches and moments in a query.
Each is bound to the recorded one when it is first used, and from then on stands for it: in
what is asked, and in the tags of what is answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from qsession import _invented
from qsession._clock import SystemClock
from qsession._drawn import Drawn
from qsession._endpoints import Call
from qsession._invented import Part
from qsession._meaning import MOMENTS, TAGS
from qsession._model import SECOND, Instant, Micros, Response

SLACK: Micros = 300 * SECOND
"""By how much a moment may be nearer to now, or farther, than it was when it was recorded."""

_WORD = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{4,15}(?![0-9A-Za-z])")
_NEAR: Micros = 86_400 * SECOND

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

    def queried(self, asked: str, recorded: str) -> bool:
        """Whether a moment in a query may stand for a recorded one.

        Whole seconds are what people write, and are taken for literals.
        """
        mine, other = _invented.moment(asked), _invented.moment(recorded)
        if mine is None or other is None:
            return asked == recorded
        literal = not mine % SECOND and not other % SECOND
        return mine == other if literal else self.alike(mine, other)

    def tagged(self, asked: Part, recorded: Part) -> bool:
        """Whether a part of a tag may stand for a recorded one; moments only near to their now."""
        if asked.moment is None or recorded.moment is None:
            return True
        near = abs(recorded.moment - self.recorded) <= _NEAR
        return asked.text == recorded.text or (near and self.alike(asked.moment, recorded.moment))


@dataclass(slots=True)
class Bonds:
    """The values bound so far. One caller at a time.

    Attributes:
        real: The machine's time.
        drawn: What is known to be random, however short it is.
    """

    drawn: Drawn = field(default_factory=Drawn)
    real: Callable[[], Instant] = field(default_factory=lambda: SystemClock().now)
    _recorded: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, str] = field(default_factory=dict)

    def now(self, at: Instant, recorded: Instant) -> Now:
        """The moments of a request, beside those of a recorded one."""
        return Now((at, self.real()), recorded)

    def pairs(self, asked: Sequence[str], recorded: Sequence[str], now: Now) -> list[Pair] | None:
        """Which parts of some tags stand for which, None if the tags cannot stand for each other.

        Tags are a set: the client sends them in an order that differs from process to process.
        """
        left = list(recorded)
        both: list[Pair] = []
        for tag in sorted(asked, key=lambda tag: self._swapped_in(tag) not in recorded):
            known = self._swapped_in(tag)
            first = [known] if known in left else left
            found = ((each, pairs) for each in first if (pairs := self._beside(tag, each)) is not None)
            taken = next(((each, pairs) for each, pairs in found if self._fit(pairs, now)), None)
            if taken is None:
                return None
            left.remove(taken[0])
            both += taken[1]
        pairs = [pair for pair in both if pair[0].text != pair[1].text or pair[0].text in self._recorded]
        return pairs if not left and self._fit(pairs, now) else None

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
            (name, self._swapped_in(value) if name in TAGS else value) for name, value in call.query
        )
        return replace(call, query=query)

    def tags_inward(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Tags as they are recorded, as far as they are bound, sorted."""
        return tuple(sorted(map(self._swapped_in, tags)))

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
        found: list[Pair] = []
        for place in sorted(TAGS):
            mine_here, there = ([v for n, v in call.query if n == place] for call in (asked, recorded))
            if (pairs := self.pairs(mine_here, there, now)) is None:
                return None
            found += pairs
        return found if self._fit(found, now) else None

    def draws(self, tags: Iterable[str]) -> bool:
        """Whether a word in some tags is known to be random, though it is too short to look so."""
        return any(self._words(tag) for tag in tags)

    def _words(self, tag: str) -> list[Part]:
        long = [range(part.start, part.start + len(part.text)) for part in _invented.parts(tag)]
        return [
            Part("drawn", found[0], found.start())
            for found in _WORD.finditer(tag)
            if self.drawn.began(found[0]) and not any(found.start() in part for part in long)
        ]

    def _beside(self, asked: str, recorded: str) -> list[Pair] | None:
        """Which parts of two tags stand for which, None if the tags differ in something else."""
        words = self._words(asked)
        if not words:
            same = _invented.shape(asked) == _invented.shape(recorded)
            both = zip(_invented.parts(asked), _invented.parts(recorded), strict=same)
            return [*both] if same else None
        pattern, end = "", 0
        for word in words:
            pattern += f"{re.escape(asked[end : word.start])}([0-9a-f]{{{len(word.text)}}})"
            end = word.start + len(word.text)
        found = re.fullmatch(pattern + re.escape(asked[end:]), recorded)
        if found is None:
            return None
        others = (Part("drawn", found[i], found.start(i)) for i in range(1, len(words) + 1))
        return [*zip(words, others, strict=True)]

    def _swapped_in(self, text: str) -> str:
        return _swapped(text, self._recorded)

    def _fit(self, pairs: Iterable[Pair], now: Now) -> bool:
        recorded: dict[str, str] = {}
        asked: dict[str, str] = {}
        for mine, other in pairs:
            there = self._recorded.get(mine.text) or recorded.setdefault(mine.text, other.text)
            here = self._asked.get(other.text) or asked.setdefault(other.text, mine.text)
            if (there, here) != (other.text, mine.text) or not now.tagged(mine, other):
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


def _swapped(text: str, table: Mapping[str, str]) -> str:
    swapped, end = "", 0
    for part in _invented.parts(text):
        swapped += _words_swapped(text[end : part.start], table) + table.get(part.text, part.text)
        end = part.start + len(part.text)
    return swapped + _words_swapped(text[end:], table)


def _words_swapped(text: str, table: Mapping[str, str]) -> str:
    # Only what was drawn is in the table and so short.
    return _WORD.sub(lambda found: table.get(found[0], found[0]), text)


def _same_value(now: Now) -> Callable[[tuple[str, str], tuple[str, str]], bool]:
    def same(asked: tuple[str, str], recorded: tuple[str, str]) -> bool:
        if asked[0] != recorded[0] or not asked[0].endswith(MOMENTS):
            return asked == recorded
        return asked[0] == recorded[0] and now.queried(asked[1], recorded[1])

    return same

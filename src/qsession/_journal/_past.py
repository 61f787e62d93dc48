"""A journal read back: what happened, in its order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

from qsession._cassette import interaction_of
from qsession._journal import _messages
from qsession._journal._bodies import Bodies, Unreadable
from qsession._journal._lines import Damaged, Line, Record, lines
from qsession._model import Instant, Interaction, Micros, Request

FORMAT = 2
"""Number of the journal's format that this version writes, and the only one it reads."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a journal is of.

    Attributes:
        test: Test id, or empty.
        cassette: The cassette that it will become, relative to the folder that holds ``.qsession``.
        recorded_at: When the recording began.
        salt: Made at random; instances are told apart by digests over it and their CRNs.
    """

    test: str
    cassette: str
    recorded_at: Instant
    salt: str


@dataclass(frozen=True, slots=True)
class Made:
    """A session or job that the recording made.

    Attributes:
        kind: ``session`` or ``job``.
        real: The service's id.
        meaning: What its pseudonym follows from.
    """

    kind: str
    real: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A creating request that was about to be sent.

    Attributes:
        number: Its number in the journal.
        endpoint: ``sessions.create`` or ``jobs.create``.
        instance: Which of the recording's instances.
        request: Cleaned, with pseudonyms.
        at: When, on the clock of the machine.
        made: What came of it, if that is known although the answer is not.
        failed: Whether the code under test was told that there was no answer. It may have
            arrived all the same; the client sends again.
    """

    number: int
    endpoint: str
    instance: int
    request: Request
    at: Instant
    made: Made | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to an interaction: its first exchange, or once more the same answer.

    Attributes:
        index: Which interaction, from 0.
        at: When it was sent, counted from the start of the recording.
    """

    index: int
    at: Micros


@dataclass(slots=True)
class Past:
    """What a journal tells; filled while it is read.

    Attributes:
        path: The file.
        head: What it is of.
        order: Exchanges and unanswered creating requests, in their order.
        interactions: The recording so far.
        made: Sessions and jobs, in the order in which they got their pseudonyms.
        told: What the run was told: ``backend``, ``isa_seed`` and ``random_seed``.
        marks: Digests of the instances, in the order of first use.
        parked: The command that collects it, if it was parked last.
        withheld: Kinds of secrets because of which it is not whole.
        numbers: How many creating requests it numbers.
        size: Length of what is whole, in bytes; 0 for one that is not written yet.
        chain: The digest over that.
    """

    path: Path
    head: Head
    order: list[Moment | Asked] = field(default_factory=list)
    interactions: list[Interaction] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    told: dict[str, object] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    parked: str = ""
    withheld: tuple[str, ...] = ()
    numbers: int = 0
    size: int = 0
    chain: str = ""

    @property
    def settled(self) -> tuple[Made, ...]:
        """Sessions and jobs whose creating requests were answered, as far as the journal tells."""
        open_ends = {each.made for each in self.order if isinstance(each, Asked)}
        return tuple(made for made in self.made if made not in open_ends)


def read(path: Path) -> Past:
    """Read a journal.

    Args:
        path: The file.

    Raises:
        CassetteError: If it is damaged but for its last line, or of another format
            (QS211). It was left as it is.
        FileNotFoundError: If there is none.
    """
    try:
        found = list(lines(path.read_bytes()))
    except Damaged as damaged:
        raise _messages.damaged(path, damaged.number, "its digest does not fit") from damaged
    if not found:
        raise _messages.damaged(path, 1, "there is no whole first line")
    first = found[0].record
    if first.get("k") != "head" or first.get("format") != FORMAT:
        raise _messages.other_format(path, first.get("format"))
    reader = _Reader(path)
    for line in found:
        try:
            reader.take(line)
        except Unreadable as broken:
            raise _messages.damaged(path, line.number, f"the body beside it, {broken}") from broken
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as broken:
            raise _messages.damaged(path, line.number, f"a field is missing or wrong: {broken!r}") from broken
    return reader.past


class _Reader:
    """Takes the lines of a journal one after the other."""

    def __init__(self, path: Path) -> None:
        self.past = Past(path, Head("", "", 0, ""))
        self._bodies = Bodies(bodies_of(path))
        self._takers: Mapping[str, Callable[[Record], None]] = {
            "head": self._take_head,
            "told": lambda record: self.past.told.update({str(record["name"]): record["value"]}),
            "instance": lambda record: self.past.marks.append(str(record["mark"])),
            "asking": self._take_asking,
            "failed": self._take_failed,
            "made": self._take_made,
            "said": self._take_said,
            "again": self._take_again,
            "parked": lambda record: setattr(self.past, "parked", str(record["command"])),
            "resumed": lambda _record: setattr(self.past, "parked", ""),
            "withheld": self._take_withheld,
        }

    def take(self, line: Line) -> None:
        self._takers[str(line.record["k"])](line.record)
        self.past.size, self.past.chain = line.end, line.chain

    def _take_head(self, record: Record) -> None:
        self.past.head = Head(
            str(record["test"]), str(record["cassette"]), _whole(record["recorded_at"]), str(record["salt"])
        )

    def _take_asking(self, record: Record) -> None:
        self.past.numbers = _whole(record["n"])
        asked = self._exchange(record)
        self.past.order.append(
            Asked(self.past.numbers, asked.endpoint, asked.instance, asked.request, asked.at)
        )

    def _take_failed(self, record: Record) -> None:
        place, asked = self._unanswered(record["n"])
        self.past.order[place] = replace(asked, failed=True)

    def _take_made(self, record: Record) -> None:
        made = Made(str(record["kind"]), str(record["real"]), str(record["meaning"]))
        place, asked = self._unanswered(record["n"])
        self.past.order[place] = replace(asked, made=made)
        # Once more, if the answer to a resumed one was cut off as well.
        self.past.made = [each for each in self.past.made if each.real != made.real] + [made]

    def _take_said(self, record: Record) -> None:
        if record["n"] is not None:
            # From here on it is an exchange like others.
            del self.past.order[self._unanswered(record["n"])[0]]
        interaction = self._exchange(record)
        self.past.order.append(Moment(len(self.past.interactions), interaction.at))
        self.past.interactions.append(interaction)

    def _exchange(self, record: Record) -> Interaction:
        one = interaction_of(record["exchange"], self._bodies)
        # Copies have their bodies: a missing one is found now.
        return replace(one, request=copy(one.request), response=copy(one.response))

    def _take_again(self, record: Record) -> None:
        index, at = _whole(record["i"]), _whole(record["at"])
        former = self.past.interactions[index]
        again = replace(former, seen=former.seen + 1, last=max(former.last, at))
        self.past.interactions[index] = again
        self.past.order.append(Moment(index, at))

    def _take_withheld(self, record: Record) -> None:
        kinds = record["kinds"]
        self.past.withheld = tuple(map(str, kinds)) if isinstance(kinds, list) else ("a secret",)

    def _unanswered(self, number: object) -> tuple[int, Asked]:
        """A creating request that may still be answered, and its place."""
        wanted = _whole(number)
        for place, each in enumerate(self.past.order):
            if isinstance(each, Asked) and each.number == wanted and not each.failed:
                return place, each
        raise ValueError(f"request {wanted} was not asked, or was answered")


def bodies_of(path: Path) -> Path:
    """Where the large bodies of a journal lie."""
    return path.with_suffix(".bodies")


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value

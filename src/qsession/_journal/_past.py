"""A journal read back: what happened, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from qsession._journal import _messages
from qsession._journal._bodies import Bodies, Unreadable
from qsession._journal._lines import Damaged, Line, Record, lines
from qsession._model import Instant, Interaction, Micros, Request

FORMAT = 1
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


@dataclass(frozen=True, slots=True)
class Past:
    """What a journal tells.

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
        size: Length of what is whole, in bytes.
        chain: The digest over that.
        numbers: How many creating requests it numbers.
    """

    path: Path
    head: Head
    order: tuple[Moment | Asked, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    made: tuple[Made, ...] = ()
    told: Mapping[str, object] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    parked: str = ""
    withheld: tuple[str, ...] = ()
    size: int = 0
    chain: str = ""
    numbers: int = 0

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
    return reader.past(found[-1])


class _Reader:
    """Takes the lines of a journal one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bodies = Bodies(bodies_of(path))
        self._head: Head | None = None
        self._order: list[Moment | Asked | None] = []
        self._asked: dict[int, tuple[int, Asked]] = {}
        self._interactions: list[Interaction] = []
        self._made: list[Made] = []
        self._told: dict[str, object] = {}
        self._marks: list[str] = []
        self._parked = ""
        self._withheld: tuple[str, ...] = ()
        self._numbers = 0

    def take(self, line: Line) -> None:
        record = line.record
        {
            "head": self._take_head,
            "told": lambda r: self._told.update({str(r["name"]): r["value"]}),
            "instance": lambda r: self._marks.append(str(r["mark"])),
            "asking": self._take_asking,
            "failed": self._take_failed,
            "made": self._take_made,
            "said": self._take_said,
            "again": self._take_again,
            "parked": self._take_parked,
            "resumed": self._take_resumed,
            "withheld": self._take_withheld,
        }[str(record["k"])](record)

    def past(self, last: Line) -> Past:
        assert self._head is not None
        return Past(
            self._path,
            self._head,
            tuple(each for each in self._order if each is not None),
            tuple(self._interactions),
            tuple(self._made),
            self._told,
            tuple(self._marks),
            self._parked,
            self._withheld,
            last.end,
            last.chain,
            self._numbers,
        )

    def _take_head(self, record: Record) -> None:
        self._head = Head(
            str(record["test"]), str(record["cassette"]), _whole(record["recorded_at"]), str(record["salt"])
        )

    def _take_asking(self, record: Record) -> None:
        self._numbers = _whole(record["n"])
        asked = Asked(
            self._numbers,
            str(record["endpoint"]),
            _whole(record["instance"]),
            self._bodies.to_request(_fields(record["request"])),
            _whole(record["at"]),
        )
        self._asked[self._numbers] = len(self._order), asked
        self._order.append(asked)

    def _take_failed(self, record: Record) -> None:
        place, asked = self._asked.pop(_whole(record["n"]))
        self._order[place] = replace(asked, failed=True)

    def _take_made(self, record: Record) -> None:
        made = Made(str(record["kind"]), str(record["real"]), str(record["meaning"]))
        place, asked = self._asked[_whole(record["n"])]
        self._order[place] = replace(asked, made=made)
        # Once more, if the answer to a resumed one was cut off as well.
        self._made = [each for each in self._made if each.real != made.real] + [made]

    def _take_said(self, record: Record) -> None:
        number, at = record["n"], _whole(record["at"])
        if number is None:
            request = self._bodies.to_request(_fields(record["request"]))
        else:
            # From here on it is an exchange like others.
            place, asked = self._asked.pop(_whole(number))
            self._order[place], request = None, asked.request
        self._order.append(Moment(len(self._interactions), at))
        self._interactions.append(
            Interaction(
                str(record["endpoint"]),
                _whole(record["instance"]),
                request,
                self._bodies.to_response(_fields(record["response"])),
                at,
                _whole(record["took"]),
                last=at,
            )
        )

    def _take_again(self, record: Record) -> None:
        index, at = _whole(record["i"]), _whole(record["at"])
        former = self._interactions[index]
        self._interactions[index] = replace(former, seen=former.seen + 1, last=max(former.last, at))
        self._order.append(Moment(index, at))

    def _take_parked(self, record: Record) -> None:
        self._parked = str(record["command"])

    def _take_resumed(self, _record: Record) -> None:
        self._parked = ""

    def _take_withheld(self, record: Record) -> None:
        kinds = record["kinds"]
        self._withheld = tuple(str(kind) for kind in kinds) if isinstance(kinds, list) else ("a secret",)


def bodies_of(path: Path) -> Path:
    """Where the large bodies of a journal lie."""
    return path.with_suffix(".bodies")


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _fields(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("no fields")
    return value

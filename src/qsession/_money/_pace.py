"""When the next submission may go out: arithmetic over the moments that were given out lately."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from qsession._files import write_whole
from qsession._model import SECOND, Instant
from qsession._money._lives import Life

SUBMISSIONS = 5
WINDOW = 60 * SECOND
"""POST /jobs is limited to 5 jobs per minute per user (documented)."""

# The service counts arrivals, we count departures: a slow request followed by a fast
# one would be nearer to each other there than here.
_MARGIN = SECOND
_APART = WINDOW + _MARGIN


@dataclass(frozen=True, slots=True)
class Claim:
    """A moment that was given out.

    Attributes:
        moment: When its submission goes out.
        asked: When it was asked for.
        number: Tells it from the others of the same process.
        life: Who asked; None for one that is not known to others.
    """

    moment: Instant
    asked: Instant
    number: int
    life: Life | None = None


def in_force(claims: Collection[Claim], now: Instant) -> tuple[Claim, ...]:
    """The claims that still keep others waiting.

    What a process did not live to submit keeps nobody waiting. A claim that was made
    much later than now shows that the clock was set back; it then counts as made now, so
    that nobody waits for as long as the clock went back.
    """
    # A little later is nothing: whoever read the clock first need not come first.
    known = [each if each.asked <= now + _APART else replace(each, moment=now, asked=now) for each in claims]
    return tuple(
        each
        for each in known
        if each.moment + _APART > now and not (each.moment > now and each.life and each.life.is_over())
    )


def first_free(claims: Collection[Claim], now: Instant) -> Instant:
    """The first moment, now or later, at which one more submission makes no six in a minute.

    Args:
        claims: What was given out, some of it for later than now.
        now: The present moment.
    """
    given = [each.moment for each in claims]
    candidates = sorted({now, *(moment + _APART for moment in given if moment + _APART > now)})
    # The last candidate is past all others, so there always is one.
    return next(moment for moment in candidates if _fits([*given, moment]))


def _fits(moments: list[Instant]) -> bool:
    moments.sort()
    pairs = zip(moments, moments[SUBMISSIONS:], strict=False)
    return all(late - early >= _APART for early, late in pairs)


class Pace:
    """Gives out moments so that no more than five fall into one minute. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.claims: tuple[Claim, ...] = ()

    def claim(self, now: Instant, *, known: Collection[Claim] = (), life: Life | None = None) -> Instant:
        """The next free moment, now or later; it is taken from then on.

        Args:
            now: The present moment.
            known: What others were given.
            life: Who asks.
        """
        with self._lock:
            claims = in_force(frozenset((*self.claims, *known)), now)
            moment, self._count = first_free(claims, now), self._count + 1
            self.claims = (*claims, Claim(moment, now, self._count, life))
            return moment


OF_THIS_PROCESS = Pace()
"""What this process was given, whatever folder it works in."""


def read_claims(path: Path) -> tuple[Claim, ...]:
    """What was given out, as a file has it; nothing where there is none.

    Raises:
        OSError: If it cannot be read.
    """
    try:
        told = json.loads(path.read_bytes())
        claims = [Claim(**{**each, "life": Life(**each["life"])}) for each in told]
        return tuple(each for each in claims if isinstance(each.moment, int) and isinstance(each.asked, int))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        # It is written whole, so somebody else wrote this. At worst the service answers 429 once.
        return ()


def write_claims(path: Path, claims: Collection[Claim]) -> None:
    """Write down what was given out.

    Raises:
        OSError: If the disk refuses.
    """
    told = [asdict(each) for each in claims]
    write_whole(path, json.dumps(told).encode(), private=True, lasting=False)

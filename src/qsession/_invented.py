"""Values that a test invents anew each time it runs: which parts of a text are of such a kind.

A part counts if it stands alone, between characters that are no letters or digits, and is

- a UUID;
- 16 or more hexadecimal digits in one case, letters and decimal digits among them;
- a moment: ISO 8601 with a time of day, 14 digits of year to second, or seconds,
  milliseconds, microseconds or nanoseconds since 1970 of the years 2001 to 2100.

Everything else is a literal, and is compared as it is: names, numbers, dates, short
hexadecimal words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from qsession._model import SECOND, Instant

_ALONE = r"(?<![0-9A-Za-z])(?:{})(?![0-9A-Za-z])"
_PARTS = re.compile(
    _ALONE.format(
        r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})"
        r"|(?P<moment>\d{4}-\d\d-\d\d[T _-]\d\d[:.-]?\d\d[:.-]?\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
        r"|(?P<compact>\d{8}[T_-]?\d{6})"
        r"|(?P<epoch>\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19})"
        r"|(?P<hex>[0-9a-f]{16,}|[0-9A-F]{16,})"
    )
)
_ZONE = re.compile(r"(?:(?P<utc>Z)|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d))$")
_FRACTION = re.compile(r"[.,]\d+(?=Z|[+-]|$)")
_SECONDS = range(10**9, 4_102_444_800)
_DIGITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text that may have been invented.

    Attributes:
        kind: Equal for parts that may stand for each other.
        text: As it was written.
        start: Where it begins in the text.
        moment: The moment that it names; None for what is random.
    """

    kind: str
    text: str
    start: int
    moment: Instant | None = None


@lru_cache(maxsize=1024)
def parts(text: str) -> tuple[Part, ...]:
    """The parts of a text that may have been invented, in their order."""
    return tuple(_parts(text))


def shape(text: str) -> str:
    """A text with the kind of each such part in its place: equal for what may stand for each other."""
    shaped, end = "", 0
    for part in parts(text):
        # A tag cannot hold this character.
        shaped += f"{text[end : part.start]}\0{part.kind}\0"
        end = part.start + len(part.text)
    return shaped + text[end:]


def moment(text: str) -> Instant | None:
    """The moment that a text names as a whole, by ISO 8601; without a zone it is taken for UTC."""
    try:
        return _instant(datetime.fromisoformat(text))
    except ValueError:
        return None


def _parts(text: str) -> Iterator[Part]:
    for found in _PARTS.finditer(text):
        name, value = str(found.lastgroup), found[0]
        if name == "uuid":
            yield Part("uuid", value, found.start())
        elif name == "hex":
            if not (value.isdigit() or value.isalpha()):
                case = "hex" if value == value.lower() else "HEX"
                yield Part(f"{case}{len(value)}", value, found.start())
        elif (known := _moment(name, value)) is not None:
            # A fraction of 0 is not written.
            kind = re.sub(r"\d", "0", _FRACTION.sub("", value))
            yield Part(f"{name} {kind}", value, found.start(), known)


def _moment(name: str, value: str) -> Instant | None:
    if name == "epoch":
        whole, _, fraction = value.partition(".")
        unit = _DIGITS[len(whole)]
        seconds = int(whole) // unit
        micros = int(whole) % unit * SECOND // unit + int(f"{fraction:0<6}"[:6])
        return seconds * SECOND + micros if seconds in _SECONDS else None
    zone = _ZONE.search(value, 14) if name == "moment" else None
    digits = re.sub(r"\D", "", _FRACTION.sub("", value[: zone.start()] if zone else value))
    try:
        plain = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return _instant(plain) - (_offset(zone) if zone else 0)


def _offset(zone: re.Match[str]) -> int:
    if zone["utc"]:
        return 0
    size = (int(zone["hours"]) * 60 + int(zone["minutes"])) * 60 * SECOND
    return size if zone["sign"] == "+" else -size


def _instant(moment: datetime) -> Instant:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * SECOND)

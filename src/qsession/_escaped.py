"""Text of a recording as a terminal and a CI log may be given it. Light: errors load it when shown."""

from __future__ import annotations

import json
import re

# Controls but for line end and tab, characters that turn the direction of a text or are not
# seen, what ends a line elsewhere, and surrogates, which no terminal can be sent at all.
_HARMFUL = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)
# What a runner of GitHub Actions takes for an order: "::" where a line begins, blanks before it or
# not, and "##[" anywhere (read in the runner); Azure's has "##vso[", TeamCity's "##teamcity[".
_ORDER = re.compile(r"^(?P<blank>[^\S\n]*):(?=:)|#(?=#[a-z]*\[)", re.MULTILINE)


def escaped(text: str) -> str:
    """A text that moves no cursor, sets no title, hides and reverses nothing, and orders nothing.

    Args:
        text: Anything, from anywhere. Line ends and tabs stay.
    """
    return _ORDER.sub(_disarmed, _HARMFUL.sub(_spelled, text))


def one_line(text: str, *, most: int = 200) -> str:
    """A text as one line, cut where it is longer than that.

    Args:
        text: Anything.
        most: Characters that are kept.
    """
    cut = text[:most].replace("\n", "\\n").replace("\t", "\\t")
    return escaped(cut) + ("..." if len(text) > most else "")


def as_json(document: object) -> str:
    """A document as one line of JSON, in which no order stands either."""
    return _ORDER.sub("\\\\u0023", json.dumps(document))


def _disarmed(found: re.Match[str]) -> str:
    return "\\x23" if found["blank"] is None else f"{found['blank']}\\x3a"


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

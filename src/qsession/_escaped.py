"""Text of a recording as a terminal may be given it. Light: errors load it when they are shown."""

from __future__ import annotations

import re

# Controls but for line end and tab, characters that turn the direction of a text or are not
# seen, what ends a line elsewhere, and surrogates, which no terminal can be sent at all.
_HARMFUL = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)


def escaped(text: str) -> str:
    """A text that moves no cursor, sets no title, hides and reverses nothing.

    Args:
        text: Anything, from anywhere. Line ends and tabs stay.
    """
    return _HARMFUL.sub(_spelled, text)


def one_line(text: str, *, most: int = 200) -> str:
    """A text as one line, cut where it is longer than that.

    Args:
        text: Anything.
        most: Characters that are kept.
    """
    cut = text[:most].replace("\n", "\\n").replace("\t", "\\t")
    return escaped(cut) + ("..." if len(text) > most else "")


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""One thing that is wrong with a folder of cassettes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth a word.

    Attributes:
        path: The file, or folder.
        kind: Stable word for it, such as ``orphan-body``.
        text: What is wrong, in a sentence.
        code: Code of the error that a replay would raise, or empty.
    """

    path: str
    kind: str
    text: str
    code: str = ""

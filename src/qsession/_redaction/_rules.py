"""Rules of users: a named kind, or a regular expression."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from qsession._redaction._values import REDACTED
from qsession.errors import UsageError

TAGS = "tags"
CIRCUIT_NAMES = "circuit-names"
LOGS = "logs"

KINDS = {
    TAGS: "tags of jobs, of searches for jobs and of workloads",
    CIRCUIT_NAMES: "names and metadata of circuits",
    LOGS: "what jobs logged",
}
"""What is taken out on request, by name."""

_EXPLICIT = "re:"
_WORD = re.compile(r"[a-z-]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """A regular expression of a user.

    Attributes:
        number: Which of the rules it is, from 1, for messages that do not show it.
        pattern: What is taken out: what its one group matches, or all of it.
    """

    number: int
    pattern: re.Pattern[str]

    def finds(self, text: str) -> bool:
        """Whether there is something in a text to take out."""
        return self.pattern.search(text) is not None and self.replace(text) != text

    def replace(self, text: str) -> str:
        """The text without it."""
        return self.pattern.sub(self._without, text)

    def _without(self, found: re.Match[str]) -> str:
        if self.pattern.groups != 1:
            return REDACTED
        start, end = found.span(1)
        if start < 0:
            return found[0]
        return found.string[found.start() : start] + REDACTED + found.string[end : found.end()]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user wants taken out besides what always is.

    Attributes:
        kinds: Names of kinds.
        own: Regular expressions.
    """

    kinds: frozenset[str] = frozenset()
    own: tuple[Rule, ...] = ()


def rules(texts: Sequence[str], *, origin: str) -> Rules:
    """Read rules.

    Args:
        texts: Each the name of a kind, or a regular expression; ``re:`` before it says
            that it is one although it looks like a name.
        origin: Where they come from, for messages.

    Raises:
        UsageError: If one is no kind and no regular expression that can be used (QS170).
    """
    kinds, own = set(), []
    for number, text in enumerate(texts, 1):
        if text in KINDS:
            kinds.add(text)
        elif _WORD.fullmatch(text):
            near = difflib.get_close_matches(text, KINDS, n=1)
            why = f"did you mean {near[0]!r}?" if near else "there is no kind of this name"
            fix = f"one of {', '.join(KINDS)}; or re:{text} for the text itself"
            raise _wrong(f"{text!r} (from {origin}); {why}", fix)
        else:
            own.append(
                Rule(number, _compiled(text.removeprefix(_EXPLICIT), f"rule {number} (from {origin})"))
            )
    return Rules(frozenset(kinds), tuple(own))


def _compiled(text: str, name: str) -> re.Pattern[str]:
    # The rule itself is not shown: it may be the very text that must not be.
    example = r"for example project-\d{6}"
    try:
        pattern = re.compile(text)
    except re.error as broken:
        raise _wrong(f"{name} is no regular expression: {broken}", example) from None
    if pattern.search(""):
        raise _wrong(f"{name} matches an empty text, so it would match everywhere", example)
    if pattern.groups > 1:
        why = f"{name} has {pattern.groups} groups; one says which part is taken out, none that all of it is"
        raise _wrong(why, "(?:...) for groups that only hold things together")
    if Rule(0, pattern).replace(REDACTED) != REDACTED:
        raise _wrong(f"{name} matches a part of {REDACTED!r}, which is written in its place", example)
    return pattern


def _wrong(evidence: str, fix: str) -> UsageError:
    return UsageError("QS170", "A rule of redaction cannot be used.", evidence=[evidence], fix=fix)

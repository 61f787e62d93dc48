"""What must never be written: found, replaced, and proven absent.

Redaction is by structure (header allow-list, cloud resource names, tokens, ids of users, fields),
by value (whatever was seen as a credential or in a private field) and by rules of users, in every
layer: escapes, percent, base64, hexadecimal, zlib, gzip, files of circuits. The proof looks for all
of that again in what is about to be written, apart from what replaced it.

A replay does not load this room.
"""

from qsession._redaction._marks import Mark, cut_out, marked_in
from qsession._redaction._redactor import KEPT_REQUEST, KEPT_RESPONSE, Finding, Redactor, few, not_written
from qsession._redaction._rules import KINDS, Rules, rules
from qsession._redaction._screen import Screen
from qsession._redaction._urls import canonical_url

__all__ = [
    "KEPT_REQUEST",
    "KEPT_RESPONSE",
    "KINDS",
    "Finding",
    "Mark",
    "Redactor",
    "Rules",
    "Screen",
    "canonical_url",
    "cut_out",
    "few",
    "marked_in",
    "not_written",
    "rules",
]

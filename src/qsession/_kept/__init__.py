"""What was read and verified once, kept so that it opens quickly.

Three things: values that were used last (`Recent`, in this process), requests and
responses whose bodies are read when they are asked for, and verified recordings in a
folder beside the cassettes (`Kept`), for the processes that come after.
"""

from __future__ import annotations

from qsession._kept._collection import uncollected
from qsession._kept._folder import Kept
from qsession._kept._late import Known, Late, StoredRequest, StoredResponse, references, source_of
from qsession._kept._recent import Recent

__all__ = [
    "Kept",
    "Known",
    "Late",
    "Recent",
    "StoredRequest",
    "StoredResponse",
    "references",
    "source_of",
    "uncollected",
]

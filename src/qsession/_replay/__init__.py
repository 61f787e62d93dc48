"""Which recorded answer belongs to this request at this moment, and if none, why."""

from __future__ import annotations

from qsession._replay._before import past_of
from qsession._replay._source import LIVING, Replay, Reply

__all__ = ["LIVING", "Replay", "Reply", "past_of"]

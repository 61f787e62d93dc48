"""Versions of the API: which there are, which one a request asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qsession._refusals import Refused

LIVE = "2026-04-15"
"""The only version that is not deprecated (observed in August 2026)."""

DEPRECATED: Mapping[str, str] = {
    "2024-01-01": "2027-01-01",
    "2025-01-01": "2027-01-01",
    "2025-05-01": "2027-01-01",
    "2026-02-01": "2027-02-01",
    "2026-02-15": "2027-02-15",
    "2026-03-15": "2027-03-15",
}
"""The other versions with their sunsets, as listed in August 2026 (observed and documented)."""

OBJECTS_SINCE = "2025-01-01"
"""From here on ``GET /backends`` lists objects; before, names (documented)."""

PLAIN_USAGE_SINCE = "2026-03-15"
"""From here on neither ``bss`` nor seconds by their older names (the service's changelog)."""

ROOT_TIME_SINCE = "2026-04-15"
"""From here on the execution time stands at the root of the metrics (the service's changelog)."""

_FIRST = min(DEPRECATED)
_DATE = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def asked(headers: Mapping[str, str]) -> str:
    """The version that answers a request.

    Without the header it is the first (documented). A date between two versions means the
    earlier of them, as in other APIs of this cloud; a date after the last means the last, since
    an emulator cannot know what comes (both inferred).

    Raises:
        Refused: If it is no date, or one before the first version (inferred).
    """
    value = headers.get("ibm-api-version", _FIRST)
    if not _DATE.fullmatch(value) or value < _FIRST:
        raise Refused("unknown version", value[:40])
    return max(version for version in (*DEPRECATED, LIVE) if version <= value)

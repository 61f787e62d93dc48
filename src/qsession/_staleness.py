"""When a recording is too old to be trusted without a word. Nothing is ever recorded anew by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from qsession._clock import to_datetime
from qsession._model import SECOND, Instant, Provenance
from qsession.errors import CassetteError, UsageError

NEVER = "never"
ON_STALE = ("warn", "error", "ignore")

_DAY = 24 * 3600 * SECOND
_DAYS = re.compile(r"([1-9]\d{0,5})d")


@dataclass(frozen=True, slots=True)
class Expiry:
    """What counts as stale, and what happens then.

    Attributes:
        days: A recording of the service is stale when it is older; None for never.
        on_stale: ``warn`` tells it at the end of the test run, ``error`` refuses the
            recording, ``ignore`` says nothing.
    """

    days: int | None = None
    on_stale: str = "warn"

    def of_age(self, provenance: Provenance, now: Instant, where: str) -> str:
        """Judge a recording by its age.

        A recording of the emulator does not age: its moments are made up, and what it shows
        depends on versions only.

        Args:
            provenance: Its head.
            now: The machine's time.
            where: The file's name.

        Returns:
            Why it is stale; empty if it is not.

        Raises:
            CassetteError: If stale recordings are errors (QS227).
        """
        if self.days is None or provenance.target != "ibm":
            return ""
        age = (now - provenance.recorded_at) // _DAY
        if age < self.days:
            return ""
        day = to_datetime(provenance.recorded_at).date().isoformat()
        return self._told(f"recorded {day}, {age} days ago; qsession_expire is {self.days}d", where)

    def of_version(self, provenance: Provenance, asked: str, where: str) -> str:
        """Judge a recording by the API version of the client that asks it.

        A client of another API version may look for a field under another name and find
        nothing (tried: ``usage()`` of a job, clients 0.44 and 0.51).

        Args:
            provenance: Its head.
            asked: ``IBM-API-Version`` that the client sends now; empty if it sends none.
            where: The file's name.

        Returns:
            Why it is stale; empty if it is not.

        Raises:
            CassetteError: If stale recordings are errors (QS227).
        """
        recorded = provenance.api_version
        if not asked or not recorded or asked == recorded:
            return ""
        return self._told(f"recorded with API version {recorded}, the client asks for {asked}", where)

    def _told(self, why: str, where: str) -> str:
        if self.on_stale == "error":
            raise CassetteError(
                "QS227",
                "The recording is stale.",
                evidence=[why],
                fix="pytest --qsession-record, which replaces it",
                intended="set qsession_on_stale to warn or ignore, or qsession_expire to never",
                where=where,
            )
        return "" if self.on_stale == "ignore" else f"{where}: {why}"


def expiry(expire: object, on_stale: object) -> Expiry:
    """What the configuration says.

    Args:
        expire: A number of days such as ``90d``, or ``never``; empty for the default.
        on_stale: ``warn``, ``error`` or ``ignore``; empty for the default.

    Raises:
        UsageError: If one of them is something else (QS178, QS179).
    """
    text, word = str(expire or NEVER).strip(), str(on_stale or ON_STALE[0]).strip()
    days = _DAYS.fullmatch(text)
    if days is None and text != NEVER:
        raise UsageError(
            "QS178",
            "After how long a recording is stale is a number of days, or never.",
            evidence=[f"qsession_expire is {text!r}"],
            fix="qsession_expire = 90d",
        )
    if word not in ON_STALE:
        raise UsageError(
            "QS179",
            "What happens to a stale recording is warn, error or ignore.",
            evidence=[f"qsession_on_stale is {word!r}"],
            fix="qsession_on_stale = warn",
        )
    return Expiry(int(days[1]) if days else None, word)

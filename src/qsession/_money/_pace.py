"""When the next submission may go out. It remembers the last few."""

from __future__ import annotations

import threading
from collections import deque

from qsession._model import SECOND, Instant

SUBMISSIONS = 5
WINDOW = 60 * SECOND
"""POST /jobs is limited to 5 jobs per minute per user (documented)."""

# The service counts arrivals, we count departures: a slow request followed by a fast
# one would be nearer to each other there than here.
_MARGIN = SECOND


class Pace:
    """Gives out moments so that no more than five fall into one minute. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: deque[Instant] = deque(maxlen=SUBMISSIONS)

    def claim(self, now: Instant) -> Instant:
        """The next free moment, now or later; it is taken from then on."""
        with self._lock:
            moment = now
            if len(self._given) == SUBMISSIONS:
                moment = max(now, self._given[0] + WINDOW + _MARGIN)
            self._given.append(moment)
            return moment


OF_THIS_PROCESS = Pace()
"""What every guard of this process takes its moments from."""

"""What the life of sessions comes to past the end of a recording.

Sessions and jobs are rebuilt from what was recorded of them, then only timers and what
the code under test does move them on. Where the recording does not tell enough, there
is no answer: a moment that nobody saw is not made up.
"""

from __future__ import annotations

from qsession._beyond._answers import Beyond

__all__ = ["Beyond"]

"""What a recording has so far, on disk as it happens, so that one that was cut off goes on.

A journal is one file for each cassette that is being recorded against the service, below
``.qsession/journal``, with large bodies beside it. Lines are only ever added. Each carries
a digest over itself and all before it, so that a torn last line is known for what it is
and dropped, and any other damage is an error.

It is written like a cassette: redacted, and proven to hold no secret. Real ids of sessions
and jobs, which a cassette never holds, stand in lines of their own.
"""

from qsession._journal._arrival import arrived
from qsession._journal._journal import Journal, discard, new_head
from qsession._journal._messages import lost, other_test, withheld
from qsession._journal._past import Asked, Head, Past, read
from qsession._journal._playback import Answered, Playback, Unanswered

__all__ = [
    "Answered",
    "Asked",
    "Head",
    "Journal",
    "Past",
    "Playback",
    "Unanswered",
    "arrived",
    "discard",
    "lost",
    "new_head",
    "other_test",
    "read",
    "withheld",
]

"""What lies in a cassette folder and belongs to no test any more. Reads heads of files; no pytest."""

from qsession._shelf._collected import Collected, read, write
from qsession._shelf._heads import Head, ReadHead, all_heads, head_of
from qsession._shelf._look import Found, look
from qsession._shelf._offers import Offer, Taker
from qsession._shelf._standing import is_shared, left_over, shared_name

__all__ = [
    "Collected",
    "Found",
    "Head",
    "Offer",
    "ReadHead",
    "Taker",
    "all_heads",
    "head_of",
    "is_shared",
    "left_over",
    "look",
    "read",
    "shared_name",
    "write",
]

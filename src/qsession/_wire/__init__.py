"""The seam to the client: vcrpy's stubs, hooks that look at arguments.

The only room that imports vcrpy and the only one that uses private names of the client.
"""

from __future__ import annotations

from qsession._wire._client import hooked
from qsession._wire._direct import send_directly
from qsession._wire._seam import Handler, Send, installed

__all__ = ["Handler", "Send", "hooked", "installed", "send_directly"]

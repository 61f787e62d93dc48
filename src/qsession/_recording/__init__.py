"""Exchanges become a recording: pseudonyms, polls as runs, what is known of instances.

The recorder stands between the client and a source. Nothing is written here.
"""

from __future__ import annotations

from qsession._recording._account import Account
from qsession._recording._itself import CREATES
from qsession._recording._recorder import Notes, Recorder, Settle

__all__ = ["CREATES", "Account", "Notes", "Recorder", "Settle"]

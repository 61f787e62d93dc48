"""The money guard: no QPU second is spent that was not agreed to.

A guard stands around each request of a run against the real service. It keeps an upper
bound of what the run has cost, refuses what the rest of the budget does not cover,
paces submissions, and cancels every session of the run at its end: in this process
when it can, by a watcher process when this one is killed, by ``qsession doctor
--close`` from the notes on disk when even that failed.

One window stays open. When the process dies after POST /sessions was sent and before
its answer was read, nobody knows the new session's id: the service has no call that
says which request made a session, and the list of workloads shows those of other
processes of the same user as well, which must not be cancelled. Such a session costs
nothing, since usage starts with its first job (documented) and nobody can submit one
without the id; the service closes it after 30 minutes without a job (documented).
"""

from qsession._money._guard import MoneyGuard
from qsession._money._notes import OpenNote, forget, leftovers, parked
from qsession._money._purse import Purse

__all__ = ["MoneyGuard", "OpenNote", "Purse", "forget", "leftovers", "parked"]

"""What keeps a recording from being lost, or paid for twice.

The lock on its cassette, its journal, what becomes of it when its test failed or when it
holds a secret, and how a run is left until later.
"""

from qsession._custody import _quarantine as quarantine
from qsession._custody._custody import Custody, abandon
from qsession._custody._rejected import Rejected, listed

__all__ = ["Custody", "Rejected", "abandon", "listed", "quarantine"]

"""What keeps a recording from being lost, or paid for twice.

The lock on its cassette, its journal, what becomes of it when its test failed, and how
a run is left until later.
"""

from qsession._custody._custody import Custody, abandon, forget
from qsession._custody._rejected import Rejected, listed

__all__ = ["Custody", "Rejected", "abandon", "forget", "listed"]

"""What tests read in common: an account and its backends, the same for whoever asks, whenever.

The client keeps much of it (a service its instances, a backend its configuration and properties), so which
test asks is chance: it depends on the order, on the selection, on the workers.
"""

from __future__ import annotations

from collections.abc import Sequence

from qsession._endpoints import Call, identify
from qsession._meaning import MOMENTS, Key, key_of
from qsession._model import Interaction

_COMMON = frozenset({"backends.list", "backends.configuration", "backends.properties"})
_AT_IMPORT = _COMMON | {"backends.status"}
_REFUSED = 400


def is_common(call: Call, *, at_import: bool = False) -> bool:
    """Whether a call reads what is the same for all tests.

    Args:
        call: The request, understood.
        at_import: Whether a module that is imported asks. Before the first test the state of a
            backend is one for all, whatever it is in a test later.
    """
    # The properties of another moment are one test's.
    moments = (name.endswith(MOMENTS) for name, _ in call.query)
    return call.endpoint.name in (_AT_IMPORT if at_import else _COMMON) and not any(moments)


def is_account(call: Call) -> bool:
    """Whether a call finds an account: tokens, instances, plans."""
    return call.endpoint.family != "runtime"


def takes_no_time(call: Call) -> bool:
    """Whether an answer moves no clock that is virtual, as it is chance who asks."""
    return is_account(call) or is_common(call)


def common_key(interaction: Interaction, *, at_import: bool = False) -> Key | None:
    """The name of what an exchange tells that is the same for all tests; None for any other.

    Args:
        interaction: The exchange.
        at_import: Whether a module that is imported asked.
    """
    call = identify(interaction.request)
    if call is None or interaction.response.status >= _REFUSED:
        return None
    # Of a single instance only a test knows why it asks.
    told = is_account(call) and call.endpoint.name != "resources.get"
    return key_of(call, interaction.instance) if told or is_common(call, at_import=at_import) else None


def tells_of_an_account(interaction: Interaction) -> bool:
    """Whether an exchange told what an account is: a replay makes that up for whoever asks."""
    return not interaction.endpoint.startswith("backends.")


def same_answer(one: Interaction, other: Interaction) -> bool:
    """Whether two exchanges had the same answer."""
    return (one.response.status, one.response.body) == (other.response.status, other.response.body)


def all_alike(interactions: Sequence[Interaction]) -> bool:
    """Whether all exchanges had the same answer."""
    return all(same_answer(interactions[0], each) for each in interactions[1:])

"""Start-up hook of a child of ``qsession emulate`` or of a replay: see ``qsession._child``.

Clients before 0.51 ask the real IAM for a token whatever ``IAM_URL`` says (read in
the source of 0.41, 0.44 and 0.48); refused, they go on with the key of the emulator.
"""

import os
import sys
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

_undo = ExitStack()  # never closed: the guard lasts as long as the process


def _keep_off() -> None:
    # The child's Python may be one that qsession is not installed in.
    sys.path.append(str(Path(__file__).parents[2]))
    from qsession._child import ALLOWED
    from qsession._endpoints import is_service_host
    from qsession._guard import guarded, is_loopback

    sys.path.pop()
    allowed = os.environ.get(ALLOWED)

    def may_pass(host: str) -> bool:
        if allowed is None:
            return not is_service_host(host)
        return is_loopback(host) or host.lower() in allowed.split(",")

    def refuse(host: str) -> NoReturn:
        # An OSError, as for a name that does not resolve: the client copes with that.
        raise OSError(f"qsession: {host} is not reached from a child process of a replay or of the emulator")

    _undo.enter_context(guarded(may_pass, refuse))


def _go_on() -> None:
    """Load the sitecustomize that this one stands before, if there is one."""
    here = Path(__file__).parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    own = sys.modules.pop("sitecustomize")
    with suppress(ImportError):
        import_module("sitecustomize")
    # Python looks for the name again after this module has run.
    sys.modules.setdefault("sitecustomize", own)


_keep_off()
_go_on()

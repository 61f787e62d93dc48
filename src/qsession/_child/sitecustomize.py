"""Start-up hook of a child of ``qsession emulate`` or of a replay: see ``qsession._child``."""

import os
import sys
from contextlib import ExitStack
from importlib import import_module

_here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - as below
_undo = ExitStack()  # never closed: the guard lasts as long as the process


def _install() -> None:
    # The child's Python may be one that qsession is not installed in.
    sys.path.append(os.path.dirname(os.path.dirname(_here)))  # noqa: PTH120 - pathlib takes 10 ms
    before = set(sys.modules)
    try:
        from qsession._child._hook import installed
    finally:
        sys.path.pop()
    # The program may have a qsession of its own, and pytest wants to be the first to import one.
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "qsession":
            del sys.modules[name]
    _undo.enter_context(installed(os.environ))


def _close(problem: str) -> None:
    """Without the hook there is no telling where a connection leads: there are none, then."""
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise OSError(words)

    words = "qsession: nothing is reached from this process, since its start-up hook failed: " + problem
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        setattr(socket, name, refuse)
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        setattr(socket.socket, name, refuse)
    print(words, file=sys.stderr)  # noqa: T201 - nobody else can say it


def _go_on() -> None:
    """Load the sitecustomize that this one stands before, if there is one."""
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != _here]
    own = sys.modules.pop("sitecustomize")
    try:
        import_module("sitecustomize")
    except ImportError as missing:
        if missing.name != "sitecustomize":
            raise
    finally:
        # Python looks for the name again after this module has run.
        if sys.modules.setdefault("sitecustomize", own) is not own:
            # With another in its place this one would be garbage, and a guard that is collected is undone.
            sys.modules["_qsession_sitecustomize"] = own


try:
    _install()
except Exception as problem:  # noqa: BLE001 - whatever it is, the process must not go on unguarded
    _close(repr(problem))
_go_on()

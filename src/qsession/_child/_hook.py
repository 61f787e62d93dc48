"""What the start-up hook does in a child process. Imports the standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from os import pathsep

from qsession._child import ALLOWED, EMULATOR_PORT, FINGERPRINT, REFUSALS, REPLAY_PORT, ROOT, TRUST
from qsession._guard import Border, Fence, Lead, guarded, is_loopback, no_detours, replaced
from qsession._hosts import is_ibm, is_kept_off, is_led, is_service, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not imported: typing takes a child 5 ms.
    from typing import Any, NoReturn


@contextmanager
def installed(environment: Mapping[str, str]) -> Iterator[None]:
    """Keep this process off IBM, or lead it to the emulator, as its environment says.

    Args:
        environment: The environment of this process.

    Yields:
        Nothing. Everything is put back at the end, which a process does not live to see.
    """
    allowed, port = environment.get(ALLOWED), environment.get(EMULATOR_PORT)
    root = int(environment[ROOT]) if environment.get(ROOT) else None
    with ExitStack() as undo:
        if allowed is not None:
            replayed = environment.get(REPLAY_PORT)
            fence = Fence(allowed.split(","), root=root)
            undo.enter_context(_enclosed(fence, environment, int(replayed) if replayed else 0))
        elif port is not None:
            undo.enter_context(guarded(lambda host: not is_kept_off(plain(host)), _refuse, lead=_lead(port)))
            undo.enter_context(_unproxied())
            undo.enter_context(_trusted(environment))
        else:
            border = Border(is_service, root=root)
            undo.enter_context(guarded(border.may_pass, _refuse))
            undo.enter_context(no_detours(border.may_speak, _refuse, may_speak=border.may_speak))
        yield


@contextmanager
def _enclosed(fence: Fence, environment: Mapping[str, str], port: int) -> Iterator[None]:
    """Keep this process to what is of the test that started it; lead it to a recording, if to a port."""
    refuse = _noting(environment.get(REFUSALS))

    def may_speak(host: str, _port: int | None) -> bool:
        return port != 0 or fence.may_speak(host, None)

    with ExitStack() as undo:
        lead = _lead(port) if port else None
        undo.enter_context(guarded(fence.may_pass, refuse, lead=lead, may_ask=fence.may_ask))
        undo.enter_context(no_detours(fence.may_proxy, refuse, may_speak=may_speak))
        if port:
            undo.enter_context(_trusted(environment))
        yield


def _lead(port: object) -> Lead:
    return Lead(lambda host: is_led(plain(host)), int(str(port)))


@contextmanager
def _trusted(environment: Mapping[str, str]) -> Iterator[None]:
    """Speak TLS with the server that this process is led to, and under a name of IBM's with nobody else."""
    own, _, everybody = environment.get(TRUST, "").partition(pathsep)
    with ExitStack() as undo:
        if everybody:
            undo.enter_context(_trusting(own, everybody))
        undo.enter_context(_recognizing(environment.get(FINGERPRINT, "")))
        yield


def _refuse(host: str) -> NoReturn:
    # An OSError, as for a name that does not resolve: the client copes with that.
    raise OSError(f"qsession: {host} is not reached from a child process of a replay or of the emulator")


def _noting(notes: str | None) -> Callable[[str], NoReturn]:
    """Refuse, and tell the test of it: whoever started this process may not look at its words."""

    def refuse(host: str) -> NoReturn:
        if notes:
            # A note that cannot be written does not change what is refused.
            with suppress(OSError), open(notes, "a", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib for this
                file.write(f"{_command()} asked for {host}\n")
        _refuse(host)

    return refuse


def _command() -> str:
    """What this process was started as, up to its script or module: what follows may be secret."""
    words = list(getattr(sys, "orig_argv", sys.argv))
    told = [os.path.basename(word) for word in words[:1]]  # noqa: PTH119 - as above
    for word in words[1:]:
        told.append(word if word.startswith("-") else os.path.basename(word))  # noqa: PTH119
        if word == "-c" or not word.startswith("-"):
            break
    return " ".join(told)


@contextmanager
def _unproxied() -> Iterator[None]:
    """Refuse to ask a proxy on another machine for IBM: it is not led, and knows the way.

    One on this machine may be a program that is led itself, as a proxy for tests is.
    """
    from http.client import HTTPConnection

    def check(connection: Any, asked: str) -> None:
        # ``name``, ``name:port``, or a whole URL.
        name = plain(asked.partition("://")[2].partition("/")[0] or asked).partition(":")[0]
        if is_ibm(name) and not is_loopback(str(connection.host)):
            _refuse(name)

    through, ask = HTTPConnection.set_tunnel, HTTPConnection.putrequest

    def set_tunnel(connection: Any, host: str, *args: Any, **kwargs: Any) -> None:
        check(connection, host)
        through(connection, host, *args, **kwargs)

    def putrequest(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if "://" in url and not url.startswith("/"):
            check(connection, url)
        ask(connection, method, url, *args, **kwargs)

    with (
        replaced(HTTPConnection, "set_tunnel", set_tunnel),
        replaced(HTTPConnection, "putrequest", putrequest),
    ):
        yield


@contextmanager
def _trusting(emulator: str, everybody: str) -> Iterator[None]:
    """Trust everybody where the environment says to trust the emulator alone.

    The environment stays as it is, for children that do not load this.
    """
    try:
        from ssl import SSLContext
    except ImportError:  # a Python without TLS
        yield
        return
    load, defaults = SSLContext.load_verify_locations, SSLContext.load_default_certs

    def load_verify_locations(
        context: Any, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        load(context, everybody if cafile == emulator else cafile, capath, cadata)

    def load_default_certs(context: Any, *args: Any, **kwargs: Any) -> None:
        defaults(context, *args, **kwargs)
        load(context, everybody)

    with (
        replaced(SSLContext, "load_verify_locations", load_verify_locations),
        replaced(SSLContext, "load_default_certs", load_default_certs),
    ):
        yield


@contextmanager
def _recognizing(fingerprint: str) -> Iterator[None]:
    """Give up TLS under a name of IBM's with anybody but the emulator, before a word is said.

    Whatever way the connection took: a proxy, an address, or a socket that Python's own
    ``socket`` did not open, as those of uvloop are.
    """
    from hashlib import sha256

    try:
        from ssl import SSLObject, SSLSocket
    except ImportError:
        yield
        return

    def checked(original: Callable[..., None]) -> Callable[..., None]:
        def do_handshake(own: Any, *args: Any, **kwargs: Any) -> None:
            original(own, *args, **kwargs)
            name = plain(own.server_hostname)
            # Also where the program trusts everybody: the certificate is there all the same.
            if is_ibm(name) and sha256(own.getpeercert(True) or b"").hexdigest() != fingerprint:
                _refuse(name)

        return do_handshake

    with (
        replaced(SSLSocket, "do_handshake", checked(SSLSocket.do_handshake)),
        replaced(SSLObject, "do_handshake", checked(SSLObject.do_handshake)),
    ):
        yield

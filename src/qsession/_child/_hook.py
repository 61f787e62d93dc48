"""What the start-up hook does in a child process. Imports the standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from os import pathsep, sep

from qsession._child import (
    ACCOUNTS,
    ALLOWED,
    EMULATOR_PORT,
    FINGERPRINT,
    FOLDER,
    REFUSALS,
    REPLAY_PORT,
    ROOT,
    TRUST,
)
from qsession._guard import Border, Bounds, Fence, Lead, guarded, is_loopback, once_imported, replaced
from qsession._hosts import is_ibm, is_kept_off, is_led, is_service, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not imported: typing takes a child 5 ms.
    from typing import Any, NoReturn


_KEEPS_ACCOUNTS = "qiskit_ibm_runtime.accounts.management"
_FILE_OF_ACCOUNTS = "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE"
"""Where the client finds saved accounts unless told otherwise (its code, 0.41 to 0.51)."""


@contextmanager
def installed(environment: Mapping[str, str]) -> Iterator[None]:
    """Keep this process off IBM, or lead it to an emulator or a recording, as its environment says.

    Args:
        environment: The environment of this process.

    Yields:
        Nothing. Everything is put back at the end, which a process does not live to see.
    """
    folder = environment.get(FOLDER, "")
    port = environment.get(EMULATOR_PORT if ALLOWED not in environment else REPLAY_PORT)
    lead = Lead(lambda host: is_led(plain(host)), int(port)) if port else None
    with ExitStack() as undo:
        undo.enter_context(guarded(_bounds(environment, is_led=bool(port)), _noting(folder), lead=lead))
        if folder:
            undo.enter_context(once_imported(_KEEPS_ACCOUNTS, partial(_without_accounts, folder)))
        if port:
            undo.enter_context(once_imported("http.client", _untunnelled))
            undo.enter_context(once_imported("ssl", partial(_trusted, environment)))
        yield


def _bounds(environment: Mapping[str, str], *, is_led: bool) -> Bounds:
    root = int(environment[ROOT]) if environment.get(ROOT) else None
    allowed = environment.get(ALLOWED)
    if allowed is not None:
        return (_Answered if is_led else Fence)(allowed.split(","), root=root)
    return _Led() if is_led else Border(is_service, root=root)


class _Answered(Fence):
    """Of a program that is answered from a recording. With whom it speaks TLS is seen by the certificate."""

    def may_speak(self, _host: str, _port: int | None) -> bool:
        return True


class _Led(Bounds):
    """Of a program that is led to an emulator: all the world but IBM."""

    def may_pass(self, host: str) -> bool:
        return not is_kept_off(plain(host))

    def may_proxy(self, host: str, port: int | None) -> bool:
        """For IBM one on this machine only: it may be led itself, as a proxy for tests is."""
        return port is not None or not is_ibm(plain(host))


def _refuse(host: str) -> NoReturn:
    # An OSError, as for a name that does not resolve: the client copes with that.
    raise OSError(f"qsession: {host} is not reached from a child process of a replay or of the emulator")


def _noting(folder: str) -> Callable[[str], NoReturn]:
    """Refuse, and tell the test of it: whoever started this process may not look at its words."""

    def refuse(host: str) -> NoReturn:
        # A note that cannot be written does not change what is refused.
        with suppress(OSError):
            if folder:
                _make(folder)
                with open(folder + sep + REFUSALS, "a", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib for this
                    file.write(f"{_command()} asked for {host}\n")
        _refuse(host)

    return refuse


@contextmanager
def _without_accounts(folder: str, management: Any) -> Iterator[None]:
    """Give the client an empty file of accounts, which goes with the run, and with it what is saved there.

    The home stays as it is: much else lives on it. A file that the program names itself is its own.
    """
    with suppress(OSError):
        _make(folder)  # for nobody else: the client, which would make it too, does not see to that
    with replaced(management, _FILE_OF_ACCOUNTS, folder + sep + ACCOUNTS):
        yield


def _make(folder: str) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - as above


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
def _untunnelled(client: Any) -> Iterator[None]:
    """Do not even connect to a proxy on another machine for IBM: it is not led, and knows the way."""
    connection = client.HTTPConnection
    through = connection.set_tunnel

    def set_tunnel(own: Any, host: str, *args: Any, **kwargs: Any) -> None:
        name = plain(host).partition(":")[0]
        if is_ibm(name) and not is_loopback(str(own.host)):
            _refuse(name)
        through(own, host, *args, **kwargs)

    with replaced(connection, "set_tunnel", set_tunnel):
        yield


@contextmanager
def _trusted(environment: Mapping[str, str], ssl: Any) -> Iterator[None]:
    """Speak TLS with the server that this process is led to, and under a name of IBM's with nobody else."""
    emulator, _, everybody = environment.get(TRUST, "").partition(pathsep)
    with ExitStack() as undo:
        if everybody:
            undo.enter_context(_trusting(emulator, everybody, ssl.SSLContext))
        for kind in (ssl.SSLSocket, ssl.SSLObject):
            recognize = _recognizing(environment.get(FINGERPRINT, ""), kind.do_handshake)
            undo.enter_context(replaced(kind, "do_handshake", recognize))
        yield


@contextmanager
def _trusting(emulator: str, everybody: str, kind: Any) -> Iterator[None]:
    """Trust everybody where the environment says to trust the emulator alone.

    The environment stays as it is, for children that do not load this.
    """
    load, defaults = kind.load_verify_locations, kind.load_default_certs

    def load_verify_locations(
        context: Any, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        load(context, everybody if cafile == emulator else cafile, capath, cadata)

    def load_default_certs(context: Any, *args: Any, **kwargs: Any) -> None:
        defaults(context, *args, **kwargs)
        load(context, everybody)

    with (
        replaced(kind, "load_verify_locations", load_verify_locations),
        replaced(kind, "load_default_certs", load_default_certs),
    ):
        yield


def _recognizing(fingerprint: str, shake_hands: Callable[..., None]) -> Callable[..., None]:
    """Give up TLS under a name of IBM's with anybody but the emulator, before a word is said.

    Whatever way the connection took: a proxy, an address, or a socket that Python's own
    ``socket`` did not open, as those of uvloop are.
    """

    def do_handshake(own: Any, *args: Any, **kwargs: Any) -> None:
        from hashlib import sha256

        shake_hands(own, *args, **kwargs)
        name = plain(own.server_hostname)
        # Also where the program trusts everybody: the certificate is there all the same.
        if is_ibm(name) and sha256(own.getpeercert(True) or b"").hexdigest() != fingerprint:
            _refuse(name)

    return do_handshake

"""The environment of a command whose every way to IBM leads to an emulator."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

from qsession import _child
from qsession._hosts import IBM, STAND_IN

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*t?(?:\.exe)?", re.IGNORECASE)
# They would send the client past the names that are led.
_ELSEWHERE = ("GLOBAL_SEARCH_URL", "GLOBAL_CATALOG_URL", "RESOURCE_CONTROLLER_URL")


@dataclass(frozen=True, slots=True)
class Destination:
    """An emulator that listens, and what a client must know of it.

    Attributes:
        port: Its port on 127.0.0.1.
        key: An API key that it takes.
        instance: The CRN of an instance.
        backend: The name of a backend.
        certificate: What to trust, in PEM.
        fingerprint: SHA-256 of the certificate that it shows.
    """

    port: int
    key: str
    instance: str
    backend: str
    certificate: bytes
    fingerprint: str


def environment(
    inherited: Mapping[str, str], to: Destination, *, folder: Path, secure: bool
) -> dict[str, str]:
    """The whole environment of the command.

    The url is IBM's own with ``secure``, else one that stands for it, with which all that
    the client makes of its url works without TLS. Both are names that only the hook leads:
    a program that does not load it reaches nobody by them. Such a program also trusts nobody
    but the emulator, so that it cannot hand a key to IBM over TLS; one that loads the hook
    trusts whom it trusted before too.

    Args:
        inherited: The environment of this process.
        to: The emulator.
        folder: A folder for two files of certificates, for as long as the command runs.
        secure: Speak TLS under IBM's own names.
    """
    own, everybody = folder / "emulator.pem", folder / "everybody.pem"
    own.write_bytes(to.certificate)
    everybody.write_bytes(_trusted(inherited) + b"\n" + to.certificate)
    base = f"https://{IBM}" if secure else f"http://{STAND_IN}"
    scheme, _, host = base.partition("://")
    around = ",".join(filter(None, (_no_proxy(inherited), "127.0.0.1", "localhost", IBM, STAND_IN)))
    return {
        **{name: value for name, value in inherited.items() if name not in _ELSEWHERE},
        **_child.environment(inherited),
        **dict.fromkeys(_BUNDLES, str(own)),
        _child.TRUST: os.pathsep.join((str(own), str(everybody))),
        _child.FINGERPRINT: to.fingerprint,
        _child.EMULATOR_PORT: str(to.port),
        "QISKIT_IBM_TOKEN": to.key,
        "QISKIT_IBM_URL": base,
        "QISKIT_IBM_INSTANCE": to.instance,
        "QISKIT_IBM_QPU": to.backend,
        # Without it the client posts the key to IBM's own IAM, whatever its url is.
        "IAM_URL": f"{scheme}://iam.{host}",
        # For programs in other languages, which nothing leads.
        "QSESSION_EMULATOR_URL": f"http://127.0.0.1:{to.port}",
        "NO_PROXY": around,
        "no_proxy": around,
    }


def _no_proxy(inherited: Mapping[str, str]) -> str:
    return inherited.get("no_proxy") or inherited.get("NO_PROXY") or ""


def _trusted(inherited: Mapping[str, str]) -> bytes:
    """Whom a program would trust by itself: what its environment says, or everybody's list."""
    import certifi

    named = [Path(inherited[name]) for name in _BUNDLES if inherited.get(name)]
    return next((path for path in named if path.is_file()), Path(certifi.where())).read_bytes()


def ignored_by(program: Sequence[str]) -> str | None:
    """The option with which a command tells Python to ignore the hook, if it does.

    Args:
        program: A command and its arguments.

    Returns:
        Such as ``-I``; None where the command is no Python or says nothing of the kind. What
        the command starts itself is not looked at.
    """
    words = list(program)
    if Path(words[0]).name == "env":
        # ``env NAME=value python``
        words = list(dropwhile(lambda word: "=" in word, words[1:])) or words
    if _is_python(words[0]):
        return _ignoring(words[1:])
    # A script says in its first line which Python it wants, and how.
    found = shutil.which(words[0])
    first = _first_line(Path(found)) if found else ""
    named = first[2:].split() if first.startswith("#!") else []
    named = named[1:] if named and Path(named[0]).name == "env" else named
    return _ignoring(named[1:]) if named and _is_python(named[0]) else None


def _is_python(word: str) -> bool:
    return _PYTHON.fullmatch(Path(word).name) is not None


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(512).decode("utf-8", "replace")
    except OSError:
        return ""


def _ignoring(arguments: Sequence[str]) -> str | None:
    """The first of Python's own options that keeps the hook out."""
    is_value = False
    for argument in arguments:
        if is_value:
            is_value = False
            continue
        if not argument.startswith("-") or argument == "-":
            return None
        options = "" if argument.startswith("--") else argument[1:]
        for place, letter in enumerate(options):
            if letter in "IES":
                return "-" + letter
            if letter in "cm":
                return None
            if letter in "XW":
                is_value = place == len(options) - 1
                break
    return None

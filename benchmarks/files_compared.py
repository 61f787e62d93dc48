"""Damaged files, shown to stock vcrpy and to qsession: who notices, and whose file is still there?

    python -m benchmarks.files_compared

Each damage is done to a cassette of three interactions of either kind. vcrpy opens it in mode `once`, its
default, and makes one request that is not in it; qsession opens it as a replay does. Exit status 1 if
qsession reads one of them, or changes it.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from qsession import _cassette
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._store import Store
from qsession.errors import CassetteError


def _boundary(data: bytes) -> bytes:
    return data[: data.rindex(b"\n- request:") + 1]


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "invalid UTF-8 at the end": lambda data: data + b"\xff\xfe",
    "cut in half": lambda data: data[: len(data) // 2],
    "cut between two interactions": _boundary,
    "another YAML file": lambda _: b"a: 1\n",
    "a version of the future": lambda data: data.replace(b"version: 1", b"version: 99").replace(
        b"format: 1", b"format: 99"
    ),
    "empty": lambda _: b"",
    "a status edited": lambda data: data.replace(b"code: 200", b"code: 404", 1),
    "one interaction twice": lambda data: data + data[data.rindex(b"- request:") :],
    "conflict markers": lambda data: data.replace(b"- request:", b"<<<<<<< ours\n- request:", 1),
}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def theirs(folder: Path, damage: Callable[[bytes], bytes], url: str) -> str:
    """What stock vcrpy makes of a damaged cassette, in words."""
    import requests
    import vcr

    path = folder / "theirs.yaml"
    with vcr.use_cassette(str(path)):
        for number in range(3):
            requests.get(f"{url}/{number}", timeout=30)
    path.write_bytes(after := damage(path.read_bytes()))
    told = ""
    try:
        with warnings.catch_warnings(), vcr.use_cassette(str(path)) as cassette:
            warnings.simplefilter("ignore")
            told = f"loads {len(cassette)} of 3, without a word"
            requests.get(f"{url}/new", timeout=30)
    except Exception as refused:  # noqa: BLE001 - no types are promised
        # That the new request is refused is as it should be.
        told = told or f"{type(refused).__name__}"
    return told + (", recorded over" if path.read_bytes() != after else "")


def ours(folder: Path, damage: Callable[[bytes], bytes]) -> tuple[str, bool]:
    """What qsession makes of it, in words; and whether it was refused and left alone."""
    path = folder / "ours.yaml"
    exchanges = tuple(
        Interaction(
            "jobs.get",
            0,
            Request("GET", f"https://quantum.cloud.ibm.com/api/v1/jobs/{number}"),
            Response(200, body=b"ok"),
            number,
            1,
            last=number,
        )
        for number in range(3)
    )
    text, _ = _cassette.encode(Recording(Provenance("emulator", 0), exchanges))
    path.write_bytes(after := damage(text.encode()))
    try:
        Store(folder, folder / ".qsession").load(path)
        return "read", False
    except CassetteError as refused:
        kept = path.read_bytes() == after
        return f"{refused.code}" + ("" if kept else ", changed"), kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Damage, open, print both."""
    del arguments
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    failed = 0
    print(f"{'damage':<32} {'stock vcrpy, mode once':<52} qsession")
    for name, damage in DAMAGES.items():
        with TemporaryDirectory() as folder:
            their = theirs(Path(folder), damage, f"http://127.0.0.1:{server.server_port}")
            our, fine = ours(Path(folder), damage)
        failed += not fine
        print(f"{name:<32} {their:<52} {our}")
    server.shutdown()
    print(f"findings: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

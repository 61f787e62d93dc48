"""The emulated service as a process of its own, over TLS, with a line to the tests.

Started as ``python platform_process.py FOLDER``. Reads ``spec.json`` of the folder, prints
its ports as one line of JSON once it listens. The line is plain HTTP on another port: what is open,
what was asked, what was handed out, and orders to answer a call with an error once.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from qsession._clock import SystemClock
from qsession._endpoints import identify
from qsession._model import Instant, Request, Response
from qsession.emulator import Emulator, EmulatorServer, Instance


class Platform(Emulator):
    """An emulator that keeps a log, and stumbles when it is told to."""

    def __init__(self, spec: dict[str, object]) -> None:
        instances = [Instance(**{**each, "tags": tuple(each.get("tags", ()))}) for each in spec["instances"]]
        super().__init__(
            instances=instances,
            backends=("ibm_fez", "ibm_torino"),
            strict=True,
            api_key=str(spec["key"]),
            seed=3,
            queue_seconds=0.15,
            run_seconds=0.15,
        )
        self.claims = spec["claims"]
        self.lock = threading.Lock()
        self.stumbles: Counter[tuple[str, int]] = Counter()
        self.asked: list[dict[str, object]] = []
        self.handed_out: dict[str, list[str]] = {"session": [], "job": [], "token": []}

    def answer(self, request: Request, at: Instant) -> Response:
        call = identify(request)
        name = call.endpoint.name if call else "stranger"
        response = self._stumble(name) or super().answer(request, at)
        if name == "iam.token" and response.status == 200:
            response = self._with_claims(response)
        with self.lock:
            self._note(name, request, response)
        return response

    def _with_claims(self, response: Response) -> Response:
        """A token that tells who its owner is, as those of the real IAM do."""
        document = json.loads(response.body)
        head, claims, _ = document["access_token"].split(".")
        told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))) | self.claims
        claims = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()
        signature = self._world.tokens._signature(f"{head}.{claims}")
        document["access_token"] = f"{head}.{claims}.{signature}"
        return replace(response, body=json.dumps(document).encode())

    def _stumble(self, name: str) -> Response | None:
        with self.lock:
            order = next((o for o, times in self.stumbles.items() if o[0] == name and times), None)
            if order is None:
                return None
            self.stumbles[order] -= 1
        # What stands in front of a service answers in HTML, whatever was asked.
        return Response(order[1], "Gateway", {"content-type": "text/html"}, b"<html>try again</html>")

    def _note(self, name: str, request: Request, response: Response) -> None:
        host = urlsplit(request.url).hostname
        self.asked.append(
            {"call": name, "scheme": urlsplit(request.url).scheme, "host": host, "status": response.status}
        )
        kind = {"sessions.create": "session", "jobs.create": "job", "iam.token": "token"}.get(name)
        if kind and response.status < 300:
            field = "access_token" if kind == "token" else "id"
            self.handed_out[kind].append(json.loads(response.body)[field])


def _line_to(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Line(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            order = urlsplit(self.path)
            with platform.lock:
                if order.path == "/stumble":
                    wanted = dict(parse_qsl(order.query))
                    platform.stumbles[wanted["call"], int(wanted["status"])] += 1
                told = {
                    "/open": list(platform.open_sessions(SystemClock().now())),
                    "/asked": list(platform.asked),
                    "/handed_out": platform.handed_out,
                    "/stumble": "done",
                }[order.path]
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Line


def main(folder: Path) -> None:
    spec = json.loads((folder / "spec.json").read_text())
    platform = Platform(spec)
    line = ThreadingHTTPServer(("127.0.0.1", 0), _line_to(platform))
    with EmulatorServer(platform, tls=(spec["certificate"], spec["tls_key"])) as server:
        print(json.dumps({"port": server.port, "line": line.server_address[1]}), flush=True)
        line.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

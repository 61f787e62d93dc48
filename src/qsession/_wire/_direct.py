"""A way to the service beside the seam, for cancelling sessions while a run is on."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from qsession._model import Request, Response

_Http: Any = HTTPConnectionPool
_Https: Any = HTTPSConnectionPool


class _PlainPool(HTTPConnectionPool):
    # Bound here, at import, before a seam is installed.
    ConnectionCls = HTTPConnection
    _get_conn = _Http._get_conn


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = HTTPSConnection
    _get_conn = _Https._get_conn


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return manager


def send_directly(request: Request) -> Response:
    """Send a request to the real network, whatever seam is installed.

    Proxies and certificate bundles come from the environment, as ``requests`` reads
    them; what a service was given in Python is not known here.

    Args:
        request: What to send.

    Returns:
        The answer, whatever its status.

    Raises:
        requests.RequestException: If there is no answer within 30 seconds.
    """
    with requests.Session() as session:
        session.mount("https://", _Adapter())
        session.mount("http://", _Adapter())
        answer = session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body or None,
            timeout=30,
            allow_redirects=False,
        )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status_code, answer.reason or "", headers, answer.content)

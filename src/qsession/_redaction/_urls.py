"""URLs as they may be written: under the service's own names, without an account's business."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from qsession._endpoints import Call

_HOSTS = {
    "iam": "https://iam.cloud.ibm.com",
    "search": "https://api.global-search-tagging.cloud.ibm.com",
    "catalog": "https://globalcatalog.cloud.ibm.com",
    "resource": "https://resource-controller.cloud.ibm.com",
}


def canonical_url(call: Call, *, clean: Callable[[str, str], str] = lambda _name, value: value) -> str:
    """The URL of a call under the service's own host name, whatever host it went to.

    Args:
        call: The request, understood.
        clean: Gives what is written of a value, by its name: of the path, or of a parameter.
    """
    if call.endpoint.family in _HOSTS:
        # Which instance, which plan, which name: the account's business.
        return _HOSTS[call.endpoint.family] + call.endpoint.template
    prefix = "" if call.region == "us-east" else f"{call.region}."
    base = f"https://{prefix}quantum.cloud.ibm.com/api/v1"
    path = call.endpoint.template if "account" in call.ids else clean("", call.path)
    path = quote(path, safe="/:@!$'()*+,;=~-._")
    told = ((quote(clean("", key), safe=""), quote(clean(key, value), safe=":")) for key, value in call.query)
    query = "&".join(f"{key}={value}" for key, value in told)
    return f"{base}{path}" + (f"?{query}" if query else "")

"""IBM's host names: which of them the emulator stands in for, and which must never be reached.

Loaded by child processes too, whose Python may be older than this package's: it imports
the standard library only.
"""

from __future__ import annotations

IBM = "cloud.ibm.com"
"""Where the service is (documented; the client's default url)."""

STAND_IN = "qsession.invalid"
"""A domain that stands for `IBM` where no TLS is spoken.

The client makes the names of IAM, search, catalog and of each region out of the host of its
url, and drops the port (its code, ``accounts/utils.py``, ``api/utils.py``). Names that end in
``.invalid`` exist nowhere (RFC 6761): a program that is not led asks nobody.
"""

PATTERNS = (
    IBM,
    f"*.{IBM}",
    f"*.quantum.{IBM}",
    f"*.us-east.quantum.{IBM}",
    f"*.eu-de.quantum.{IBM}",
    f"*.quantum-computing.{IBM}",
    f"*.us-east.quantum-computing.{IBM}",
    f"*.eu-de.quantum-computing.{IBM}",
    f"*.iam.{IBM}",
    f"*.global-search-tagging.{IBM}",
    f"*.private.global-search-tagging.{IBM}",
    f"*.globalcatalog.{IBM}",
    f"*.resource-controller.{IBM}",
)
"""The led names of `IBM` as a certificate lists them: a star stands for one label."""

_LED = (
    r"(?:(?:private\.)?(?:[a-z]{2}-[a-z]+\.)?(?:iam|globalcatalog|resource-controller|quantum)\."
    # Where client 0.41 has the service on the channel ibm_cloud, and privately on each (its code).
    r"|(?:private\.)?[a-z]{2}-[a-z]+\.quantum-computing\."
    r"|api\.(?:private\.)?global-search-tagging\.)?"
    "(?:" + f"{IBM}|{STAND_IN}".replace(".", r"\.") + ")"
)
SERVICE_DOMAINS = (IBM, "quantum.ibm.com", "quantum-computing.ibm.com", STAND_IN)
"""What the service is below, and what stands for it."""

_OWNED = ("ibm.com", "bluemix.net", STAND_IN)


def as_text(host: object) -> str:
    """A host name in whatever form, as a text; empty for none."""
    return host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host or "")


def plain(host: object) -> str:
    """A host name as the resolver would take it: ASCII, lower case, without the final dot."""
    text = as_text(host)
    if not text.isascii():
        try:
            text = text.encode("idna").decode()
        except UnicodeError:
            return text
    return text.lower().rstrip(".")


def is_led(host: str) -> bool:
    """Whether the emulator stands in for a host: IAM, search, catalog, resources, the service.

    Args:
        host: A name as `plain` gives it.
    """
    import re  # a child that is led to nobody does without

    return re.fullmatch(_LED, host) is not None


def is_kept_off(host: str) -> bool:
    """Whether a host is IBM's, or stands for it, and the emulator does not answer in its place.

    Args:
        host: A name as `plain` gives it.
    """
    return not is_led(host) and any(host == name or host.endswith("." + name) for name in _OWNED)


def as_ibm(host: str) -> str:
    """The name of IBM's that a led name stands for; any other name as it is."""
    return host[: -len(STAND_IN)] + IBM if is_led(host) and host.endswith(STAND_IN) else host


def is_ibm(host: str) -> bool:
    """Whether a host is IBM's, or stands for it.

    Args:
        host: A name as `plain` gives it.
    """
    return is_led(host) or is_kept_off(host)


def is_service(host: object) -> bool:
    """Whether a host belongs to IBM Cloud, to its classic quantum platform, or stands for them.

    Not everything of IBM's: a repository under its name is nobody's QPU.

    Args:
        host: A name in whatever form.
    """
    name = plain(host)
    return any(name == domain or name.endswith("." + domain) for domain in SERVICE_DOMAINS)

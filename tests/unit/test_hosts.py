"""Which names lead to the emulator, and which are never reached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._hosts import IBM, PATTERNS, STAND_IN, as_ibm, is_ibm, is_kept_off, is_led, is_service, plain

LED = [
    "cloud.ibm.com",
    "iam.cloud.ibm.com",
    "private.iam.cloud.ibm.com",
    "api.global-search-tagging.cloud.ibm.com",
    "api.private.global-search-tagging.cloud.ibm.com",
    "globalcatalog.cloud.ibm.com",
    "private.globalcatalog.cloud.ibm.com",
    "resource-controller.cloud.ibm.com",
    "private.resource-controller.cloud.ibm.com",
    "quantum.cloud.ibm.com",
    "eu-de.quantum.cloud.ibm.com",
    "us-east.quantum.cloud.ibm.com",
    "private.us-east.quantum.cloud.ibm.com",
    "private.eu-de.quantum.cloud.ibm.com",
    "us-east.quantum-computing.cloud.ibm.com",
    "private.eu-de.quantum-computing.cloud.ibm.com",
]


@pytest.mark.parametrize("name", LED)
def test_every_name_that_the_client_makes_is_led(name):
    """And the one that stands for it where no TLS is spoken."""
    stand_in = name.replace(IBM, STAND_IN)
    assert is_led(name)
    assert is_led(stand_in)
    assert not is_kept_off(name)
    assert (as_ibm(stand_in), as_ibm(name)) == (name, name)


@pytest.mark.parametrize("name", LED)
def test_certificate_holds_for_every_led_name(name):
    """A star stands for one label."""
    assert name in PATTERNS or "*." + name.partition(".")[2] in PATTERNS


@pytest.mark.parametrize(
    "name",
    [
        "ibm.com",
        "www.ibm.com",
        "iam.test.cloud.ibm.com",
        "auth.quantum-computing.ibm.com",
        "quantum-computing.cloud.ibm.com",
        "iam.bluemix.net",
        "x.qsession.invalid",
    ],
)
def test_other_names_of_ibm_are_kept_off(name):
    """Whoever is not led is not reached."""
    assert is_kept_off(name)
    assert not is_led(name)


@pytest.mark.parametrize("name", ["", "example.com", "notibm.com", "cloud.ibm.com.example.com", "127.0.0.1"])
def test_names_of_others_are_neither(name):
    """The emulator has nothing to do with them."""
    assert not is_led(name)
    assert not is_kept_off(name)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("IAM.Cloud.IBM.com.", "iam.cloud.ibm.com"),
        (b"iam.cloud.ibm.com", "iam.cloud.ibm.com"),
        ("\uff49am.cloud.ibm.com", "iam.cloud.ibm.com"),
        ("iam\u3002cloud\u3002ibm\u3002com", "iam.cloud.ibm.com"),
        (None, ""),
    ],
)  # fmt: skip
def test_plain_is_what_the_resolver_takes(host, expected):
    """Python's resolver folds letters and dots of other scripts (IDNA)."""
    assert plain(host) == expected


@given(st.text(max_size=80))
def test_plain_takes_any_text(text):
    """What is no name is none for the resolver either."""
    assert isinstance(plain(text), str)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("quantum.cloud.ibm.com", True),
        ("cloud.ibm.com", True),
        ("IAM.Cloud.IBM.com.", True),
        (b"eu-de.quantum.cloud.ibm.com", True),
        ("quantum。cloud。ibm。com", True),
        ("iam.qsession.invalid", True),
        ("auth.quantum-computing.ibm.com", True),
        ("cloud.ibm.com.evil.example", False),
        ("notcloud.ibm.com", False),
        ("github.ibm.com", False),
        ("localhost", False),
        (None, False),
    ],
)
def test_is_service_knows_names_of_the_service_only(host, expected):
    """Names are compared whole, whatever their case, and not all of IBM is the service."""
    assert is_service(host) is expected


@pytest.mark.parametrize(
    ("host", "expected"), [("iam.cloud.ibm.com", True), ("www.ibm.com", True), ("ibm.org", False)]
)
def test_is_ibm_knows_what_is_led_and_what_is_kept_off(host, expected):
    """Both together."""
    assert is_ibm(host) is expected

"""Where the cassette of a test lies."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._naming import (
    ATTRIBUTES,
    cassette_path,
    is_layer,
    is_layer_path,
    is_ours,
    layer_path,
    looks_secret,
)

names = st.text(string.ascii_letters + string.digits + "_./: []äß*?", min_size=1, max_size=200)
params = st.lists(st.tuples(st.sampled_from("abc"), names), max_size=3, unique_by=lambda pair: pair[0])


@given(
    st.lists(
        st.tuples(names, params), min_size=2, max_size=6, unique_by=lambda t: (t[0], tuple(sorted(t[1])))
    )
)
def test_cassette_path_never_collides_even_without_case(tmp_path_factory, tests):
    """Two tests never share a file, on any file system."""
    folder = tmp_path_factory.getbasetemp()
    paths = [cassette_path(folder, "tests/test_a.py", name, parameters) for name, parameters in tests]
    assert len({str(path).lower() for path in paths}) == len(paths)
    assert all(len(part) <= 120 for path in paths for part in path.relative_to(folder).parts)


def test_parameters_that_no_file_name_can_hold_stay_apart():
    """What stands for a slash, a colon or an asterisk is the same; the hash is not."""
    paths = {cassette_path(Path("c"), "t.py", "test_it", (("x", value),)) for value in ("a/b", "a:b", "a*b")}
    assert len(paths) == 3
    assert {path.parent for path in paths} == {Path("c/t")}


@given(names, params)
def test_cassette_path_does_not_depend_on_the_order_of_parameters(name, parameters):
    """pytest may list stacked parameters in another order one day."""
    forward = cassette_path(Path("c"), "t.py", name, parameters)
    assert cassette_path(Path("c"), "t.py", name, parameters[::-1]) == forward


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("test_bell", (), "tests/test_a/test_bell.yaml"),
        ("con", (), "tests/test_a/con_-"),
        ("TestX.test_bell", (), "tests/test_a/TestX.test_bell-"),
        ("test_p", (("shots", "100"), ("basis", "x/y")), "tests/test_a/test_p[x_y-100-"),
    ],
)
def test_cassette_path_is_readable(name, parameters, expected):
    """A person finds the cassette of a test."""
    assert (
        cassette_path(Path("c"), "tests/test_a.py", name, parameters).as_posix().startswith(f"c/{expected}")
    )


@given(
    st.lists(
        st.tuples(names, params, st.just("") | names),
        min_size=2,
        max_size=6,
        unique_by=lambda t: (f"{t[2]}.{t[0]}" if t[2] else t[0], tuple(sorted(t[1]))),
    )
)
def test_layer_path_never_collides_even_without_case(fixtures):
    """Two fixtures share no file, and none with a test; each is one that a cassette may name."""
    folder = Path("c")
    paths = [layer_path(folder, "t/a.py", name, owner=owner, parameters=p) for name, p, owner in fixtures]
    assert len({str(path).lower() for path in paths}) == len(paths)
    assert all(len(part) <= 120 for path in paths for part in path.parts)
    assert all(is_layer(path) and is_layer_path(path.relative_to(folder).as_posix()) for path in paths)


@pytest.mark.parametrize(
    ("place", "owner", "expected"),
    [
        ("tests/test_a.py", "", "c/tests/test_a/@device.yaml"),
        ("tests", "", "c/tests/@device.yaml"),
        ("v1.2", "", "c/v1.2/@device.yaml"),
        (".", "", "c/@device.yaml"),
        ("", "", "c/@device.yaml"),
        ("tests/test_a.py", "TestX", "c/tests/test_a/@TestX.device-59af2cb7.yaml"),
    ],
)
def test_layer_path_is_readable(place, owner, expected):
    """A person finds the layer of a fixture, beside the cassettes of its tests."""
    assert layer_path(Path("c"), place, "device", owner=owner).as_posix() == expected


@given(names, params)
def test_cassette_of_a_test_is_never_called_like_a_layer(name, parameters):
    """Whatever the test is called."""
    assert not is_layer(cassette_path(Path("c"), "t.py", f"@{name}", parameters))


@pytest.mark.parametrize(
    ("content", "expected"), [(None, False), ("*.png binary\n", False), ("*.png binary\n" + ATTRIBUTES, True)]
)
def test_is_ours_tells_our_folder_from_another_of_the_name(tmp_path, content, expected):
    """vcrpy's users have a folder called cassettes too."""
    if content is not None:
        (tmp_path / ".gitattributes").write_text(content)
    assert is_ours(tmp_path) is expected


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY-zA_bC3dE5fG", True),
        ("first-aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY-zA_bC3dE5fG-last", True),
        ("eyJhbGciOiJub25lIn0.eyJpYW1faWQiOiIifQ.cXM", True),
        ("crn:v1:bluemix:public:quantum-computing:us-east:a/0123::", True),
        ("QuantumVolume_8_qubits_depth_8_seed_42_level1", False),
        ("test_bell_on_every_backend_of_2026_with_XY4_decoupling", False),
        ("0f8fad5b-d9cb-469f-a165-70867728950e-0f8fad5b", False),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", False),
        ("ibm_fez", False),
    ],
)
def test_looks_secret_knows_keys_from_names(text, secret):
    """Words, UUIDs and digests are no keys."""
    assert looks_secret(text) is secret


@given(st.text("aB3_-", min_size=40, max_size=70) | st.text("abcdefgh0123456789XYZ_-", max_size=120))
def test_looks_secret_looks_at_every_part_of_a_key_s_length(word):
    """As if each were looked at by itself."""
    parts = (word[start : start + 44] for start in range(len(word) - 43))
    assert looks_secret(word) is any(looks_secret(part) for part in parts)

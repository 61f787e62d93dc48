"""YAML within bounds: read as the usual loader reads it, or refused."""

import resource
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qsession import _bounded_yaml
from qsession._bounded_yaml import Unfit, read

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_read_gives_what_the_usual_loader_gives(value):
    """For everything that a cassette may hold, types included."""
    text = yaml.safe_dump(value)
    assert repr(read(text)) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "a: 0x10", "a: 1_000", "a: yes", "a: ~", "- !!binary aGk=", "a: 'x\\ty'", 'a: "x\\ty"'),
        *("a: |\n  x\n  y\n", "'1': !!str 2", "a: ! 12", "%YAML 1.1\n---\na: 1\n...\n", "a: 1:30", "a: .inf"),
    ],
)
def test_read_spellings_as_the_usual_loader_does(text):
    """What a hand or an editor may write."""
    assert repr(read(text)) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: &x [1]\nb: *x", 2, "it uses an alias (*name), which a cassette never does"),
        ("&a [*a]", 1, "it uses an alias (*name), which a cassette never does"),
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice in one mapping"),
        ("<<: {a: 1}", 1, "it holds a value of the kind 'merge'"),
        ("1: 2", 1, "a key is no text"),
        ("? [a]\n: 1", 1, "a key is no text"),
        ("a: 2026-01-01", 1, "it holds a value of the kind 'timestamp'"),
        ("a: !x 1", 1, "it holds a value of the kind '!x'"),
        ("a: !!python/name:os.system ''", 1, "it holds a value of the kind 'python/name:os.system'"),
        (
            "!!python/object/apply:os.system ['true']",
            1,
            "it uses the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        ("!!set {a, b}", 1, "it uses the tag 'tag:yaml.org,2002:set'"),
        ("[" * 40 + "]" * 40, 1, "it is nested deeper than 32 levels"),
        ("a:\n  " + "9" * 5000, 2, "a number or word of 5000 characters"),
        ("a: 1\n---\nb: 2", 2, "it holds more than one document"),
        (
            "a: !!int x",
            1,
            "it holds a value that cannot be read: invalid literal for int() with base 10: 'x'",
        ),
        ("a: [1\n", 2, "it is not YAML: did not find expected ',' or ']'"),
        ('a: "\\uD800"', 1, "it is not YAML: found invalid Unicode character escape code"),
    ],
)
def test_read_anything_else_is_refused_with_its_line(text, line, why):
    """What no cassette holds could hide something, or make a small file a huge one."""
    with pytest.raises(Unfit) as caught:
        read(text)
    assert (caught.value.line, str(caught.value)) == (line, why)


def test_read_too_long_a_text_is_refused(monkeypatch):
    """Before anything is made of it."""
    monkeypatch.setattr(_bounded_yaml, "MOST_CHARACTERS", 10)
    with pytest.raises(Unfit) as caught:
        read("a: 12345678")
    assert str(caught.value) == "it is longer than 10 characters"


def test_read_too_many_parts_is_refused(monkeypatch):
    """A list of millions takes a hundred times the memory of its text."""
    monkeypatch.setattr(_bounded_yaml, "_MOST_PARTS", 8)
    with pytest.raises(Unfit) as caught:
        read("[1, 2, 3,\n 4, 5, 6]")
    assert (caught.value.line, str(caught.value)) == (2, "it holds more than 8 parts")


def test_a_billion_of_references_take_no_memory():
    """The attack that is a few hundred bytes long, in a process with little memory."""
    program = (
        "import resource, yaml\n"
        "from qsession._bounded_yaml import Unfit, read\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({2**29}, {resource.RLIM_INFINITY}))\n"
        "rows = ['a0: &a0 [x]'] + [f'a{n}: &a{n} [{\", \".join([f\"*a{n-1}\"] * 10)}]' for n in range(1, 10)]\n"
        "try:\n    read('\\n'.join(rows))\n"
        "except Unfit as refused:\n    print(refused)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "it uses an alias (*name), which a cassette never does\n"

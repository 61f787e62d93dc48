"""Heads of cassettes, read without YAML."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qsession import _cassette
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._shelf import Head, head_of

names = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)
layers = st.sets(st.sampled_from(["@a.yaml", "t/@b.yaml", "t/@C.d-59af2cb7.yaml", "'t'/@x [1].yaml"]))


@given(names, st.sampled_from(["ibm", "emulator"]), layers, st.lists(names, max_size=3))
def test_head_is_what_the_cassette_says(tmp_path_factory, test, target, layers, ids):
    """Whatever the test is called, and whatever else stands in the head."""
    path = tmp_path_factory.getbasetemp() / "head.yaml"
    provenance = Provenance(
        target, 0, test=test, layers=tuple(sorted(layers)), literal_ids=tuple(ids), unmet=("0" * 16,)
    )
    path.write_text(_cassette.encode(Recording(provenance, ()))[0], "utf-8")
    found = head_of(path)
    # Of what YAML writes in several lines nothing is guessed.
    assert found == Head(test, target, tuple(sorted(layers))) or (
        found is None and "\n" in test + "".join(ids)
    )


def written(path, *, layers=("t/@b.yaml",), body=b"{}"):
    exchange = Interaction("jobs.list", 0, Request("GET", "https://x/jobs"), Response(200, body=body), 0, 1)
    head = Provenance("emulator", 0, test="test_a.py::test_it", layers=layers)
    path.write_text(_cassette.encode(Recording(head, (exchange,)))[0], "utf-8")
    return path


def test_head_that_is_longer_than_a_piece_is_read_whole(tmp_path):
    """Many layers are no reason to overlook one."""
    many = tuple(sorted(f"test_{number}/@device.yaml" for number in range(500)))
    assert head_of(written(tmp_path / "a.yaml", layers=many)).layers == many


def test_text_of_an_answer_is_no_head(tmp_path):
    """A body may hold lines that look like one."""
    path = written(tmp_path / "a.yaml", body=b"a\n    test: b\n    layers:\n    - '@c.yaml'\n")
    assert head_of(path) == Head("test_a.py::test_it", "emulator", ("t/@b.yaml",))


def test_cassette_of_vcrpy_has_no_head(tmp_path):
    """It is nobody's of ours, and builds on nothing."""
    path = tmp_path / "a.yaml"
    path.write_text(yaml.dump({"interactions": [], "version": 1}))
    assert head_of(path) == Head()


@pytest.mark.parametrize(
    "rewritten",
    [
        yaml.dump,
        lambda document: yaml.dump(document, indent=4, sort_keys=False),
        lambda document: yaml.dump(document, default_flow_style=True, sort_keys=False),
        lambda document: yaml.dump(document, sort_keys=False).replace("    - t/@", "      - t/@"),
        lambda document: "<<<<<<< ours\n",
        lambda document: "",
    ],
    ids=["sorted", "indented", "flow", "list", "merge", "empty"],
)
def test_head_that_is_written_in_another_way_is_not_guessed_at(tmp_path, rewritten):
    """An editor may have done that: nobody knows, so nothing is left over on its account."""
    path = written(tmp_path / "a.yaml")
    path.write_text(rewritten(yaml.safe_load(path.read_text())))
    assert head_of(path) is None


def test_head_of_what_cannot_be_read_is_not_known(tmp_path):
    """A folder, another encoding."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "other.yaml").write_bytes(b"\xff")
    assert [head_of(tmp_path / name) for name in ("folder.yaml", "other.yaml", "none.yaml")] == [None] * 3

"""Words that the processes of one run note, so that each thing is done once."""

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from qsession._noted import Noted


def test_word_is_new_once(tmp_path):
    """In one process, without a file."""
    noted = Noted(None, tmp_path)
    assert [noted.first(word) for word in ("a", "b", "a", "b")] == [True, True, False, False]
    assert list(tmp_path.iterdir()) == []


def test_word_is_new_to_one_of_several(tmp_path):
    """Each worker has an object of its own; the file is what they have in common."""
    path = tmp_path / "layers" / "run.json"
    one, other = Noted(path, tmp_path), Noted(path, tmp_path)
    assert one.first("a")
    assert not other.first("a")
    assert other.first("b")
    assert not one.first("b")


def test_runs_know_nothing_of_one_another(tmp_path):
    """Each has a file."""
    assert Noted(tmp_path / "layers" / "one.json", tmp_path).first("a")
    assert Noted(tmp_path / "layers" / "other.json", tmp_path).first("a")


def test_damaged_notes_are_begun_anew(tmp_path):
    """They are of this run only: what is done twice is the same."""
    path = tmp_path / "layers" / "run.json"
    path.parent.mkdir()
    path.write_bytes(b'["a", \xff')
    noted = Noted(path, tmp_path)
    assert noted.first("a")
    assert not noted.first("a")


def test_notes_are_not_for_git(tmp_path):
    """They say what one machine did."""
    Noted(tmp_path / "layers" / "run.json", tmp_path).first("a")
    assert (tmp_path / "layers" / ".gitignore").read_text("utf-8").splitlines()[-1] == "*"


def test_of_many_that_note_a_word_at_once_one_is_the_first(tmp_path):
    """The file is locked while it is looked at and written."""
    path, together = tmp_path / "layers" / "run.json", threading.Barrier(4)

    def note(_number):
        together.wait()
        return [Noted(path, tmp_path).first(word) for word in "abc"]

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(note, range(4)))
    assert [sum(column) for column in zip(*told, strict=True)] == [1, 1, 1]


@given(st.lists(st.text(), max_size=20))
def test_first_is_as_in_a_set(words):
    """Whatever the words."""
    noted, known = Noted(None, None), set()
    for word in words:
        assert noted.first(word) == (word not in known)
        known.add(word)

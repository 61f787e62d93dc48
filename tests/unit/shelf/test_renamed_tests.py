"""A cassette without a test, a test without a cassette: which belong together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._model import Provenance
from qsession._shelf import Offer, Taker, look, read, write
from qsession._shelf._offers import Lost, offers, parts_of_test

A, B = "test_a.py::test_old", "test_a.py::test_new"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("test_a.py::test_old", "test_a.py::test_new"),
        ("test_a.py::TestX::test_old", "test_a.py::TestX::test_new"),
        ("test_a.py::test_old[1-a::b]", "test_a.py::test_new[1-a::b]"),
        ("test_a.py::test_it", "tests/test_b.py::test_it"),
        ("test_a.py::TestOld::test_it", "test_a.py::TestNew::test_it"),
        ("test_a.py::test_it", "test_a.py::TestX::test_it"),
        ("test_a.py::TestX::TestOld::test_it", "test_a.py::TestX::TestNew::test_it"),
        ("test_a.py::test_it[1]", "test_a.py::test_it[one]"),
        ("test_a.py::test_it", "test_a.py::test_it[one]"),
    ],
)
def test_test_that_differs_in_one_part_is_offered(folder, old, new):
    """Its file, its class, its name or its parameters."""
    folder.record(old)
    assert folder.offers(new) == {old: [new]}
    found = folder.look(new)
    assert [*found.orphans, *found.layers] == []
    assert found.offers == [Offer(folder.path(old), old, (Taker(new, folder.path(new), new),), is_sure=True)]


@pytest.mark.parametrize(
    "new",
    [
        "test_b.py::test_new",
        "test_a.py::TestX::test_new",
        "test_a.py::test_new[1]",
        "test_b.py::TestX::test_old",
    ],
)
def test_test_that_differs_in_two_parts_is_another_one(folder, new):
    """Whoever did both at once says so himself."""
    folder.record(A)
    found = folder.look(new)
    assert (folder.names(found.orphans), found.offers) == (["test_a/test_old.yaml"], [])


def test_test_that_has_a_cassette_takes_none(folder):
    """It was recorded anew after it had been renamed."""
    folder.record(A, B)
    found = folder.look(B)
    assert (folder.names(found.orphans), found.offers) == (["test_a/test_old.yaml"], [])


def test_several_that_fit_are_all_offered_and_none_is_chosen(folder):
    """Two tests were renamed in a file: nobody knows which is which."""
    folder.record("test_a.py::test_1", "test_a.py::test_2")
    new = ["test_a.py::test_3", "test_a.py::test_4"]
    assert folder.offers(*new) == {"test_a.py::test_1": [*new, "?"], "test_a.py::test_2": [*new, "?"]}


def test_one_test_that_two_cassettes_fit_is_not_sure(folder):
    """One of the two is left over, and nobody knows which."""
    folder.record("test_a.py::test_1", "test_a.py::test_2")
    assert folder.offers(B) == {"test_a.py::test_1": [B, "?"], "test_a.py::test_2": [B, "?"]}


def test_class_with_another_name_is_sure_for_each_of_its_tests(folder):
    """Many at once, told apart by their names and parameters."""
    tests = ["test_a.py::{}::test_1", "test_a.py::{}::test_2[x]", "test_a.py::{}::test_2[y]"]
    folder.record(*(test.format("TestOld") for test in tests))
    renamed = [test.format("TestNew") for test in tests]
    assert folder.offers(*renamed) == {test.format("TestOld"): [test.format("TestNew")] for test in tests}


def test_file_that_was_copied_is_not_sure(folder):
    """Both copies want it."""
    folder.record("test_a.py::test_it")
    copies = ["test_b.py::test_it", "test_c.py::test_it"]
    assert folder.offers(*copies) == {"test_a.py::test_it": [*copies, "?"]}


def test_same_id_comes_before_all_others(folder):
    """A parameter has another name: its cassette is called otherwise, the test is not."""
    test = "test_a.py::test_it[1]"
    folder.record(test)
    folder.path(test).rename(folder.path(test).with_name("test_it[1-00000000].yaml"))
    assert folder.offers(test, "test_a.py::test_it[2]") == {test: [test]}


def test_cassette_of_a_file_that_was_not_collected_whole_is_nobody_s(folder):
    """A skipped module, a selection."""
    folder.record(A)
    (folder.root / "test_a.py").touch()
    found = folder.look("test_b.py::test_old", files=["test_b.py"])
    assert [*found.orphans, *found.offers, *found.layers] == []


def test_recording_made_from_python_is_nobody_s(folder):
    """No test was ever named."""
    folder.write(folder.cassettes / "test_a" / "test_old.yaml", Provenance("emulator", 0))
    found = folder.look(A)
    assert [*found.orphans, *found.offers] == []


def test_what_a_collection_told_is_read_back(folder):
    """By the command, which is another process."""
    folder.uses(["@a.yaml"], A)
    told = replace(folder.collected(A, B), may_be_empty=True)
    write(told, folder.root / "told.json")
    assert read(folder.root / "told.json") == told


@pytest.mark.parametrize(
    ("new", "sure"),
    [
        ("test_a.py::test_new", False),
        ("test_a.py::test_old[1]", False),
        ("test_b.py::test_old", True),
        ("test_a.py::TestX::test_old", True),
    ],
)
def test_test_that_may_ask_for_nothing_is_sure_only_under_its_old_name(folder, new, sure):
    """Where every test is ours, one without a cassette says nothing by that."""
    folder.record(A)
    told = replace(folder.collected(new), may_be_empty=True)
    assert [(each.takers[0].name, each.is_sure) for each in look(told).offers] == [(new, sure)]


parts = st.sampled_from(["a", "b", "c"])
tests = st.builds("{}.py::{}::{}[{}]".format, parts, parts, parts, parts)


@given(st.sets(tests, max_size=12), st.sets(tests, max_size=12))
def test_offers_are_as_if_each_pair_were_looked_at(tmp_path_factory, old, new):
    """Whoever differs in one part, and whoever is the same before them; sure only where nobody else is."""
    folder = tmp_path_factory.getbasetemp()
    lost = [Lost(folder / str(i), test, parts_of_test(test)) for i, test in enumerate(sorted(old))]
    found = {Taker(test, folder / "x", test): parts_of_test(test) for test in new}

    def differ(one, other):
        return sum(a != b for a, b in zip(parts_of_test(one), parts_of_test(other), strict=True))

    expected = {}
    for test in sorted(old):
        near = {n: {other for other in new if differ(test, other) == n} for n in (0, 1)}
        if fit := near[0] or near[1]:
            expected[test] = sorted(fit)
    given = offers(lost, found)
    assert {each.former: [taker.name for taker in each.takers] for each in given} == expected
    for each in given:
        rivals = [test for test, names in expected.items() if expected[each.former][0] in names]
        assert each.is_sure == (len(expected[each.former]) == 1 and len(rivals) == 1)

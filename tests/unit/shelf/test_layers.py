"""Layers: which nobody builds on, and which stand for a fixture that is called otherwise now."""

import pytest

ONE, TWO = "test_a.py::test_1", "test_a.py::test_2"
DEVICE = "test_a/@device.yaml"


def left(folder, *tests):
    return folder.names(folder.look(*tests).layers)


def test_layer_that_a_cassette_names_stays(folder):
    """Whatever was collected: its name does not follow the rule of tests."""
    folder.record(ONE, layers=[DEVICE])
    folder.layer(DEVICE, "test_a/@other.yaml")
    assert left(folder, ONE) == ["test_a/@other.yaml"]
    assert left(folder) == ["test_a/@device.yaml", "test_a/@other.yaml"]
    found = folder.look(ONE)
    assert [*found.orphans, *found.offers] == []


def test_layer_that_a_layer_builds_on_stays_as_long_as_that(folder):
    """A fixture of a class that uses one of its module."""
    folder.layer("test_a/@X.wide-00000000.yaml", layers=[DEVICE])
    folder.layer(DEVICE)
    folder.record(ONE, layers=["test_a/@X.wide-00000000.yaml"])
    assert left(folder, ONE) == []
    folder.record(ONE)
    assert left(folder, ONE) == ["test_a/@X.wide-00000000.yaml", DEVICE]


def test_layers_that_build_on_each_other_hold_nothing(folder):
    """A ring that no test leads into."""
    folder.layer("@a.yaml", layers=["@b.yaml"])
    folder.layer("@b.yaml", layers=["@a.yaml"])
    assert left(folder) == ["@a.yaml", "@b.yaml"]


def test_layer_of_a_cassette_that_goes_goes_with_it(folder):
    """What no test has builds on nothing; what may be somebody's does."""
    folder.record("test_a.py::test_gone", layers=[DEVICE])
    folder.layer(DEVICE)
    folder.record(ONE)
    assert left(folder, ONE) == [DEVICE]
    assert left(folder, ONE, TWO) == []


def test_shared_layer_stays_with_the_last_cassette_of_its_target(folder):
    """Each target has its own."""
    folder.layer("@emulator.yaml")
    folder.layer("@ibm.yaml", target="ibm")
    folder.record(ONE)
    assert left(folder, ONE) == ["@ibm.yaml"]
    folder.record(TWO, target="ibm")
    assert left(folder, ONE, TWO) == []
    assert left(folder) == ["@emulator.yaml", "@ibm.yaml"]


def test_shared_layer_is_one_in_the_folder_itself(folder):
    """A fixture may be called emulator."""
    folder.layer("test_a/@emulator.yaml")
    folder.record(ONE)
    assert left(folder, ONE) == ["test_a/@emulator.yaml"]


@pytest.mark.parametrize("content", ["a: [", "<<<<<<< ours\n", ""])
def test_no_layer_is_left_over_while_a_cassette_cannot_be_read(folder, content):
    """Nobody knows on what it builds."""
    folder.layer(DEVICE, "@emulator.yaml")
    assert left(folder) == ["@emulator.yaml", DEVICE]
    (folder.cassettes / "broken.yaml").write_text(content)
    assert left(folder) == []


def test_renamed_fixture_is_offered_its_layer(folder):
    """All tests that build on it have another fixture of its place now."""
    folder.record(ONE, TWO, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses(["test_a/@machine.yaml", "@service.yaml"], ONE)
    folder.uses(["test_a/@machine.yaml"], TWO)
    assert folder.offers(ONE, TWO) == {DEVICE: ["test_a/@machine.yaml"]}
    assert left(folder, ONE, TWO) == []


def test_fixture_that_is_still_used_keeps_its_layer(folder):
    """Another one came beside it, or took its place in one test of two."""
    folder.record(ONE, TWO, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses(["test_a/@machine.yaml", DEVICE], ONE)
    folder.uses(["test_a/@machine.yaml"], TWO)
    assert folder.offers(ONE, TWO) == {}


def test_several_fixtures_that_fit_are_all_offered(folder):
    """None is chosen."""
    folder.record(ONE, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses(["test_a/@a.yaml", "test_a/@b.yaml"], ONE)
    assert folder.offers(ONE) == {DEVICE: ["test_a/@a.yaml", "test_a/@b.yaml", "?"]}


def test_fixture_that_not_all_of_its_tests_have_is_not_offered(folder):
    """It would be the wrong one for the others."""
    folder.record(ONE, TWO, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses(["test_a/@a.yaml", "test_a/@b.yaml"], ONE)
    folder.uses(["test_a/@b.yaml"], TWO)
    assert folder.offers(ONE, TWO) == {DEVICE: ["test_a/@b.yaml"]}
    folder.uses((), TWO)
    assert folder.offers(ONE, TWO) == {}


def test_fixture_that_has_a_layer_is_not_offered_another(folder):
    """It was recorded after it had been renamed."""
    folder.record(ONE, layers=[DEVICE])
    folder.layer(DEVICE, "test_a/@machine.yaml")
    folder.uses(["test_a/@machine.yaml"], ONE)
    found = folder.look(ONE)
    assert [*found.offers, *found.layers] == []
    folder.uses([], ONE)
    assert folder.names(folder.look(ONE).layers) == ["test_a/@machine.yaml"]


def test_session_with_other_arguments_is_another_one(folder):
    """What was recorded of it was asked for with the old ones."""
    folder.record(ONE, layers=["test_a/@module-1.yaml"])
    folder.layer("test_a/@module-1.yaml", ident="test_a.py::@module(mode=dedicated)")
    folder.wide[ONE] = {"test_a/@module-2.yaml": "test_a.py::@module(mode=dedicated, max_time=1h)"}
    assert folder.offers(ONE) == {}


def test_layer_of_tests_that_ask_for_nothing_themselves_stays(folder):
    """They have no cassette to name it, and assert on what their class has got."""
    folder.record(ONE)
    folder.layer(DEVICE, "@emulator.yaml", "@ibm.yaml")
    folder.uses([DEVICE], TWO)
    assert left(folder, ONE, TWO) == []
    folder.uses([], TWO)
    assert left(folder, ONE, TWO) == [DEVICE]


def test_layer_is_not_called_left_over_where_not_all_tests_were_collected(folder):
    """A module that is skipped, or lies in another folder, may use it."""
    folder.record(ONE, "test_b.py::test_1")
    folder.layer("@device.yaml")
    (folder.root / "test_b.py").touch()
    assert (left(folder, ONE), folder.look(ONE).is_whole) == ([], False)
    assert left(folder, ONE, "test_b.py::test_1") == ["@device.yaml"]
    (folder.root / "test_b.py").unlink()
    assert (left(folder, ONE), folder.look(ONE).is_whole) == (["@device.yaml"], True)


def test_layer_of_a_test_that_was_not_collected_is_not_offered(folder):
    """Its module is skipped: nobody knows which fixtures it has."""
    folder.record(ONE, "test_b.py::test_1", layers=["@device.yaml"])
    folder.layer("@device.yaml")
    (folder.root / "test_b.py").touch()
    folder.uses(["@machine.yaml"], ONE)
    assert folder.offers(ONE) == {}


def test_layer_of_a_renamed_class_goes_with_its_tests(folder):
    """Its name follows from that of the class."""
    old, new = "test_a/@Old.setUpClass-00000000.yaml", "test_a/@New.setUpClass-11111111.yaml"
    folder.record("test_a.py::Old::test_1", "test_a.py::Old::test_2", layers=[old])
    folder.layer(old)
    tests = ["test_a.py::New::test_1", "test_a.py::New::test_2"]
    folder.uses([new], *tests)
    assert folder.offers(*tests) == {
        "test_a.py::Old::test_1": ["test_a.py::New::test_1"],
        "test_a.py::Old::test_2": ["test_a.py::New::test_2"],
        old: [new],
    }


def test_layer_of_tests_that_are_not_sure_is_not_offered(folder):
    """First it must be said whose the cassettes are."""
    folder.record(ONE, TWO, layers=[DEVICE])
    folder.layer(DEVICE)
    tests = ["test_a.py::test_3", "test_a.py::test_4"]
    folder.uses(["test_a/@machine.yaml"], *tests)
    assert DEVICE not in folder.offers(*tests)


def test_layers_of_a_renamed_file_go_with_its_tests(folder):
    """Fixtures of its module, and the session that its tests share; not what lies elsewhere."""
    folder.record(ONE, TWO, layers=["@session-1.yaml", DEVICE, "test_a/@module-1.yaml"])
    folder.layer("@session-1.yaml", ident="@session(mode=batch)")
    folder.layer("test_a/@module-1.yaml", ident="test_a.py::@module(mode=dedicated)")
    folder.layer(DEVICE)
    tests = ["test_b.py::test_1", "test_b.py::test_2"]
    folder.uses(["test_b/@device.yaml"], *tests)
    for test in tests:
        folder.wide[test] |= {
            "test_b/@module-1.yaml": "test_b.py::@module(mode=dedicated)",
            "@session-1.yaml": "@session(mode=batch)",
        }
    assert folder.offers(*tests) == {
        ONE: ["test_b.py::test_1"],
        TWO: ["test_b.py::test_2"],
        DEVICE: ["test_b/@device.yaml"],
        "test_a/@module-1.yaml": ["test_b/@module-1.yaml"],
    }


def test_fixture_with_a_parameter_is_told_apart_by_it(folder):
    """Each of its instances has a layer."""
    old = ["test_a/@device[x.1-aaaaaaaa].yaml", "test_a/@device[y.2-bbbbbbbb].yaml"]
    new = [name.replace("device", "machine") for name in old]
    folder.layer(*old)
    tests = [f"{ONE}[x.1]", f"{ONE}[y.2]"]
    for number, test in enumerate(tests):
        folder.record(test, layers=[old[number]])
        folder.uses([new[number]], test)
    assert folder.offers(*tests) == {old[0]: [new[0]], old[1]: [new[1]]}

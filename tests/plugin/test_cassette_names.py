"""Where the cassette of a test lies."""

import re

from plugin_project import USAGE


def plain(names):
    return [re.sub(r"-[0-9a-f]{8}", "-HASH", name) for name in names]


def test_parametrised_test_has_a_cassette_for_each_case(project):
    """Named by its parameters, and apart where only the kind or the case differs."""
    project.write(
        USAGE.replace(
            "def test_usage()",
            '@pytest.mark.parametrize("x", [1, "1", "a", "A"], ids=str)\ndef test_usage(x)',
        )
    )
    project.record().assert_outcomes(passed=4)
    names = project.cassettes()
    assert sorted(plain(names)) == sorted(f"test_it/test_usage[{x}-HASH].yaml" for x in ("1", "1", "a", "A"))
    assert len({name.lower() for name in names}) == 4
    project.run().assert_outcomes(passed=4)


def test_parameters_in_another_order_find_their_cassette(project):
    """The order of the decorators is no part of a test's name."""
    one = '@pytest.mark.parametrize("x", [1, 2])\n'
    two = '@pytest.mark.parametrize("y", ["a", "b"])\n'
    project.write(USAGE.replace("def test_usage()", one + two + "def test_usage(x, y)"))
    project.record().assert_outcomes(passed=4)
    project.write(USAGE.replace("def test_usage()", two + one + "def test_usage(y, x)"))
    project.run().assert_outcomes(passed=4)


def test_parametrised_fixture_counts_as_a_parameter(project):
    """Whether the test or its fixture has the parameters."""
    project.write(
        """
        import pytest

        @pytest.fixture(params=["one", "two"])
        def which(request):
            return request.param

        def test_it(which, qsession_service):
            assert qsession_service.usage()
        """
    )
    project.record().assert_outcomes(passed=2)
    assert plain(project.cassettes()) == ["test_it/test_it[one-HASH].yaml", "test_it/test_it[two-HASH].yaml"]
    project.run().assert_outcomes(passed=2)


def test_class_is_part_of_the_name(project):
    """``Class.test``, with a mark because upper case can collide."""
    project.write(
        USAGE.replace(
            "@pytest.mark.qsession\ndef test_usage():",
            "class TestIt:\n  @pytest.mark.qsession\n  def test_usage(self):",
        )
    )
    project.record().assert_outcomes(passed=1)
    assert plain(project.cassettes()) == ["test_it/TestIt.test_usage-HASH.yaml"]


def test_folder_of_the_test_file_is_kept(project):
    """Two files of one name in two folders."""
    for folder in ("one", "two"):
        path = project.folder / folder / "test_same.py"
        path.parent.mkdir()
        path.write_text(USAGE)
        (path.parent / "__init__.py").touch()
    project.pytester.makeini("[pytest]")
    project.record().assert_outcomes(passed=2)
    assert project.cassettes() == ["one/test_same/test_usage.yaml", "two/test_same/test_usage.yaml"]

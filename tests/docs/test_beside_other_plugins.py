"""beside-other-plugins.md: each row has the version that is tested, tests that exist, and codes that exist."""

import ast
import re
import tomllib

from blocks import ROOT, blocks, text

PAGE = "docs/howto/beside-other-plugins.md"


def rows():
    """Plugin, version, what holds, tests; of the table of plugins."""
    lines = [line.split("|")[1:-1] for line in text(PAGE).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines if len(line) == 4 and "plugin" not in line[0]]


def pinned():
    """Version by name, of what is tested together."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_versions_on_the_page_are_those_that_are_tested():
    """Of every plugin, and of pytest itself."""
    assert {row[0]: row[1] for row in rows()} == {row[0]: pinned()[row[0]] for row in rows()}
    assert f"with pytest {pinned()['pytest']} and" in text(PAGE)


def test_every_neighbour_has_its_row():
    """Those of the extra, and what comes with us or with the extra dev."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extra = {re.split("[<>=!]", word)[0] for word in project["optional-dependencies"]["neighbours"]}
    assert {row[0] for row in rows()} == extra | {
        "pytest-vcr",
        "pytest-randomly",
        "pytest-xdist",
        "freezegun",
    }


def test_tests_of_the_page_exist():
    """Each row has one, and each room of neighbours is named."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text(PAGE))
    assert [row[0] for row in rows() if "::test_" not in row[3]] == []
    for path, test in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, test
    rooms = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "neighbours").glob("test_*.py")}
    assert rooms == {path for path, _ in named}


def test_conftest_of_the_page_is_the_tested_one():
    """What a reader pastes has been run with both ways of being strict."""
    source = (ROOT / "tests" / "neighbours" / "test_turned_off.py").read_text("utf-8")
    assigned = next(
        node.value.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "CONFTEST"
    )
    pasted = next(block.body for block in blocks("python") if block.page == PAGE and "addini" in block.body)
    assert ast.dump(ast.parse(pasted)) == ast.dump(ast.parse(assigned))

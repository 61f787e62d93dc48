"""What the reference says and what the code has are the same."""

import argparse
import ast
import inspect
import re
import shlex

import pytest
import yaml
from blocks import PAGES, ROOT, blocks, cells, text, without_blocks

import qsession
import qsession.emulator
import qsession.errors
from qsession import _cassette, _redaction, pytest_plugin
from qsession._model import InstanceShape, Interaction, Provenance, Recording, Request, Response
from qsession._plan import _marks
from qsession.cli import _parser
from qsession.emulator._configuration_check import schema
from qsession.emulator._scenarios import NAMES, scenario

SOURCES = sorted((ROOT / "src" / "qsession").rglob("*.py"))
CODE = re.compile(r"QS\d{3}")


class Options:
    """Stands for pytest's parser and group, and remembers what is added."""

    def __init__(self):
        self.options, self.ini = set(), set()

    def getgroup(self, *_):
        return self

    def addoption(self, name, **_):
        self.options.add(name)

    def addini(self, name, *_, **__):
        self.ini.add(name)


@pytest.fixture
def plugin():
    found = Options()
    pytest_plugin.pytest_addoption(found)
    return found


def commands():
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def long_options(parser):
    return {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}


def section(page, heading):
    parts = re.split(r"^#{2,3} ", text(page), flags=re.MULTILINE)
    return next(part for part in parts if part.splitlines()[0] == heading)


def test_every_option_and_ini_key_is_on_the_page(plugin):
    """options.md has the plugin's options and ini keys, no more and no fewer."""
    page = "docs/reference/options.md"
    options = {span.partition("=")[0] for span in cells(page) if span.startswith("--qsession")}
    assert options == plugin.options
    rows = [
        row.split("|")[2] for row in section(page, "Options and ini keys").splitlines() if row.startswith("|")
    ]
    assert {key for row in rows for key in re.findall(r"`(qsession_\w+)`", row)} == plugin.ini


def fixtures():
    return [
        name
        for name, value in vars(pytest_plugin).items()
        if type(value).__name__ == "FixtureFunctionDefinition"
    ]


def test_every_fixture_is_on_the_page():
    """options.md has the plugin's fixtures, no more and no fewer."""
    rows = section("docs/reference/options.md", "Fixtures").splitlines()
    named = {row.split("`")[1] for row in rows if row.startswith("| `")}
    assert named == set(fixtures())


def test_every_marker_argument_is_on_the_page():
    """options.md has the marker's arguments, and those that are refused for now."""
    found = section("docs/reference/options.md", "The marker")
    assert {row.split("`")[1] for row in found.splitlines() if row.startswith("| `")} == set(_marks._MARKS)
    reserved = found[: found.index(" is reserved")].rpartition("\n\n")[2]
    assert set(re.findall(r"`(\w+)`", reserved)) == set(_marks._LATER_MARKS)


def test_every_environment_variable_is_on_the_page():
    """What our code reads from the environment by name stands on options.md."""
    read = re.compile(r'os\.environ(?:\.get\(|\[)"(\w+)"|^OPT_OUT = "(\w+)"', re.MULTILINE)
    named = {
        name for path in SOURCES for pair in read.findall(path.read_text("utf-8")) for name in pair if name
    }
    assert named
    assert named <= cells("docs/reference/options.md")


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_of_a_command_is_on_the_page(name):
    """cli.md has each command with its options and the words of its help."""
    found = section("docs/reference/cli.md", f"`qsession {name}`")
    options = re.findall(r"^\| `(--[\w-]+)", found, re.MULTILINE)
    assert set(options) == long_options(commands()[name])
    for action in commands()[name]._actions:
        if action.option_strings and action.dest != "help":
            assert str(action.help).split(" (")[0] in found


def test_every_command_is_on_the_page():
    """cli.md has a section for each command, and for no other."""
    named = re.findall(r"^## `qsession (\w+)`", text("docs/reference/cli.md"), re.MULTILINE)
    assert named == list(commands())


def test_every_error_code_has_its_page():
    """errors.md has an anchor for each code in the source, once, and for no other."""
    used = {code for path in SOURCES for code in CODE.findall(path.read_text("utf-8"))}
    anchors = re.findall(r'<a id="(qs\d+)"></a>', text("docs/reference/errors.md"))
    assert sorted(anchors) == sorted(code.lower() for code in used)


def messages():
    """Code and constant pieces of ``what`` of every error that the source raises."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            code, what = node.args[:2]
            if not (isinstance(code, ast.Constant) and CODE.fullmatch(str(code.value))):
                continue
            for piece in ast.walk(what):
                if isinstance(piece, ast.Constant) and isinstance(piece.value, str) and len(piece.value) > 12:
                    yield code.value, piece.value.strip()


def test_error_examples_are_in_the_words_of_the_code():
    """An example on errors.md cannot outlive a change of the message."""
    parts = re.split(r'<a id="(qs\d+)"></a>', text("docs/reference/errors.md"))
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    found = list(messages())
    assert len({code for code, _ in found}) > 30
    stale = [(code, piece) for code, piece in found if piece not in sections[code.lower()]]
    # One code may have several messages; the page shows one of them.
    known = {code for code, piece in found if piece in sections[code.lower()]}
    assert [item for item in stale if item[0] not in known] == []


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        ("The file", None),
        ("A backend", "backend"),
        ("An instance", "instance"),
        ("Rules", "rules"),
        ("A past job", "past_job"),
    ],
)
def test_every_field_of_a_configuration_is_on_the_page(heading, part):
    """configuration.md has the fields of the schema, no more and no fewer, in their order."""
    described = schema()["$defs"][part] if part else schema()
    rows = section("docs/reference/configuration.md", heading).splitlines()
    assert [row.split("`")[1] for row in rows if row.startswith("| `")] == list(described["properties"])


def test_every_public_name_is_on_the_page():
    """api.md has all public names, arguments and members."""
    page = text("docs/reference/api.md")
    for module in (qsession, qsession.emulator, qsession.errors):
        for name in module.__all__:
            assert f"`{name}" in page or f"`{module.__name__}.{name}" in page, name
    for function in (qsession.record, qsession.replay, qsession.Emulator, qsession.emulator.EmulatorServer):
        for argument in inspect.signature(function).parameters:
            assert f"`{argument}`" in page or f"{argument}," in page or f", {argument})" in page, argument


def test_every_member_of_a_run_is_on_the_page():
    """api.md has the public members of Run, no more and no fewer."""
    named = re.findall(r"^\| `(\w+)", section("docs/reference/api.md", "`Run`"), re.MULTILINE)
    assert sorted(named) == sorted(name for name in vars(qsession.Run) if not name.startswith("_"))


def paths(value, prefix=""):
    """Dotted paths of the leaves of a document; free mappings count as leaves."""
    if prefix.endswith((".headers", ".versions")):
        return {prefix}
    if isinstance(value, dict):
        return {
            path for key, each in value.items() for path in paths(each, f"{prefix}.{key}" if prefix else key)
        }
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {path for each in value for path in paths(each, f"{prefix}[]")}
    return {prefix}


def documented():
    return {span for span in cells("docs/reference/cassette.md") if "." in span or span == "version"}


def test_every_field_of_a_recorded_cassette_is_on_the_page(tmp_path):
    """What the recorder writes is described on cassette.md."""
    path = tmp_path / "backend.yaml"
    with qsession.record(path, target="emulator") as run:
        backend = run.service().backend("ibm_fez")
        qsession.Session(backend=backend).close()
    found = paths(yaml.safe_load(path.read_text("utf-8")))
    assert "interactions[].qsession.seen" in found
    assert found <= documented()


def test_every_field_on_the_page_can_be_written():
    """cassette.md describes no field that the format does not have."""
    large = b"x" * _cassette.LARGE
    interaction = Interaction(
        "jobs.create", 1, Request("POST", "https://quantum.cloud.ibm.com/api/v1/jobs", {"accept": "*/*"}, large),
        Response(200, "OK", {"content-type": "text/plain"}, large), at=1, took=1, seen=2, last=2,
    )  # fmt: skip
    provenance = Provenance(
        "emulator", 0, "test", "ibm_fez", "2025-02-26", "2026-04-15", {"qiskit": "2"}, 0, 1, 1.0,
        (InstanceShape(alias="a"),), ("id",), paused=1, random_seed=1, unmet=("0" * 16,), layers=("@wide.yaml",),
    )  # fmt: skip
    written, _ = _cassette.encode(Recording(provenance, (interaction,)))
    assert paths(yaml.safe_load(written)) == documented()


def test_kept_headers_are_those_on_the_page():
    """cassette.md names the headers that are kept, no more and no fewer."""
    rows = section("docs/reference/cassette.md", "Each of the `interactions`").splitlines()
    for side, kept in (("request", _redaction.KEPT_REQUEST), ("response", _redaction.KEPT_RESPONSE)):
        row = next(row for row in rows if f"{side}.headers" in row)
        assert set(re.findall(r"`([\w-]+)`", row.split("|")[3])) == set(kept)


def lines_of_shell():
    for block in blocks("sh"):
        for number, line in enumerate(block.body.splitlines()):
            words = shlex.split(line, comments=True)
            if words:
                yield pytest.param(words, id=f"{block.page}:{block.line + number}")


@pytest.mark.parametrize("words", list(lines_of_shell()))
def test_options_in_shell_blocks_exist(words, plugin):
    """A command that a reader pastes has no unknown option."""
    named = {word.partition("=")[0] for word in words if word.startswith("--qsession")}
    assert named <= plugin.options
    if words[0] == "qsession":
        parser = commands()[words[1]]
        given = words[2 : words.index("--")] if "--" in words else words[2:]
        assert {word.partition("=")[0] for word in given if word.startswith("--")} <= long_options(parser)


def test_every_ini_key_in_the_docs_exists(plugin):
    """No page shows an ini key that pytest would not know; the list of what is missing may."""
    later = {"qsession_expire", "qsession_on_stale", "qsession_clock"}
    named = {
        key for path in PAGES for key in re.findall(r"`(qsession_[a-z_]+)", without_blocks(path))
    } | {
        line.split("=")[0].strip() for block in blocks("ini", "toml") for line in block.body.splitlines() if "=" in line
    }  # fmt: skip
    assert named <= plugin.ini | set(fixtures()) | later


def anchors(path):
    content = without_blocks(path)
    own = set(re.findall(r'<a id="([\w-]+)"></a>', content))
    headings = re.findall(r"^#{1,6} (.+)$", content, re.MULTILINE)
    return own | {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_every_link_of_a_page_leads_somewhere(page):
    """Relative links point to files that exist, and to anchors that they have."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def rooms():
    found = (
        path.stem for path in (ROOT / "src" / "qsession").iterdir() if path.suffix == ".py" or path.is_dir()
    )
    return {name for name in found if not name.startswith("__")}


def test_rooms_on_the_page_are_those_of_the_source():
    """CONTRIBUTING.md has a sentence for each room."""
    assert set(re.findall(r"^\| \d+ \| `(\w+)` \|", text("CONTRIBUTING.md"), re.MULTILINE)) == rooms()


def test_layers_on_the_page_are_those_that_are_checked():
    """CONTRIBUTING.md has the rooms in the order that import-linter checks."""
    config = (ROOT / ".importlinter").read_text("utf-8")
    listed = re.search(r"^layers =\n((?: .+\n)+)", config, re.MULTILINE)
    layers = [line.strip().split(" | ") for line in listed[1].strip().splitlines()][::-1]
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", text("CONTRIBUTING.md"), re.MULTILINE)
    number = {room: int(layer) for layer, room in rows}
    shown = [sorted({number[room] for room in layer}) for layer in layers]
    assert shown == [[i] for i in range(len(layers))]


def test_readme_names_both_commands():
    """The two commands of the README are the run script's."""
    assert {"./run demo", "./run test"} <= set(re.findall(r"\./run \w+", text("README.md")))


def test_every_scenario_is_on_the_page():
    """scenarios.md has the scenarios of the code in the code's words."""
    rows = [row for row in text("docs/reference/scenarios.md").splitlines() if row.startswith("| `")]
    known = [scenario(name) for name in NAMES]
    assert rows == [f"| `{s.name}` | {s.story} | {s.mark}: {s.source} |" for s in known]


def conformance_tests():
    files = sorted((ROOT / "tests" / "conformance").glob("test_*.py"))
    return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.M)}


def test_fidelity_names_every_conformance_test():
    """The page says of each fact how to check it, and each check is of a fact on the page."""
    named = set(re.findall(r"`(test_\w+)`", text("docs/fidelity.md")))
    assert named - {"test_"} == conformance_tests()


def test_facts_of_the_service_have_a_mark_and_a_check():
    """Only what is ours alone, or about no request, may go without a check."""
    rows = [line.split(" | ") for line in text("docs/fidelity.md").splitlines() if line.startswith("| ")]
    facts = [[cell.strip("| ") for cell in row] for row in rows if row[0] not in {"| what", "|---"}]
    assert {len(fact) for fact in facts} == {3}
    unchecked = [what for what, marks, check in facts if not check and not re.search("ours|I|C", marks)]
    assert (unchecked, [what for what, marks, _ in facts if not marks]) == ([], [])

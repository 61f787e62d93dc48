"""Fixtures of wider scope than a test: what they do with the service is a layer of their own."""

import re

import pytest
from plugin_project import EMULATOR, block, endpoints, head, message

HEAD = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService, Session

def opened():
    return Session(backend=QiskitRuntimeService().backend("ibm_fez"))
"""

SHARED = (
    HEAD
    + """
@pytest.fixture(scope="{scope}")
def shared():
    session = opened()
    yield session
    session.close()

@pytest.mark.qsession
class TestIt:
    def test_a(self, shared):
        assert shared.status() == "Pending"

    def test_b(self, shared):
        assert shared.details()["mode"] == "dedicated"
"""
)
"""A session of a fixture that two tests look at."""

USING = (
    HEAD
    + """
@pytest.fixture(scope="module")
def shared():
    return QiskitRuntimeService().usage()

@pytest.mark.qsession
def test_it(shared):
    assert shared
"""
)
"""A fixture that asks for something once, and a test that asks for nothing."""


def plain(name):
    """A name of a layer without the digest of what could collide."""
    return re.sub(r"-[0-9a-f]{8}(?=[].])", "-*", name)


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("class", "test_it/@TestIt.shared-*.yaml"),
        ("module", "test_it/@shared.yaml"),
        ("package", "test_it/@shared.yaml"),
        ("session", "test_it/@shared.yaml"),
    ],
)
def test_fixture_of_scope_has_a_layer(project, scope, name):
    """One session for two tests, each of which replays, and replays alone."""
    project.write(SHARED.format(scope=scope))
    result = project.record()
    result.assert_outcomes(passed=2)
    assert block(result)[3] == "sessions opened: 1, cassettes written: 3"
    (layer,) = project.layers()
    assert plain(layer) == name
    assert endpoints(project, layer) == ["sessions.create", "sessions.update"]
    for cassette in project.cassettes():
        assert endpoints(project, cassette) == ["sessions.get"]
        assert head(project, cassette)["layers"] == [layer]
    project.run().assert_outcomes(passed=2)
    for test in ("test_a", "test_b"):
        project.run("-k", test).assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    ("scope", "place", "name"),
    [
        ("package", "deep/conftest", "deep/@shared.yaml"),
        ("session", "deep/conftest", "deep/@shared.yaml"),
        ("session", "conftest", "@shared.yaml"),
        ("module", "conftest", "deep/test_one/@shared.yaml"),
    ],
)
def test_fixture_of_a_folder_has_its_layer_there(project, scope, place, name):
    """Where it is defined, but for what each file has of its own."""
    fixture, mark, tests = SHARED.format(scope=scope).partition("@pytest.mark.q")
    files = {"deep/__init__": "", "deep/test_one": "import pytest\n" + mark + tests, place: fixture}
    project.write("", **files)
    project.record().assert_outcomes(passed=2)
    assert project.layers() == [name]
    project.run().assert_outcomes(passed=2)


XUNIT = {
    "setUpClass": """
import unittest

@pytest.mark.qsession
class TestIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.session = opened()

    @classmethod
    def tearDownClass(cls):
        cls.session.close()

    def test_it(self):
        assert self.session.status() == "Pending"
""",
    "setup_class": """
@pytest.mark.qsession
class TestIt:
    @classmethod
    def setup_class(cls):
        cls.session = opened()

    @classmethod
    def teardown_class(cls):
        cls.session.close()

    def test_it(self):
        assert self.session.status() == "Pending"
""",
    "setup_module": """
def setup_module(module):
    module.session = opened()

def teardown_module(module):
    module.session.close()

@pytest.mark.qsession
def test_it():
    assert session.status() == "Pending"
""",
    "setUpModule": """
def setUpModule():
    global session
    session = opened()

def tearDownModule():
    session.close()

@pytest.mark.qsession
def test_it():
    assert session.status() == "Pending"
""",
}


@pytest.mark.parametrize(
    ("style", "name"),
    [
        ("setUpClass", "@TestIt.setUpClass-*.yaml"),
        ("setup_class", "@TestIt.setup_class-*.yaml"),
        ("setup_module", "@setup_module.yaml"),
        ("setUpModule", "@setup_module.yaml"),
    ],
)
def test_setup_in_the_style_of_xunit_has_a_layer(project, style, name):
    """Which pytest makes fixtures of, under names that nobody wrote."""
    project.write(HEAD + XUNIT[style])
    project.record().assert_outcomes(passed=1)
    (layer,) = project.layers()
    assert plain(layer) == f"test_it/{name}"
    assert endpoints(project, layer) == ["sessions.create", "sessions.update"]
    project.run().assert_outcomes(passed=1)


PARAMETRISED = (
    HEAD
    + """
@pytest.fixture(scope="module", params=["dedicated", "batch"])
def mode(request):
    return request.param

@pytest.fixture(scope="module")
def shared(mode):
    from qiskit_ibm_runtime import Batch
    kind = Batch if mode == "batch" else Session
    return kind(backend=QiskitRuntimeService().backend("ibm_fez"))

@pytest.mark.qsession
def test_it(shared, mode):
    assert shared.details()["mode"] == mode
"""
)


def test_fixture_on_a_parametrised_one_has_a_layer_for_each_parameter(project):
    """Whose name says the parameter, though it is another fixture's."""
    project.write(PARAMETRISED)
    project.record().assert_outcomes(passed=2)
    layers = ["test_it/@shared[batch-*].yaml", "test_it/@shared[dedicated-*].yaml"]
    assert [plain(name) for name in project.layers()] == layers
    assert [head(project, name)["layers"] for name in project.cassettes()] == [
        [name] for name in project.layers()
    ]
    project.run().assert_outcomes(passed=2)
    project.run("-k", "batch").assert_outcomes(passed=1, deselected=1)


def test_fixture_that_builds_on_another_names_its_layer(project):
    """The inner one first, since its session is what the outer one asks for."""
    project.write(
        HEAD
        + """
@pytest.fixture(scope="session")
def session():
    return opened()

@pytest.fixture(scope="module")
def looked_at(session):
    return session.details()

@pytest.mark.qsession
def test_it(looked_at):
    assert looked_at["mode"] == "dedicated"
"""
    )
    project.record().assert_outcomes(passed=1)
    inner, outer = "test_it/@session.yaml", "test_it/@looked_at.yaml"
    assert project.layers() == [outer, inner]
    assert head(project, outer)["layers"] == [inner]
    assert head(project, "test_it/test_it.yaml")["layers"] == [outer, inner]
    project.run().assert_outcomes(passed=1)


def test_sessions_of_fixtures_that_know_nothing_of_one_another_are_two(project):
    """Though they are asked for in the same words; so is one that the test opens."""
    project.write(
        HEAD
        + """
@pytest.fixture(scope="session")
def one():
    session = opened()
    yield session
    session.close()

@pytest.fixture(scope="module")
def other():
    session = opened()
    yield session
    session.cancel()

@pytest.mark.qsession
def test_all(one, other):
    third = opened()
    assert len({each.session_id for each in (one, other, third)}) == 3
    other.cancel()
    assert [each.status() for each in (one, other, third)] == ["Pending", "Closed", "Pending"]

@pytest.mark.qsession
def test_own():
    assert opened().status() == "Pending"

@pytest.mark.qsession
def test_one(one, other):
    assert (one.status(), other.status()) == ("Pending", "Pending")
"""
    )
    project.record().assert_outcomes(passed=3)
    project.run().assert_outcomes(passed=3)
    project.run("-k", "test_one").assert_outcomes(passed=1, deselected=2)


def test_fixture_that_overrides_one_of_its_name(project):
    """Both do something: each has a layer."""
    project.write(
        USING.replace("def shared():", "def shared(shared):").replace(
            "return Qiskit", "return shared and Qiskit"
        ),
        conftest=USING.partition("@pytest.mark")[0].replace('"module"', '"session"'),
    )
    project.record().assert_outcomes(passed=1)
    assert project.layers() == ["@shared.yaml", "test_it/@shared.yaml"]
    project.run().assert_outcomes(passed=1)


def test_fixture_of_a_module_that_overrides_one_of_its_scope(project):
    """Both are of the same module, and still two."""
    project.write(
        USING.replace("def shared():", "def shared(shared):").replace(
            "return QiskitRuntimeService().usage()",
            "return shared and QiskitRuntimeService().jobs(limit=1) == []",
        ),
        conftest=USING.partition("@pytest.mark")[0],
    )
    project.record().assert_outcomes(passed=1)
    layers = ["test_it/@shared.yaml", "test_it/@shared_-*.yaml"]
    assert [plain(name) for name in project.layers()] == layers
    project.run().assert_outcomes(passed=1)


def test_fixture_that_one_class_overrides_is_called_the_same(project):
    """Whichever test asks for it first, so that selections do not rename it."""
    project.write(
        USING
        + """
@pytest.mark.qsession
class TestIt:
    @pytest.fixture(scope="module")
    def shared(self, shared):
        return shared and QiskitRuntimeService().jobs(limit=1) == []

    def test_that(self, shared):
        assert shared
"""
    )
    project.record("-k", "test_that").assert_outcomes(passed=1, deselected=1)
    layers = project.layers()
    assert [plain(name) for name in layers] == ["test_it/@shared.yaml", "test_it/@shared_TestIt-*.yaml"]
    project.record().assert_outcomes(passed=2)
    assert project.layers() == layers
    project.run().assert_outcomes(passed=2)


def test_fixture_that_is_used_by_itself(project):
    """As other suites have it, to set up something that tests only look at."""
    project.write(
        USING.replace('scope="module"', 'scope="module", autouse=True')
        .replace("test_it(shared)", "test_it()")
        .replace("assert shared", "pass")
    )
    project.record("--qsession-all").assert_outcomes(passed=1)
    assert project.layers() == ["test_it/@shared.yaml"]
    project.run("--qsession-all").assert_outcomes(passed=1)


DYNAMIC = (
    SHARED.format(scope="module")
    .replace("(self, shared):", "(self, request):")
    .replace("assert shared", 'assert request.getfixturevalue("shared")')
)


def test_fixture_that_a_test_asks_for_while_it_runs(project):
    """The test's run pauses, and has the fixture's session behind it when it goes on."""
    project.write(DYNAMIC)
    project.record().assert_outcomes(passed=2)
    assert project.layers() == ["test_it/@shared.yaml"]
    for cassette in project.cassettes():
        assert endpoints(project, cassette) == ["sessions.get"]
        assert head(project, cassette)["layers"] == ["test_it/@shared.yaml"]
    project.run().assert_outcomes(passed=2)
    project.run("-k", "test_b").assert_outcomes(passed=1, deselected=1)


def test_fixture_that_reads_what_is_common_has_no_file(project):
    """Such as the usual one that makes a service and a backend."""
    project.write(
        HEAD
        + """
@pytest.fixture(scope="session")
def backend():
    return QiskitRuntimeService().backend("ibm_fez")

@pytest.mark.qsession
def test_it(backend):
    assert backend.num_qubits == 156
"""
    )
    project.record("--qsession-all").assert_outcomes(passed=1)
    assert (project.cassettes(), project.layers()) == ([], [])
    assert set(endpoints(project, "@emulator.yaml")) <= {
        "backends.list",
        "backends.configuration",
        "backends.properties",
        "iam.token",
        "search.resources",
        "catalog.entry",
    }
    project.run("--qsession-all").assert_outcomes(passed=1)


def test_fixture_that_asks_for_nothing(project):
    """Is none of our business."""
    project.write(USING.replace("QiskitRuntimeService().usage()", "7"))
    project.record("--qsession-all").assert_outcomes(passed=1)
    assert project.files("cassettes") == []


def test_fixture_that_fails_leaves_no_layer(project):
    """Nor cassettes of the tests that could not begin."""
    project.write(USING.replace("return Qiskit", "assert not Qiskit"))
    result = project.record()
    result.assert_outcomes(errors=1)
    assert (project.cassettes(), project.layers()) == ([], [])


def test_fixture_whose_teardown_fails_has_its_layer(project):
    """The tests that use it are recorded by then, and it fails alike when they replay."""
    project.write(
        USING.replace("return Qiskit", "yield Qiskit").replace(
            "@pytest.mark.q", '    raise RuntimeError("of the fixture")\n\n@pytest.mark.q'
        )
    )
    result = project.record()
    result.assert_outcomes(passed=1, errors=1)
    assert "RuntimeError: of the fixture" in result.stdout.str()
    assert project.layers() == ["test_it/@shared.yaml"]
    project.run().assert_outcomes(passed=1, errors=1)


def test_fixture_that_asks_for_something_in_its_teardown_only(project):
    """Its run begins then."""
    project.write(USING.replace("    return Qiskit", "    yield 1\n    assert Qiskit"))
    project.record("--qsession-all").assert_outcomes(passed=1)
    assert project.layers() == ["test_it/@shared.yaml"]
    assert endpoints(project, "test_it/@shared.yaml") == ["instances.usage"]
    project.run("--qsession-all").assert_outcomes(passed=1)


TWICE = (
    HEAD
    + """
@pytest.fixture(scope="module", params=[1, 2])
def outer(request):
    return request.param

@pytest.fixture(scope="module", params=[3, 4])
def shared(request):
    return opened()

@pytest.mark.qsession
def test_it(outer, shared):
    assert shared.status() == "Pending"
"""
)


def test_fixture_that_is_set_up_twice_has_one_layer(project):
    """pytest tears a parametrised fixture down and sets it up again, as the order of tests has it."""
    project.write(TWICE)
    result = project.record()
    result.assert_outcomes(passed=4)
    layers = ["test_it/@shared[3-*].yaml", "test_it/@shared[4-*].yaml"]
    assert [plain(name) for name in project.layers()] == layers
    assert block(result)[3] in (
        "sessions opened: 3, cassettes written: 6",
        "sessions opened: 4, cassettes written: 6",
    )
    project.run().assert_outcomes(passed=4)


def test_random_numbers_of_a_fixture_are_those_of_its_recording(project):
    """A test that was recorded with other numbers would ask for something else."""
    project.write(
        USING.replace("return Qiskit", "import random\n    return random.random(), Qiskit").replace(
            "assert shared", 'print("drew", shared[0])'
        )
    )
    drawn = [
        [line for line in result.outlines if line.startswith("drew")]
        for result in (project.record("-rP"), project.run("-rP"), project.run("-rP"))
    ]
    assert len(drawn[0]) == 1
    assert drawn[0] == drawn[1] == drawn[2]


def test_layer_of_a_fixture_is_missing(project):
    """The message says which, and what makes it."""
    project.write(USING)
    project.record().assert_outcomes(passed=1)
    (project.folder / "cassettes" / "test_it" / "@shared.yaml").unlink()
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS240") == (
        "There is no recording of what the fixture 'shared' (scope 'module') does with the service. [QS240]\n"
        "  asked: GET /instances/usage\n"
        "  it would be cassettes/test_it/@shared.yaml\n"
        "To fix: pytest 'test_it.py::test_it' --qsession-record --qsession-target=emulator "
        "(or ibm, for QPU time)\n"
        "Where: test_it.py::test_it"
    )


COMMON = USING.replace(".usage()", '.backend("ibm_fez")')


def test_backend_that_no_recording_looked_at(project):
    """Outside of the runs of tests, too, only what was recorded is answered."""
    project.write(COMMON)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS241") == (
        "A backend is looked at that no recording of this folder looked at. Nothing was sent. [QS241]\n"
        "  asked: GET /backends\n"
        "  @emulator.yaml is missing: what all tests read in common\n"
        "To fix: pytest 'test_it.py::test_it' --qsession-record --qsession-target=emulator\n"
        "If this is intended: the command above records the new behaviour; "
        "review the difference before you commit it\n"
        "Where: cassettes/@emulator.yaml, the fixture 'shared' (scope 'module')"
    )
    assert project.files() == []


def test_fixture_that_depends_on_the_tests_that_ran(project):
    """Its recording would be another one after other tests."""
    project.write(
        HEAD
        + """
@pytest.fixture(scope="module")
def kept():
    assert QiskitRuntimeService().usage()
    sessions = []
    yield sessions
    for session in sessions:
        session.close()

@pytest.mark.qsession
def test_it(kept):
    kept.append(opened())
"""
    )
    result = project.record()
    result.assert_outcomes(passed=1, errors=1)
    told = message(result, "QS243")
    assert re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", told) == (
        "What the fixture 'kept' (scope 'module') does depends on the tests that ran: "
        "it cannot be recorded. [QS243]\n"
        "  asked: PATCH /sessions/ID in its teardown\n"
        "  ID was made by test_it.py::test_it\n"
        "To fix: let the test end what it began, or give the fixture the scope 'function'\n"
        "Where: cassettes/test_it/@kept.yaml"
    )
    assert project.layers() == []


@pytest.mark.parametrize("scope", ["class", "module", "session"])
@pytest.mark.parametrize("ours", ["qsession", "qsession_run", "qsession_isa"])
def test_wide_fixture_that_asks_for_ours(project, scope, ours):
    """Said before anything is opened."""
    project.write(
        f"""
        import pytest

        @pytest.fixture(scope="{scope}")
        def shared({ours}):
            return {ours}

        def test_it(shared):
            pass
        """
    )
    result = project.record()
    result.assert_outcomes(errors=1)
    assert message(result, "QS107") == (
        "The fixture 'shared' outlives the run that it asks for. [QS107]\n"
        f"  'shared' has scope '{scope}', '{ours}' belongs to one test (scope 'function')\n"
        "To fix: give 'shared' the scope 'function'\n"
        "Where: test_it.py::test_it"
    )
    assert project.files() == []


SWALLOWED = COMMON.replace("    return Qiskit", "    try:\n        return Qiskit").replace(
    '"ibm_fez")\n', '"ibm_fez")\n    except Exception:\n        return 1\n'
)


def test_refusal_that_a_wide_fixture_swallows_fails_the_test(project):
    """The first test that is ours after it."""
    project.write(SWALLOWED, conftest="")
    (project.folder / "pytest.ini").write_text("[pytest]\nqsession_mode = replay\n")
    result = project.run("--qsession-all")
    result.assert_outcomes(failed=1)
    assert message(result, "QS241").startswith("A backend is looked at that no recording")


def test_refusal_in_the_run_of_a_fixture_that_it_swallows(project):
    """It is the fixture that fails, as a test would."""
    project.write(USING)
    project.record().assert_outcomes(passed=1)
    project.write(
        USING.replace(
            "    return QiskitRuntimeService().usage()",
            "    service = QiskitRuntimeService()\n    usage = service.usage()\n"
            "    try:\n        service.jobs(limit=1)\n    except Exception:\n        pass\n    return usage",
        )
    )
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS301").splitlines()[:2] == [
        "The code under test reads something that was not recorded. Nothing was sent. [QS301]",
        "  asked: GET /jobs?exclude_params=true&limit=1",
    ]


def test_missing_account_that_a_test_of_others_expects(project):
    """It is still the client's own error."""
    project.write(
        """
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService
        from qiskit_ibm_runtime.accounts import AccountNotFoundError

        def test_it():
            with pytest.raises(AccountNotFoundError):
                QiskitRuntimeService()
        """,
        ini="qsession_mode = replay",
    )
    project.run().assert_outcomes(passed=1)


def test_two_workers_that_recorded_different_things(project):
    """The first is kept, and the block says whose."""
    project.write(
        USING.replace("import pytest", "import os\nimport pytest")
        .replace(
            "Service().usage()",
            'Service().jobs(limit=int(os.environ["PYTEST_XDIST_WORKER"][2:]) + 1) == []',
        )
        .replace(
            "@pytest.mark.qsession\ndef test_it(",
            '@pytest.mark.qsession\n@pytest.mark.parametrize("n", [1, 2])\ndef test_it(n, ',
        )
    )
    result = project.run_apart("-n2", *EMULATOR)
    result.assert_outcomes(passed=2)
    assert block(result)[-2:] == [
        "recorded differently by two workers, the first is kept: 1 (QS244)",
        "  test_it.py::@shared",
    ]


def test_session_that_is_closed_after_the_end_of_pytest(project):
    """Its fixture has ended, and with it the recording: said with the fixture that made it."""
    project.write(
        HEAD
        + """
import atexit

@pytest.fixture(scope="session")
def session():
    session = opened()
    atexit.register(session.close)
    return session

@pytest.mark.qsession
def test_it(session):
    assert session.details()
"""
    )
    for options in (EMULATOR, ()):
        result = project.run_apart(*options)
        result.assert_outcomes(passed=1)
        assert re.sub(r"[0-9a-f-]{36}", "ID", message(result, "QS307")) == (
            "A request came after its run had ended. Nothing was sent. [QS307]\n"
            "  PATCH https://quantum.cloud.ibm.com/api/v1/sessions/ID\n"
            "  it is about what the fixture 'session' (scope 'session') made, which has ended\n"
            "To fix: end it in the fixture itself, after its `yield`; then record a test that uses it\n"
            "Where: test_it.py::test_it"
        )


FOREIGN = """
import time
{made}

def test_foreign({name}):
    before = time.time()
    try:
        {name}.usage()
    except AssertionError as refused:
        assert refused.code == "QS308"
    assert 0 <= time.time() - before < 60

@pytest.mark.qsession
def test_ours({name}):
    assert {name}.backend("ibm_fez").num_qubits == 156
"""


@pytest.mark.parametrize(
    "made",
    [
        "@pytest.fixture(scope='session')\ndef service():\n    return QiskitRuntimeService()",
        "made = QiskitRuntimeService()\n@pytest.fixture\ndef service():\n    return made",
    ],
    ids=["fixture", "import"],
)
def test_service_of_wide_scope_in_a_test_of_others(project, made):
    """Its connections know who made it. They open no run and give no answer there, and its time is the machine's."""
    project.write(HEAD + FOREIGN.format(made=made, name="service"), ini="qsession_mode = replay")
    for options in (EMULATOR, ()):
        result = project.run(*options, "-k", "ours")
        result.assert_outcomes(passed=1, deselected=1)
        result = project.run(*options)
        # What it swallowed fails the next test that is ours.
        result.assert_outcomes(passed=1, failed=1)
        assert message(result, "QS308") == (
            "A connection to IBM was refused: it was made outside of the run of a test. [QS308]\n"
            "  host quantum.cloud.ibm.com\n"
            f"  test_it.py:{13 + made.count(chr(10))}, in test_foreign\n"
            "To fix: make the service inside the test, or in a fixture of scope 'function'\n"
            "If this is intended: name the host in the ini option qsession_allowed_hosts"
        )
        assert project.layers() == []

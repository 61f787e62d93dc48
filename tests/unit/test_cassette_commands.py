"""``qsession show``, ``diff``, ``lint``, ``seal``, ``migrate`` and ``export``, on this project's own cassettes."""

import gzip
import json
import shutil
import socket
from pathlib import Path

import pytest
import vcr
import yaml

import qsession
from qsession import _cassette
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._redaction import Redactor
from qsession._store import Store
from qsession.cli import main
from qsession.cli._files._comparing import p_value, total_variation

ROOT = Path(__file__).parents[2]
SAMPLER = Path("tests/recorded/test_flows/test_sampler_in_a_session.yaml")
JOBS = "https://quantum.cloud.ibm.com/api/v1/jobs"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of some cassettes, in a folder of its own that is the working folder."""
    shutil.copytree(ROOT / "cassettes/tests/recorded", tmp_path / "cassettes/tests/recorded")
    shutil.copytree(ROOT / "cassettes/bodies", tmp_path / "cassettes/bodies")
    shutil.copy(ROOT / "cassettes/@emulator.yaml", tmp_path / "cassettes/@emulator.yaml")
    shutil.copy(ROOT / "cassettes/.gitattributes", tmp_path / "cassettes/.gitattributes")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cassettes"


@pytest.fixture
def run(capsys):
    """Runs a command; gives its status and what it said."""

    def command(*arguments):
        status = main([str(each) for each in arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return command


def edited(path, old, new, count=-1):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), "utf-8")


def test_show_tells_head_circuits_counts_and_polls(folder, run):
    """All that a reviewer asks, and no base64."""
    status, said = run("show", folder / SAMPLER)
    assert status == 0
    lines = said.splitlines()
    assert "backend:               ibm_fez" in lines
    assert "     0.000 s  session opened [session-1]" in lines
    assert "     0.505 s  results fetched [job-1]" in lines
    assert "    PUB 0: meas (500 shots):" in lines
    assert "      00 ######################################## 249" in lines
    assert any("┤ Rz(π/2) ├" in line for line in lines)
    assert max(map(len, lines)) < 200


def test_show_without_times_is_the_same_for_the_same_recording_at_another_time(folder, run):
    """As git wants it of a textconv."""
    _, before = run("show", "--no-times", folder / SAMPLER)
    edited(folder / SAMPLER, "took_us: 1000", "took_us: 2000")
    edited(folder / SAMPLER, "'2026-01-05T12:00:00Z'", "'2026-02-05T12:00:00Z'")
    run("seal", folder / SAMPLER)
    assert run("show", "--no-times", folder / SAMPLER) == (0, before)


def test_show_a_copy_elsewhere_finds_its_bodies_or_says_so(folder, run, tmp_path):
    """Git gives a textconv a copy in a temporary folder."""
    copy = tmp_path / "elsewhere" / "copy.yaml"
    copy.parent.mkdir()
    shutil.copy(folder / "@emulator.yaml", copy)
    assert "not shown" not in run("show", copy)[1]
    status, said = run("show", "--folder", tmp_path / "none", copy)
    assert status == 0
    assert "(not shown: " in said


def test_show_as_qasm3_and_as_json(folder, run):
    """For other programs."""
    assert "OPENQASM 3.0;" in run("show", "--circuits=qasm3", folder / SAMPLER)[1]
    document = json.loads(run("show", "--json", "--circuits=none", folder / SAMPLER)[1])
    (results,) = [each for each in document["interactions"] if each["endpoint"] == "jobs.results"]
    assert results["counts"] == {"PUB 0: meas": {"00": 249, "11": 251}}


def test_show_counts_of_the_executor(folder, run):
    """Its results have a form of their own."""
    (path,) = (folder / "tests/recorded/test_executor_programs").glob("*.yaml")
    document = json.loads(run("show", "--json", path)[1])
    counts = [each["counts"] for each in document["interactions"] if "counts" in each]
    assert all(len(outcome) == 4 for each in counts for outcome in each["item 0: meas"])
    assert counts
    assert any("circuits" in each for each in document["interactions"])


def test_show_and_errors_escape_what_a_terminal_would_obey(tmp_path, run):
    """A recording of somebody else's cannot move the cursor, nor reverse a text."""
    request = Request("GET", f"{JOBS}?search=%1b%5d0;title%07")
    exchange = Interaction("jobs.list", 0, request, Response(200, body=b"{}"), 0, 1)
    head = Provenance("emulator", 0, test="a\x1b[2J\u202eb\nc")
    path = Store(tmp_path, tmp_path).save(tmp_path / "a.yaml", Recording(head, (exchange,)), Redactor())
    status, said = run("show", path)
    assert status == 0
    assert not set(said) & set("\x1b\x07\u202e")
    assert "test:                  a\\x1b[2J\\u202eb\\nc" in said.splitlines()
    edited(path, "at_us: 0", "at_us: 1")
    assert "\x1b" not in run("show", path)[1]


def test_show_names_the_layers_of_a_recording(tmp_path, run):
    """Who reviews it sees what else belongs to it."""
    head = Provenance("emulator", 0, layers=("test_a/@device.yaml", "test_a/@TestX.wide.yaml"))
    path = Store(tmp_path, tmp_path).save(tmp_path / "a.yaml", Recording(head, ()), Redactor())
    assert (
        "layers:                test_a/@TestX.wide.yaml, test_a/@device.yaml"
        in run("show", path)[1].splitlines()
    )


def test_diff_of_the_same_says_so(folder, run):
    """Moments and ids do not count."""
    copy = folder / "other.yaml"
    shutil.copy(folder / SAMPLER, copy)
    edited(copy, "took_us: 1000", "took_us: 3000")
    run("seal", copy)
    assert run("diff", folder / SAMPLER, copy) == (0, "the same, but for ids and moments\n")


def bell(path, *, shots, theta=0.0, seed=0):
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import SamplerV2

    with qsession.record(path, target="emulator", emulator=qsession.Emulator(seed=seed)) as run:
        backend = run.service().backend("ibm_fez")
        circuit = QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.rx(theta, 1)
        circuit.measure_all()
        isa = generate_preset_pass_manager(0, backend=backend, seed_transpiler=1).run(circuit)
        with qsession.Session(backend=backend) as session:
            SamplerV2(mode=session).run([isa], shots=shots).result()
    return path


def test_diff_takes_shot_noise_for_no_difference(tmp_path, run):
    """Two seeds are two samples of one distribution."""
    old, new = (bell(tmp_path / f"{seed}.yaml", shots=1000, seed=seed) for seed in (0, 1))
    status, said = run("diff", old, new)
    assert "/jobs/job-1/results PUB 0: meas: counts differ by 0." in said
    assert "within shot noise" in said
    assert said.splitlines()[1:] == ["head: seed: 0 became 1"]
    assert status == 1


def test_diff_names_another_circuit_and_counts_beyond_noise(tmp_path, run):
    """What a reviewer wants to know of a recording that was made anew."""
    old, new = bell(tmp_path / "a.yaml", shots=1000), bell(tmp_path / "b.yaml", shots=1000, theta=1.0)
    document = json.loads(run("diff", "--json", old, new)[1])
    assert document["same"] is False
    texts = {each["place"]: each["text"] for each in document["differences"] if each["matters"]}
    assert texts["POST /jobs"].startswith("PUB 0: ")
    assert texts["/jobs/job-1/results PUB 0: meas"].endswith("more than shot noise")


def test_p_value_is_that_of_two_samples():
    """Equal samples differ by nothing, disjoint ones by everything."""
    assert p_value({"0": 500, "1": 500}, {"0": 500, "1": 500}) == pytest.approx(1)
    assert p_value({"0": 1000}, {"1": 1000}) < 1e-12
    # The usual formula: 2 x 2, chi-squared = 2000 * (520*520 - 480*480)**2 / 1000**4 = 3.2
    assert p_value({"0": 520, "1": 480}, {"0": 480, "1": 520}) == pytest.approx(0.0736, abs=1e-4)
    assert p_value({}, {"0": 1}) == 1.0
    assert total_variation({"0": 1, "1": 1}, {"0": 2}) == 0.5


def test_lint_of_a_clean_folder_finds_nothing(folder, run):
    """This project's own cassettes."""
    number = len(list(folder.rglob("*.yaml")))
    bodies = {"orphan-body"}
    status, said = run("lint", "--json", folder)
    document = json.loads(said)
    assert document["cassettes"] == number
    assert {each["kind"] for each in document["findings"]} <= bodies
    assert status == (1 if document["findings"] else 0)


def test_lint_finds_each_thing_that_is_wrong(folder, run):
    """Digests, bodies, names, leftovers, attributes, what redaction would take out."""
    edited(folder / SAMPLER, "took_us: 1000", "took_us: 1001", 1)
    (folder / "aux.yaml").write_text("a: 1\n")
    shutil.copy(folder / SAMPLER, folder / SAMPLER.with_name("TEST_sampler_in_a_session.yaml"))
    (folder / "bodies" / f"{'0' * 64}.gz").write_bytes(gzip.compress(b"x", mtime=0))
    (folder / ".writing-abc").write_bytes(b"")
    (folder / ".gitattributes").unlink()
    secret = Response(200, body=b'{"user_id":"IBMid-1234567890"}')
    leak = Recording(
        Provenance("ibm", 0), (Interaction("jobs.get", 0, Request("GET", f"{JOBS}/abc"), secret, 0, 1),)
    )
    (folder / "leak.yaml").write_text(_cassette.encode(leak)[0])
    status, said = run("lint", "--json", folder)
    assert status == 1
    found = {
        (each["kind"], Path(each["path"]).name.partition(",")[0], each["code"])
        for each in json.loads(said)["findings"]
    }
    assert found >= {
        ("unreadable", SAMPLER.name, "QS205"),
        ("unreadable", "aux.yaml", "QS202"),
        ("name", "aux.yaml", ""),
        ("orphan-body", f"{'0' * 64}.gz", ""),
        ("body", f"{'0' * 64}.gz", "QS206"),
        ("leftover", ".writing-abc", ""),
        ("attributes", ".gitattributes", ""),
        ("not-redacted", "leak.yaml", ""),
    }
    assert any(kind == "same-name" for kind, _, _ in found)
    assert "IBMid-1234567890" not in said


def test_lint_of_no_folder_is_a_usage_error(tmp_path, run):
    """A name that was mistyped is not a clean folder."""
    assert run("lint", tmp_path / "none") == (
        2,
        "qsession: There is no such folder. [QS175]\n"
        f"  {tmp_path / 'none'}\n"
        "To fix: name the folder of the cassettes, for example: qsession lint cassettes\n",
    )


@pytest.mark.parametrize(
    "command",
    [
        ("show", "FILE"),
        ("diff", "FILE", "FILE"),
        ("export", "FILE"),
        ("seal", "FILE"),
        ("migrate", "FILE"),
        ("redact", "FILE"),
        ("redact", "FILE", "--cut"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.yaml", "No such file or directory"),
        ("folder", "Is a directory"),
        ("loop.yaml", "Too many levels of symbolic links"),
        ("plain.yaml/none.yaml", "Not a directory"),
    ],
)
def test_file_that_cannot_be_read_is_a_usage_error(tmp_path, monkeypatch, run, command, name, why):
    """Whatever the command would have done with it, it says what is wrong with the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain.yaml").touch()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert run(*(name if each == "FILE" else each for each in command)) == (
        2,
        "qsession: The file cannot be read. [QS175]\n"
        f"  {name}: {why}\n"
        "To fix: name a file that is there, for example: qsession show cassettes/test_bell/test_bell.yaml\n",
    )


def test_file_that_cannot_be_written_is_an_error(folder, run):
    """No traceback, and nothing is lost."""
    assert run("export", folder / SAMPLER, "--output", folder) == (
        1,
        "qsession: The file could not be written. What was there stays. [QS208]\n"
        f"  {folder}: Is a directory\n"
        "To fix: make room, or name a file that this user may write\n",
    )


def test_commands_give_no_orders_to_a_ci_runner(tmp_path, run):
    """Nothing that a recording says begins a line with "::", and "##[" stands nowhere."""

    def recorded(name, text):
        url = f"{JOBS}?search={text}"
        body = json.dumps({text: text}).encode()
        exchanges = [Interaction("jobs.list", 0, Request("GET", url), Response(200, body=body), 0, 1)]
        head = Provenance("emulator", 0, test=f"::error::{text}\n::error::b", backend=text)
        return Store(tmp_path, tmp_path).save(tmp_path / name, Recording(head, tuple(exchanges)), Redactor())

    one, other = recorded("##[error]a.yaml", "##[error]a"), recorded("::error::b.yaml", "\n::error::b")
    edited(other, "at_us: 0", "at_us: 1")
    commands = [("show", one), ("show", one, "--json"), ("lint", tmp_path), ("lint", tmp_path, "--json")]
    commands += [("diff", one, other), ("seal", other), ("diff", one, other), ("diff", one, other, "--json")]
    said = [run(*command)[1] for command in commands]
    assert all("error" in each for each in said)
    assert not [line for each in said for line in each.splitlines() if line.lstrip().startswith("::")]
    assert not [each for each in said if "##[" in each]


def test_seal_accepts_an_edit_and_says_what_it_was(folder, run):
    """What was reviewed replays; what was not edited keeps its digest."""
    path = folder / SAMPLER
    edited(path, "at_us: 3000", "at_us: 3001", 1)
    assert run("seal", path) == (0, f"cassettes/{SAMPLER}: interaction 4 was edited\n")
    assert Store(folder, folder.parent / ".q").load(path).interactions[3].at == 3001
    assert run("seal", path) == (0, f"cassettes/{SAMPLER}: nothing was edited\n")


def test_seal_accepts_a_removed_interaction_and_an_edited_head(folder, run):
    """The count is made anew too."""
    path = folder / SAMPLER
    document = yaml.safe_load(path.read_text())
    del document["interactions"][0]
    path.write_text(_cassette.dump(document))
    assert run("seal", path) == (0, f"cassettes/{SAMPLER}: it has 11 interactions instead of 12\n")
    edited(path, "backend: ibm_fez", "backend: ibm_kingston")
    assert run("seal", path)[1].endswith("its head, or the order of its interactions, was edited\n")
    assert Store(folder, folder.parent / ".q").load(path).provenance.backend == "ibm_kingston"


def test_seal_refuses_what_redaction_takes_out_and_writes_nothing(folder, run):
    """An edit is no way round the redaction."""
    path = folder / SAMPLER
    edited(path, '"length_queue"', '"user_id":"IBMid-1234567890","length_queue"', 1)
    before = path.read_bytes()
    status, said = run("seal", path)
    assert status == 1
    assert said == (
        "qsession: The edited cassette holds something that redaction takes out. It was not sealed. [QS226]\n"
        "  interaction 4 (backends.status): redaction would change the body of the answer\n"
        "To fix: take it out by hand, or record again with pytest --qsession-record\n"
        f"Where: cassettes/{SAMPLER}\n"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "broken", ["a: [1\n", "a: 1\n", "version: 1\nmetadata: {qsession: {format: 9}}\ninteractions: []\n"]
)
def test_seal_of_no_cassette_is_refused(tmp_path, run, broken):
    """Only what a replay could read is sealed."""
    path = tmp_path / "a.yaml"
    path.write_text(broken)
    assert run("seal", path)[0] == 1
    assert path.read_text() == broken


def offline(monkeypatch):
    def refused(*_):
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)


def test_export_is_replayed_by_stock_vcrpy_and_taken_over_again(tmp_path, run, monkeypatch):
    """The way out of qsession, and the way back: the real client sees the same each time."""
    monkeypatch.chdir(tmp_path)
    path = bell(tmp_path / "cassettes" / "bell.yaml", shots=100)
    assert run("export", path, "--output", tmp_path / "plain.yaml") == (0, "")
    assert "qsession:" not in (tmp_path / "plain.yaml").read_text()
    with monkeypatch.context() as patch:
        offline(patch)
        with vcr.use_cassette(str(tmp_path / "plain.yaml"), record_mode="none"):
            counts, ours = _again()
    assert sum(counts.values()) == 100
    assert run("migrate", "plain.yaml", "--output", "taken")[0] == 0
    with qsession.replay(tmp_path / "taken" / "plain.yaml"):
        assert _again() == (counts, ours)


def _again():
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

    service = QiskitRuntimeService(token="FAKE" * 11, instance=None)
    backend = service.backend("ibm_fez")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.rx(0.0, 1)
    circuit.measure_all()
    isa = generate_preset_pass_manager(0, backend=backend, seed_transpiler=1).run(circuit)
    with Session(backend=backend) as session:
        result = SamplerV2(mode=session).run([isa], shots=100).result()
    return result[0].data.meas.get_counts(), session.session_id


def test_export_over_the_cassette_itself_is_refused(folder, run):
    """It would lose what vcrpy has no place for."""
    before = (folder / SAMPLER).read_bytes()
    status, said = run("export", folder / SAMPLER, "--output", folder / SAMPLER)
    assert (status, "[QS176]" in said) == (2, True)
    assert (folder / SAMPLER).read_bytes() == before


CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef0123456789abcdef:11112222-3333-4444-5555-666677778888::"
KEY = "FAKE-api-key-0123456789-0123456789-abcdefghij"
TOKEN = "eyJhbGciOiJub25lIn0.eyJpYW1faWQiOiJJQk1pZC1GQUtFMTIzNDUiLCJpYXQiOjEsImV4cCI6Mn0.c2ln"


def plain_cassette():
    def exchange(method, uri, status=200, asked=None, told="{}", **headers):
        return {
            "request": {
                "method": method,
                "uri": uri,
                "body": asked,
                "headers": {
                    "Authorization": [f"Bearer {TOKEN}"],
                    "Service-CRN": [CRN],
                    "Cookie": ["FAKE-cookie"],
                },
            },
            "response": {
                "status": {"code": status, "message": "OK"},
                "headers": {name.replace("_", "-"): [value] for name, value in headers.items()},
                "body": {"string": told},
            },
        }

    form = f"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey={KEY}"
    token = json.dumps({"access_token": TOKEN, "refresh_token": "FAKE-refresh-token"})
    job = {"id": "d0realjob0123456789ab", "state": {"status": "Queued"}, "user_id": "IBMid-FAKE12345"}
    poll = exchange("GET", f"{JOBS}/{job['id']}", told=json.dumps(job), Date="Mon, 02 Nov 2026 10:00:05 GMT")
    document = {
        "version": 1,
        "interactions": [
            exchange(
                "POST",
                "https://iam.cloud.ibm.com/identity/token",
                asked=form,
                told=token,
                Date="Mon, 02 Nov 2026 10:00:00 GMT",
                Set_Cookie="FAKE-set-cookie",
            ),
            exchange(
                "POST",
                JOBS,
                asked='{"program_id":"sampler","backend":"ibm_fez","params":{}}',
                told=json.dumps({"id": job["id"]}),
            ),
            *(poll for _ in range(5)),
            exchange("GET", "https://example.com/other"),
        ],
    }
    document["interactions"][-1]["request"]["headers"] = {}
    # Each its own: YAML would write the second one as an alias of the first.
    return json.loads(json.dumps(document))


def test_migrate_redacts_merges_polls_and_says_what_is_left_out(tmp_path, run, monkeypatch):
    """A recording of vcrpy holds keys, tokens and CRNs; what is written of it holds none."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "tests" / "cassettes" / "test_a" / "test_b.yaml"
    source.parent.mkdir(parents=True)
    source.write_text(yaml.dump(plain_cassette()))
    before = source.read_bytes()
    assert run("migrate", "tests/cassettes/test_a/test_b.yaml") == (
        0,
        "tests/cassettes/test_a/test_b.yaml: cassettes/tests/test_a/test_b.yaml\n"
        "  1 requests to example.com are left out\n"
        "  with which versions it was recorded is not known; its head names none\n",
    )
    text = (tmp_path / "cassettes/tests/test_a/test_b.yaml").read_text()
    for secret in (KEY, TOKEN, CRN, "0123456789abcdef0123456789abcdef", "FAKE", "d0realjob0123456789ab"):
        assert secret not in text
    recording = Store(tmp_path / "cassettes", tmp_path / ".q").load(
        tmp_path / "cassettes/tests/test_a/test_b.yaml"
    )
    assert [(each.endpoint, each.seen) for each in recording.interactions] == [
        ("iam.token", 1),
        ("jobs.create", 1),
        ("jobs.get", 5),
    ]
    assert "2026-11-02T10:00:00Z" in text
    assert source.read_bytes() == before
    assert run("lint")[0] == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("a: 1\n", "it has no list of interactions"),
        ("a: [\n", "line 2: it is not YAML: did not find expected node content"),
        (
            yaml.dump({"interactions": [{"request": {}}], "version": 1}),
            "an interaction is not as vcrpy writes it: KeyError('response')",
        ),
        (yaml.dump({"interactions": [], "version": 1}), "none of its requests goes to the service"),
    ],
)
def test_migrate_something_else_is_refused(tmp_path, run, monkeypatch, content, why):
    """And left as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(content)
    assert run("migrate", "a.yaml") == (
        1,
        "qsession: The file cannot be taken over. It was left as it is. [QS228]\n"
        f"  {why}\n"
        "To fix: record that test again with pytest --qsession-record\n"
        "Where: a.yaml\n",
    )
    assert not (tmp_path / "cassettes").exists()


def test_migrate_replaces_no_file_and_leaves_ours_alone(folder, run):
    """Neither what is there, nor what is a cassette of ours."""
    assert "it is a cassette of qsession already" in run("migrate", f"cassettes/{SAMPLER}")[1]
    plain = folder.parent / SAMPLER
    plain.parent.mkdir(parents=True)
    plain.write_text(yaml.dump(plain_cassette()))
    before = (folder / SAMPLER).read_bytes()
    status, said = run("migrate", SAMPLER)
    assert (status, "[QS229]" in said) == (2, True)
    assert (folder / SAMPLER).read_bytes() == before

"""Every way that a Python program has to IBM leads to the emulator, or nowhere."""

from __future__ import annotations

import ast
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from led_programs import Leader

import qsession
from qsession._loopback._authority import make_authority

ASK = "GET /api/v1/versions HTTP/1.1\\r\\nhost: quantum.cloud.ibm.com\\r\\nconnection: close\\r\\n\\r\\n"
_REFUSED = "qsession: {host} is not reached from a child process of a replay or of the emulator"

WAYS = {
    "create_connection": "import socket; found = socket.create_connection(('quantum.cloud.ibm.com', 80))",
    "name and any port": "import socket; found = socket.socket(); found.connect(('QUANTUM.cloud.ibm.com.', 4711))",
    "bytes": "import socket; found = socket.socket(); found.connect((b'quantum.cloud.ibm.com', 443))",
    "connect_ex": "import socket; found = socket.socket(); assert found.connect_ex(('cloud.ibm.com', 443)) == 0",
    "IPv6": "import socket; found = socket.socket(socket.AF_INET6); found.connect(('cloud.ibm.com', 443))",
    "address of a look-up": (
        "import socket; found = socket.socket(); "
        "found.connect((socket.gethostbyname('iam.cloud.ibm.com'), 443))"
    ),
    "look-up without a port": (
        "import socket; found = socket.socket(); "
        "found.connect((socket.getaddrinfo('iam.cloud.ibm.com', None)[0][4][0], 443))"
    ),
    "whole look-up": (
        "import socket; found = socket.socket(); "
        "found.connect((socket.gethostbyname_ex('iam.cloud.ibm.com')[2][0], 443))"
    ),
    "stand-in": "import socket; found = socket.create_connection(('eu-de.quantum.qsession.invalid', 80))",
}
ASKED = f"""
found.sendall(b"{ASK}")
answer = b"".join(iter(lambda: found.recv(65536), b""))
assert answer.startswith(b"HTTP/1.1 200 OK"), answer
"""


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_connection_by_any_name_or_look_up_reaches_the_emulator(led: Leader, way: str) -> None:
    """Whatever port it asks for."""
    if "INET6" in way and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    done = led.run(way + ASKED)
    assert done.returncode == 0, done.stderr
    assert led.calls() == ["GET /versions"]


HTTPS = {
    "urllib": "import urllib.request; urllib.request.urlopen('https://eu-de.quantum.cloud.ibm.com/api/v1/versions')",
    "requests": "import requests; requests.get('https://quantum.cloud.ibm.com/api/v1/versions').raise_for_status()",
    "asyncio": f"""
import asyncio
async def ask():
    reader, writer = await asyncio.open_connection("private.us-east.quantum.cloud.ibm.com", 443, ssl=True)
    writer.write(b"{ASK}")
    assert (await reader.readline()) == b"HTTP/1.1 200 OK\\r\\n"
    writer.close()
asyncio.run(ask())
""",
    "in a thread": """
import threading, urllib.request
def ask(): urllib.request.urlopen('https://quantum.cloud.ibm.com/api/v1/versions')
thread = threading.Thread(target=ask); thread.start(); thread.join()
""",
}


@pytest.mark.parametrize("program", HTTPS.values(), ids=HTTPS.keys())
def test_tls_under_ibms_names_is_trusted(led: Leader, program: str) -> None:
    """By whatever speaks it."""
    done = led.run(program)
    assert done.returncode == 0, done.stderr
    assert led.calls() == ["GET /versions"]


@pytest.mark.parametrize("host", ["www.ibm.com", "iam.test.cloud.ibm.com", "auth.quantum-computing.ibm.com"])
def test_name_of_ibm_that_is_not_led_is_refused(led: Leader, host: str) -> None:
    """No key can reach it."""
    done = led.run(f"import socket; socket.create_connection(('{host}', 443))")
    assert done.returncode == 1
    assert done.stderr.endswith("OSError: " + _REFUSED.format(host=host) + "\n")


def test_datagrams_reach_nobody_under_a_led_name(led: Leader) -> None:
    """The emulator speaks none, and QUIC would."""
    program = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('cloud.ibm.com', 443))"
    done = led.run(program)
    assert done.stderr.endswith(_REFUSED.format(host="cloud.ibm.com") + "\n")


def test_names_of_others_are_resolved_as_ever(led: Leader) -> None:
    """The program may have other business."""
    done = led.run(
        "import socket; socket.getaddrinfo('localhost', 80); socket.getaddrinfo('files.invalid', 80)"
    )
    assert "gaierror" in done.stderr
    assert "is not reached" not in done.stderr


def test_proxy_of_the_environment_is_not_asked_for_ibm(led: Leader) -> None:
    """It would know the way."""
    proxy = "http://proxy.invalid:3128"
    done = led.run(HTTPS["requests"], https_proxy=proxy, HTTPS_PROXY=proxy, all_proxy=proxy)
    assert done.returncode == 0, done.stderr
    assert led.calls() == ["GET /versions"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_on_another_machine_that_a_program_names_is_refused(led: Leader, scheme: str) -> None:
    """It is not led, and would take the key to IBM."""
    done = led.run(
        "import http.client\n"
        f"proxy = http.client.{scheme.upper()}Connection('192.0.2.1', 3128)\n"
        + (
            "proxy.set_tunnel('quantum.cloud.ibm.com', 443)"
            if scheme == "https"
            else "proxy.request('GET', 'http://quantum.cloud.ibm.com/')"
        )
    )
    assert done.stderr.endswith(_REFUSED.format(host="quantum.cloud.ibm.com") + "\n")


PROXY = """
import socket, sys, threading

def pump(source, sink):
    while piece := source.recv(65536):
        sink.sendall(piece)
    sink.close()

with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += client.recv(4096)
    asked = head.split()[1].decode()
    print(asked, flush=True)
    name, port = asked.split(":")
    server = socket.create_connection((name, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)
"""


def test_proxy_in_python_is_led_itself(led: Leader) -> None:
    """A program may test that it can be used behind one."""
    with subprocess.Popen(
        [sys.executable, "-c", PROXY], env=led.environment(), stdout=subprocess.PIPE, text=True
    ) as proxy:
        assert proxy.stdout is not None
        port = int(proxy.stdout.readline())
        done = led.run(
            "import requests\n"
            f"proxies = {{'https': 'http://127.0.0.1:{port}'}}\n"
            "with requests.Session() as session:\n"
            "    session.trust_env = False\n"
            "    import os\n"
            "    url = 'https://quantum.cloud.ibm.com/api/v1/versions'\n"
            "    session.get(url, proxies=proxies, verify=os.environ['REQUESTS_CA_BUNDLE']).raise_for_status()\n"
        )
        asked = proxy.stdout.readline()
        proxy.kill()
    assert done.returncode == 0, done.stderr
    assert asked == "quantum.cloud.ibm.com:443\n"
    assert led.calls() == ["GET /versions"]


@pytest.fixture
def stranger() -> Iterator[int]:
    """Somebody who speaks TLS under IBM's names, as IBM does, and is not the emulator."""
    context = make_authority().context
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as secured:
                    assert secured.recv(1) == b"", "something was said"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        yield int(listener.getsockname()[1])
        ended.set()
        serving.join()


TLS = {
    "socket": """
import socket, ssl
context = ssl._create_unverified_context()
raw = socket.create_connection(("127.0.0.1", {port}))
context.wrap_socket(raw, server_hostname="{name}")
""",
    "asyncio": """
import asyncio, ssl
context = ssl._create_unverified_context()
asyncio.run(asyncio.open_connection("127.0.0.1", {port}, ssl=context, server_hostname="{name}"))
""",
}


@pytest.mark.parametrize("way", TLS.values(), ids=TLS.keys())
def test_tls_under_a_name_of_ibm_is_with_the_emulator_or_with_nobody(
    led: Leader, stranger: int, way: str
) -> None:
    """By whatever way it came there, and whomever the program trusts."""
    done = led.run(way.format(port=stranger, name="quantum.cloud.ibm.com"))
    assert done.stderr.endswith(_REFUSED.format(host="quantum.cloud.ibm.com") + "\n")
    assert led.run(way.format(port=led.server.port, name="quantum.cloud.ibm.com")).returncode == 0
    assert led.run(way.format(port=stranger, name="localhost")).returncode == 0


COUNT = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"


@pytest.mark.parametrize("option", ["-I", "-E"])
def test_python_that_ignores_the_hook_trusts_nobody_but_the_emulator(led: Leader, option: str) -> None:
    """It is not led, so it must not come to hand a key to IBM over TLS."""
    assert led.run(COUNT, option).stdout == "1\n"
    assert int(led.run(COUNT).stdout) > 50


def test_python_that_ignores_the_hook_finds_nobody_by_its_url(led: Leader) -> None:
    """The url is a name that exists nowhere."""
    program = "import os, urllib.request; urllib.request.urlopen(os.environ['QISKIT_IBM_URL'])"
    assert "urlopen error" in led.run(program, "-I").stderr
    assert led.calls() == []


def test_bundle_that_the_environment_names_is_everybody_where_the_hook_is_loaded(led: Leader) -> None:
    """As requests and httpx load it, by its path."""
    named = "import os, ssl; print(len(ssl.create_default_context(cafile=os.environ['REQUESTS_CA_BUNDLE']).get_ca_certs()))"
    assert led.run(named, "-I").stdout == "1\n"
    assert int(led.run(named).stdout) > 50


def test_bundle_of_the_user_is_trusted_too(led: Leader, tmp_path: Path) -> None:
    """A company may have an authority of its own; here it is the only one."""
    own = tmp_path / "company.pem"
    own.write_bytes(led.authority.certificate)
    assert led.run(COUNT, REQUESTS_CA_BUNDLE=str(own)).stdout == "1\n"
    assert int(led.run(COUNT, REQUESTS_CA_BUNDLE=str(tmp_path / "missing.pem")).stdout) > 50


def test_hook_that_fails_closes_the_process(led: Leader) -> None:
    """Unguarded it would reach IBM."""
    environment = led.environment() | {"QSESSION_CHILD_EMULATOR_PORT": "none"}
    program = "import socket; socket.create_connection(('127.0.0.1', 80))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    words = (
        "qsession: nothing is reached from this process, since its start-up hook failed: "
        "ValueError(\"invalid literal for int() with base 10: 'none'\")\n"
    )
    assert done.returncode == 1
    assert done.stderr.startswith(words)
    assert done.stderr.endswith("OSError: " + words)


HOOK = [
    "__init__",
    "_guard/__init__",
    "_guard/_bounds",
    "_guard/_late",
    "_guard/_listeners",
    "_guard/_sockets",
    "_guard/_tunnels",
    "_hosts",
    "_child/__init__",
    "_child/_hook",
]


@pytest.mark.parametrize("module", HOOK)
def test_hook_can_be_read_by_an_older_python(module: str) -> None:
    """The program's Python need not be ours; 3.9 is the oldest that the client ran on."""
    source = Path(qsession.__file__).parent / f"{module}.py"
    assert ast.parse(source.read_text("utf-8"), feature_version=(3, 9)).body


def test_hook_that_cannot_be_read_is_told_by_any_python() -> None:
    """What closes the process must itself be readable."""
    source = Path(qsession.__file__).parent / "_child" / "sitecustomize.py"
    assert ast.parse(source.read_text("utf-8"), feature_version=(3, 6)).body


def test_modules_of_the_hook_are_all_that_it_loads() -> None:
    """Another would have to be readable by an older Python too."""
    watched = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from qsession._child import _hook\n"
        "print(sorted(name for name in sys.modules if name.startswith('qsession')))\n"
    )
    command = [sys.executable, "-I", "-c", watched, str(Path(qsession.__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    names = {"qsession." + each.replace("/", ".").removesuffix("__init__").rstrip(".") for each in HOOK}
    assert done.stdout == str(sorted(name.rstrip(".") for name in names)) + "\n"


def test_hook_leaves_no_module_behind(led: Leader) -> None:
    """The program may have another qsession, and pytest warns of one that it did not import."""
    done = led.run("import sys; print([name for name in sys.modules if name.startswith('qsession')])")
    assert done.stdout == "[]\n"


def test_children_of_a_replay_are_not_led(led: Leader) -> None:
    """A replay inside of emulate reaches nobody, as ever."""
    program = "import socket; socket.create_connection(('cloud.ibm.com', 443))"
    environment = led.environment() | {"QSESSION_CHILD_ALLOWED_HOSTS": ""}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr.endswith(_REFUSED.format(host="cloud.ibm.com") + "\n")


def test_environment_of_others_is_left_alone(led: Leader) -> None:
    """What the program had stays, but for what would lead it elsewhere."""
    before = dict(os.environ)
    environment = led.environment(
        GLOBAL_SEARCH_URL="https://example.com", no_proxy="mine.example.com", OTHER="1"
    )
    assert environment["OTHER"] == "1"
    assert "GLOBAL_SEARCH_URL" not in environment
    assert environment["no_proxy"].startswith("mine.example.com,")
    assert dict(os.environ) == before

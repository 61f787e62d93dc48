"""pytest-asyncio: event loops of every scope, on the time of the run while there is one."""

from __future__ import annotations

import pytest
from plugin_project import EMULATOR

OURS = """
import asyncio
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

class TestOurs:
    MARK
    async def test_fixtures(self, qsession, qsession_clock):
        began, loop = qsession_clock.now(), asyncio.get_running_loop()
        before = loop.time()
        assert await asyncio.to_thread(qsession.status) == "Pending"
        await asyncio.sleep(7200)
        assert qsession.status() == "Closed"
        assert 7200 <= (qsession_clock.now() - began).total_seconds() < 7210
        assert 7200 <= loop.time() - before < 7210

    MARK
    @pytest.mark.qsession
    async def test_own_service(self):
        service, _ = await asyncio.gather(asyncio.to_thread(QiskitRuntimeService), asyncio.sleep(1))
        assert await asyncio.to_thread(service.usage)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
"""
THEIRS = """
import asyncio
import time
import pytest

class TestTheirs:
    MARK
    async def test_theirs(self):
        began = time.monotonic()
        await asyncio.sleep(0.02)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.02)
        assert 0.04 <= time.monotonic() - began < 2
"""
INI = "asyncio_default_fixture_loop_scope = function\nasyncio_mode = {}\n"


@pytest.mark.parametrize("scope", ["function", "class", "module", "session"])
def test_loops_of_every_scope(suite, scope):
    """Strict mode: theirs wait in real time, ours for two virtual hours."""
    mark = f"@pytest.mark.asyncio(loop_scope='{scope}')"
    suite.holds(THEIRS.replace("MARK", mark), OURS.replace("MARK", mark), ini=INI.format("strict"))
    suite.in_any_order("asyncio", theirs=1)


def test_automatic_mode(suite):
    """No marker of theirs, and an async fixture that uses ours."""
    ours = OURS.replace("MARK\n", "\n").replace(
        "class TestOurs:",
        "@pytest.fixture\nasync def backends(qsession_service):\n"
        "    yield await asyncio.to_thread(qsession_service.backends)\n\n"
        "async def test_fixture(backends): assert 'ibm_fez' in [backend.name for backend in backends]\n\n"
        "class TestOurs:",
    )
    suite.holds(THEIRS.replace("MARK\n", "\n"), ours, ini=INI.format("auto"))
    suite.in_any_order("asyncio", ours=3, theirs=1)


def test_task_that_outlives_a_run_goes_on(suite):
    """A loop of module scope has a heart: it beats 50 times a second, virtual in a run and real after it."""
    suite.holds(
        "def test_theirs(): pass",
        """
        import asyncio
        import pytest
        import pytest_asyncio

        pytestmark = pytest.mark.asyncio(loop_scope="module")
        beats = []

        @pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
        async def heart():
            async def beat():
                while True:
                    beats.append(1)
                    await asyncio.sleep(0.02)
            task = asyncio.create_task(beat())
            yield
            task.cancel()

        async def count(seconds):
            beats.clear()
            await asyncio.sleep(seconds)
            return len(beats)

        async def test_before():
            assert 2 <= await count(0.2) <= 11

        @pytest.mark.qsession
        async def test_in_a_run():
            assert 3600 * 50 - 2 <= await count(3600) <= 3600 * 50 + 2

        async def test_after():
            assert 2 <= await count(0.2) <= 11
        """.replace("3600", "60"),
        ini=INI.format("strict"),
    )
    suite.in_any_order("asyncio", ours=3, theirs=1)


def test_loop_under_disabled_sockets(suite):
    """A loop needs a pair of sockets, which pytest-socket gives it with --allow-unix-socket; as without us."""
    mark = "@pytest.mark.asyncio"
    suite.holds(THEIRS.replace("MARK", mark), OURS.replace("MARK", mark), ini=INI.format("strict"))
    options = ("--disable-socket", "--allow-unix-socket")
    for mode in (EMULATOR, ()):
        suite.beside("asyncio socket", *mode, *options).assert_outcomes(passed=3)

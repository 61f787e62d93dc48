"""What ``emulate`` and ``replay`` have in common: a command that is run to its end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from qsession._child import _led
from qsession.errors import UsageError


def checked(given: list[str], example: str) -> list[str]:
    """The command that was given, if it can be run and led.

    Args:
        given: What stands behind the options.
        example: How the command line should look.

    Raises:
        UsageError: If there is no command (QS113), it cannot be found (QS114), or it tells
            Python not to be led (QS152).
    """
    program = given[1:] if given[:1] == ["--"] else given
    if not program:
        raise UsageError("QS113", "There is no command to run.", fix=example)
    if shutil.which(program[0]) is None:
        raise UsageError(
            "QS114",
            "The command cannot be found.",
            evidence=[program[0], *(["options of qsession stand before"] if program[0][:1] == "-" else [])],
            fix=f"give its whole path, or run it with python: {example}",
        )
    option = _led.ignored_by(program)
    if option is not None:
        raise UsageError(
            "QS152",
            "The command tells Python to ignore what would lead it to the emulator.",
            evidence=[f"option: {option}", "It could reach IBM's own hosts, with a key of yours."],
            fix=f"leave {option} out",
        )
    return program


class Relay:
    """Hands signals on to the command, so that both end together and nothing is left behind."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._is_starting = False
        self._held: list[int] = []

    def run(self, program: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command to its end.

        Args:
            program: The command and its arguments.
            environment: Its whole environment.

        Returns:
            Its exit status; 128 and the signal's number when one ended it.
        """
        self._is_starting = True
        self._child = subprocess.Popen(program, env=environment)
        for number in self._held:
            self._child.send_signal(number)
        while True:
            try:
                status = self._child.wait()
                return status if status >= 0 else 128 - status
            except KeyboardInterrupt:
                # The terminal sent it to the child too, which decides what to make of it.
                continue

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals; those who took them before get them back at the end."""
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        if threading.current_thread() is not threading.main_thread():
            numbers = []  # only the main thread may
        before = [(number, signal.signal(number, self._hand_on)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._child is not None:
            self._child.send_signal(number)
        elif self._is_starting:
            # Somewhere between the child's start and its being known here.
            self._held.append(number)
        else:
            raise SystemExit(128 + number)

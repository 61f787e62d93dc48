"""What all tests of this project share."""

import signal

from hypothesis import settings

# Machines are shared: how long a case takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    # A shell starts what runs in its background with Ctrl-C ignored, and the programs that the
    # tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

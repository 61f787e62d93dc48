"""What all tests of this project share."""

from hypothesis import settings

# Machines are shared: how long a case takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

pytest_plugins = ["pytester"]

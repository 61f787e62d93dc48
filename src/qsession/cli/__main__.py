"""``python -m qsession.cli``: the command line without its script."""

import sys

from qsession.cli import main

if __name__ == "__main__":
    sys.exit(main())

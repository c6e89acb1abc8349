"""``python -m hyconex_sklearn``: the command line."""

import sys

from ._command_line.main import main

if __name__ == "__main__":
    sys.exit(main())

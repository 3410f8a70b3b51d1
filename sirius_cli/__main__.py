"""``python -m sirius_cli``."""

import sys

from sirius_cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""The command line. Commands import heavy modules when they run, so that --help is fast.

In: arguments. Out: files, text, an exit status.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from glassnet.cli.status import INTERRUPTED

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process."""
    try:
        from glassnet.cli import app
    except KeyboardInterrupt:  # Ctrl-C while modules load, which takes a tenth of a second
        print("glassnet: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    app.main(arguments)

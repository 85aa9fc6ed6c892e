"""The command line; heavy modules are loaded inside the commands, so that help is quick.

In: arguments. Out: files, text, an exit status.
"""

from __future__ import annotations

from glassnet.cli.app import main

__all__ = ["main"]

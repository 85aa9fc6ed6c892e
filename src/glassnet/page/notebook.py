"""A page below the cell of a notebook.

In: the path of a page. Out: whether a notebook shows it: in a frame that holds the whole page, so
that the notebook works without a server and without a network.
"""

from __future__ import annotations

import html
import sys
from pathlib import Path
from typing import Any

HEIGHT = 1000  # pixels


def in_notebook(path: Path) -> bool:
    """Show a page where this runs in a notebook; whether it does."""
    ipython: Any = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return False  # a terminal shows no pages
    display: Any = sys.modules["IPython.display"]
    display.display(Frame(path.read_text(encoding="utf-8")))
    return True


class Frame:
    """A page in a frame of its own: its policy holds there, and it sees nothing of the notebook."""

    def __init__(self, page: str) -> None:
        self.page = page

    def _repr_html_(self) -> str:
        text = html.escape(self.page, quote=True)
        return (
            f'<iframe srcdoc="{text}" sandbox="allow-scripts allow-downloads allow-modals" '
            f'title="glassnet: a network that trains" loading="lazy" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )

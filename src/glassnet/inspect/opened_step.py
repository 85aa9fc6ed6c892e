"""The result of `open_step`.

In: the numbers of one step. Out: `OpenStep`, which `print` and notebooks display.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassnet.inspect.render.html import fragment
from glassnet.inspect.render.overview import overview
from glassnet.inspect.render.text import as_text
from glassnet.inspect.step_data import StepData
from glassnet.words import plural


@dataclass(frozen=True, repr=False)
class OpenStep(StepData):
    """Every number of one step, with its display as text and HTML."""

    def __repr__(self) -> str:
        """One line; `print` and notebooks show everything."""
        place = f"step {self.step} of the run: epoch {self.epoch}, batch {self.batch}"
        return f"<{place}, {plural(len(self.rows), 'row')}, L = {self.L:.6g}>"

    def __str__(self) -> str:
        return as_text(overview(self))

    def _repr_html_(self) -> str:
        return fragment(overview(self))

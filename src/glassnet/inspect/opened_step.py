"""What `open_step` gives.

In: the numbers of one step. Out: `OpenStep`, which shows itself where it is printed and in
notebooks.
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
    """Every number of one step, and how it is shown."""

    def __repr__(self) -> str:
        """One line; all of it by `print` and in notebooks."""
        place = f"step {self.step} of the run: epoch {self.epoch}, batch {self.batch}"
        return f"<{place}, {plural(len(self.rows), 'row')}, L = {self.L:.6g}>"

    def __str__(self) -> str:
        return as_text(overview(self))

    def _repr_html_(self) -> str:
        return fragment(overview(self))

"""Output that several commands share: numbers, notes and JSON.

In: the results of a fit, an evaluation or a prediction. Out: text or JSON on standard output, notes
on standard error.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderHook
from rich.markup import escape
from rich.segment import Segment

from glassnet.cli.terminal import unguarded
from glassnet.cli.wording import note_text
from glassnet.version import computes_alike, numerics_version
from glassnet.visible import make_json_visible, make_lines_visible, make_visible

if TYPE_CHECKING:
    from glassnet.estimators.tabular.table_model import Prediction, TableModel
    from glassnet.tables.table import Table

_PLAIN_WIDTH = 110
REASONS = {
    "epochs": "all epochs done", "early": "no more progress", "time": "time is up",
    "perfect": "the score is perfect", "rungs": "as many networks as a model may have",
}  # fmt: skip
LONG = 1e9  # numbers from this size on are written with an exponent
DECIMALS = 9  # decimals, at most


def align_decimals(numbers: Sequence[float], error: float) -> list[str]:
    """Format numbers of one unit with the same number of decimals, so that their standard error
    shows two significant digits; very large and very small ones have an exponent."""
    decimals = max(0, 1 - _exponent(error)) if error > 0 else 4
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    if decimals <= DECIMALS and largest < LONG and (error > 0 or largest > 1e-3 or not largest):
        return [f"{number:,.{decimals}f}" for number in numbers]
    last = _exponent(error) - 1 if error > 0 else _exponent(largest) - 5
    digits = [
        _exponent(number) - last if number and math.isfinite(number) else 0 for number in numbers
    ]
    return [
        f"{number:.{min(max(digit, 0), 8)}e}" if number else "0"
        for number, digit in zip(numbers, digits, strict=True)
    ]


def _exponent(number: float) -> int:
    return math.floor(math.log10(abs(number)))


def warn(found: Sequence[tuple[TableModel, Prediction]], table: Table) -> None:
    """Print on standard error how the table was read, and the missing values that were filled in
    for these predictions; a note of several models is printed once."""
    from glassnet.estimators.tabular.table_model import cells_text

    texts = [note_text(note) for note in table.notes]
    for model, prediction in found:
        missing = cells_text(prediction.missing, "was", "were", "missing and filled in")
        texts += filter(None, (prediction.strange, missing))
        if not computes_alike(model.numerics, repr(model.network)):
            texts.append(
                f"the model was trained with numerics version {model.numerics}, this program has "
                f"{numerics_version}; the last digits may differ"
            )
    for text in dict.fromkeys(texts):
        print(f"note: {make_visible(text)}", file=sys.stderr)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line of standard output."""
    print(make_json_visible(json.dumps(value, ensure_ascii=False, allow_nan=False)))


class _Patient(Console):
    """A console that stops printing if the reader closes the pipe, and lets the command finish."""

    def on_broken_pipe(self) -> None:
        with suppress(SystemExit):  # the pipe is closed by then
            super().on_broken_pipe()


def console() -> Console:
    """Return a console on standard output; colours and window width on a terminal only."""
    terminal = sys.stdout.isatty()
    found = _Patient(
        file=unguarded(sys.stdout), highlight=False, emoji=False, soft_wrap=not terminal,
        width=None if terminal else _PLAIN_WIDTH,
    )  # fmt: skip
    found.push_render_hook(_Guard())
    return found


class _Guard(RenderHook):
    """Makes control characters visible in all output, even if a caller forgot `safe`."""

    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        return [_Shown(item) for item in renderables]


@dataclass(frozen=True)
class _Shown:
    """A renderable whose texts have visible control characters; rich's own escapes are kept."""

    inside: Any

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for part in console.render(self.inside, options):
            yield part if part.control else Segment(make_lines_visible(part.text), part.style)


def safe(text: str) -> str:
    """Escape text from a file for `Console.print`: no markup, and no terminal control."""
    return escape(make_visible(text))

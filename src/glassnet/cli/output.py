"""What several commands print: numbers, notes and JSON.

In: what a fit, an evaluation or a prediction found. Out: text or JSON on standard output, notes on
standard error.
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
LONG = 1e9  # from here on a number is written with an exponent
DECIMALS = 9  # of more, most would be noughts


def align_decimals(numbers: Sequence[float], error: float) -> list[str]:
    """Numbers of one unit to the same decimal, so that their standard error shows two digits that
    mean something; very large and very small ones with an exponent each."""
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
    """Say on standard error how the table was read, and what had to be filled in for the answers of
    these models; what several of them say is said once."""
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
    """One JSON object on one line of standard output."""
    print(make_json_visible(json.dumps(value, ensure_ascii=False, allow_nan=False)))


class _Patient(Console):
    """Says nothing more once its reader has had enough, and lets the command do its work."""

    def on_broken_pipe(self) -> None:
        with suppress(SystemExit):  # the pipe is closed by then
            super().on_broken_pipe()


def console() -> Console:
    """Standard output; colours and the window's width on a terminal only."""
    terminal = sys.stdout.isatty()
    found = _Patient(
        file=unguarded(sys.stdout), highlight=False, emoji=False, soft_wrap=not terminal,
        width=None if terminal else _PLAIN_WIDTH,
    )  # fmt: skip
    found.push_render_hook(_Guard())
    return found


class _Guard(RenderHook):
    """Everything that a console shows is harmless, whoever forgot to say `safe`."""

    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        return [_Shown(item) for item in renderables]


@dataclass(frozen=True)
class _Shown:
    """Something to be shown, its texts as they are harmless; rich's own escapes are not texts."""

    inside: Any

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for part in console.render(self.inside, options):
            yield part if part.control else Segment(make_lines_visible(part.text), part.style)


def safe(text: str) -> str:
    """Text from a file for `Console.print`: nothing in it is markup or steers the terminal."""
    return escape(make_visible(text))

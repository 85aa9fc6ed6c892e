"""The `Ledger` of a weight, and its display.

In: the updates of one weight. Out: `Ledger`; blocks for text and HTML, and JSON values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.inspect.render.elements import Block, Lines, Picture, TableBlock, exact
from glassnet.inspect.render.html import fragment
from glassnet.inspect.render.json_values import plain
from glassnet.inspect.render.text import as_text
from glassnet.inspect.statistics import coupling_text, largest_first
from glassnet.training.loss_curves import curves
from glassnet.words import plural

PUSHED = 3  # rows with the largest gradients that are shown per update


@dataclass(frozen=True)
class Entry:
    """One update; numbers have the dtype of the model."""

    epoch: int  # from 1
    batch: int  # from 1
    lr: Any
    slope: Any  # ∂L/∂w; None for a weight that is not trained by gradients
    before: Any
    after: Any
    mean: Any  # the running mean of the weight; None if the optimiser has none
    memory: dict[str, Any]  # the optimiser's state for the weight after this update, by slot
    rows: np.ndarray  # row numbers of the batch in the data
    parts: np.ndarray | None  # the part of ∂L/∂w that comes from each of these rows

    @property
    def update(self) -> Any:
        """after − before, in float64, which is exact for float32 weights."""
        return np.float64(self.after) - np.float64(self.before)

    @property
    def shown(self) -> Any:
        """The weight of the model if an epoch ends with this update: the running mean if the
        optimiser has one, since validation, callbacks and the result use it; else `after`."""
        return self.after if self.mean is None else self.mean


@dataclass(frozen=True)
class Ledger:
    """One weight and its updates."""

    name: str
    first_epoch: int
    start: Any
    entries: tuple[Entry, ...]
    updates: int  # in the epochs that were asked for; more than entries if the list is cut
    recorded: tuple[tuple[int, Any, Any], ...]  # epoch, weight in its checkpoint, weight repeated
    left: tuple[int, Any, Any] | None  # epoch, weight in the run's result, weight repeated
    average: float  # β of the running mean of the weights; 0 if there is none
    coupled: str  # the layer in which rows of a batch influence each other

    @property
    def end(self) -> Any:
        """The weight of the model after the last of these updates."""
        return self.entries[-1].shown if self.entries else self.start

    @property
    def is_verified(self) -> bool | None:
        """Whether all recorded values of the weight have the bits of the repeated ones; None if the
        file has none for these updates."""
        known = [*self.recorded, *([] if self.left is None else [self.left])]
        if not known:
            return None
        return all(_is_same(kept, again) for _, kept, again in known)

    def __repr__(self) -> str:
        """One line; `print` and notebooks show everything."""
        return f"<{self.name}: {_extent(self)}>"

    def __str__(self) -> str:
        return as_text(blocks(self))

    def _repr_html_(self) -> str:
        return fragment(blocks(self))


def blocks(ledger: Ledger) -> list[Block]:
    """Return a line for each update, and the comparison with the file."""
    start = f"start, before epoch {ledger.first_epoch}: {exact(ledger.start)}"
    slots = ledger.entries[0].memory if ledger.entries else ()
    heads = ["epoch", "batch", "η", "∂L/∂w", "rows with the largest gradients"]
    heads += [*(f"{slot} after" for slot in slots), "update", "w after"]
    heads += ["mean after"] if ledger.average else []
    updates = TableBlock("", heads, [_line(entry, ledger.average) for entry in ledger.entries])
    notes = [*_means(ledger), *_checkpoint_text(ledger)]
    if ledger.coupled:
        notes.append(f"note: {coupling_text(ledger.coupled)}")
    if len(ledger.entries) < ledger.updates:
        notes.append(f"note: {_cut_text(ledger)}")
    above = Lines(f"{ledger.name}: {_extent(ledger)}", [start])
    return [above, *_drawing(ledger), updates, Lines("", notes)]


def _drawing(ledger: Ledger) -> list[Block]:
    """Draw the weight after each update as a curve."""
    values = [float(entry.after) for entry in ledger.entries]
    picture = curves({"w after": [float(ledger.start), *values]}, "update")
    return [Picture("the weight after each update, from its start on", picture)] if values else []


def _line(entry: Entry, average: float) -> Sequence[str]:
    slope = "none" if entry.slope is None else exact(entry.slope)
    pushed = ""
    if entry.parts is not None:
        most = largest_first(entry.parts)[:PUSHED]
        pushed = ", ".join(f"{entry.rows[i]}: {entry.parts[i]:.3g}" for i in most)
    line = (str(entry.epoch), str(entry.batch), exact(entry.lr), slope, pushed)
    line = (*line, *map(exact, entry.memory.values()), exact(entry.update))
    mean = [exact(entry.mean) if entry.mean is not None else "none"] if average else []
    return (*line, exact(entry.after), *mean)


def _means(ledger: Ledger) -> list[str]:
    """Return the final value of the weight, and the formula if it is a running mean."""
    if not ledger.average or not ledger.entries or ledger.entries[-1].mean is None:
        return [f"end: {exact(ledger.end)}"]
    return [
        f"end of the steps: {exact(ledger.entries[-1].after)}",
        f"end: {exact(ledger.end)}, the running mean that the model has: "
        f"mean ← {ledger.average}·mean + {1 - ledger.average:.6g}·(w after), from 0, "
        f"divided by 1 − {ledger.average}^t after t steps of the run",
    ]


def _checkpoint_text(ledger: Ledger) -> list[str]:
    lines = [
        f"the file's checkpoint after epoch {epoch}: {exact(value)}, {_verdict(value, again)}"
        for epoch, value, again in ledger.recorded
    ]
    if ledger.left is not None:
        epoch, value, again = ledger.left
        lines.append(
            f"the run's result, of epoch {epoch}: {exact(value)}, {_verdict(value, again)}"
        )
    return lines or ["note: not verified: no checkpoint after these updates"]


def _verdict(recorded: Any, again: Any) -> str:
    return "the same bits" if _is_same(recorded, again) else f"OTHER than {exact(again)}"


def _is_same(recorded: Any, again: Any) -> bool:
    return recorded.tobytes() == again.tobytes()


def _extent(ledger: Ledger) -> str:
    if not ledger.entries:
        return "no updates, since no epoch is recorded yet"
    last = ledger.entries[-1].epoch
    which = (
        f"epoch {last}" if last == ledger.first_epoch else f"epochs {ledger.first_epoch} to {last}"
    )
    return f"{plural(len(ledger.entries), 'update')}, {which}"


def _cut_text(ledger: Ledger) -> str:
    return (
        f"these are the first {len(ledger.entries):,} of {plural(ledger.updates, 'update')}; "
        "name an epoch (--epoch E) for all of that epoch"
    )


def as_json(ledger: Ledger) -> dict[str, Any]:
    """Return the ledger as JSON values, with each row's part of the gradient. "note" is set if
    updates are left out, "rows_note" if rows influence each other."""
    entries = [
        {"epoch": entry.epoch, "batch": entry.batch, "lr": entry.lr, "slope": entry.slope,
         "update": entry.update, "after": entry.after, "mean": entry.mean,
         "memory": entry.memory, "rows": entry.rows, "slope_of_rows": entry.parts}
        for entry in ledger.entries
    ]  # fmt: skip
    recorded = [
        {"epoch": e, "recorded": value, "again": again} for e, value, again in ledger.recorded
    ]
    left = None
    if ledger.left is not None:
        epoch, value, again = ledger.left
        left = {"epoch": epoch, "recorded": value, "again": again}
    cut = len(ledger.entries) < ledger.updates
    return plain(
        {"name": ledger.name, "first_epoch": ledger.first_epoch, "start": ledger.start,
         "entries": entries, "end": ledger.end, "average": ledger.average,
         "updates": ledger.updates, "recorded": recorded, "model": left, "same": ledger.is_verified,
         "rows_note": coupling_text(ledger.coupled), "note": _cut_text(ledger) if cut else None}
    )  # fmt: skip

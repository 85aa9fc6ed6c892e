"""Render an opened step as text for a terminal.

In: blocks, or a `StepData`. Out: text.
"""

from __future__ import annotations

from collections.abc import Iterable

from glassnet.inspect.render import detail
from glassnet.inspect.render import overview as at_a_glance
from glassnet.inspect.render.elements import ArrayGroup, Block, Lines, Matrix, Picture, TableBlock
from glassnet.inspect.step_data import StepData
from glassnet.visible import make_visible

SMALL = 300  # numbers of a step up to which its arrays are shown
WIDE = 10  # numbers shown per row of an array


def overview(step: StepData) -> str:
    """Return the five lines of the step, and a line for each layer, parameter and row with a large
    gradient; for a small network, all arrays too."""
    return as_text(at_a_glance.overview(step))


def neuron(step: StepData, text: str, at: int = 0) -> str:
    """Show one unit, "linear1[3]", for row number `at` of the batch: its sum with all numbers."""
    return as_text(detail.neuron(step, text, at))


def weight(step: StepData, text: str) -> str:
    """Show one weight, "linear1.weight[2,3]": its gradient by row, and its update."""
    return as_text(detail.weight(step, text))


def as_text(blocks: Iterable[Block]) -> str:
    """Render blocks one below the other."""
    return "\n\n".join(part for part in map(_block, blocks) if part)


def _block(block: Block) -> str:
    if isinstance(block, Picture):
        return ""
    if isinstance(block, Lines):
        lines = [*([block.title] if block.title else []), *block.lines]
        return "\n".join(map(make_visible, lines))
    if isinstance(block, TableBlock):
        return _table(block)
    if isinstance(block, Matrix):
        return _matrix(block)
    return _group(block)


def _table(block: TableBlock) -> str:
    cells = [[make_visible(cell) for cell in line] for line in (block.heads, *block.rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(block.heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    above = [block.title] if block.title else []
    return "\n".join([*above, *lines, *([f"note: {block.note}"] if block.note else [])])


def _group(block: ArrayGroup) -> str:
    """Render the arrays of a layer; nothing for a large step, which has the summaries only."""
    if block.whole > SMALL:
        return ""
    return "\n".join([f"── {block.title}", *map(_matrix, block.matrices)])


def _matrix(block: Matrix) -> str:
    table = block.table
    fits = len(block.rows) == len(table)
    names = [make_visible(str(row)) for row in (block.rows if fits else range(len(table)))]
    cells = [[f"{x:.6g}" for x in row[:WIDE]] for row in table]
    more = " …" if table.shape[1] > WIDE else ""
    width = max((len(cell) for row in cells for cell in row), default=0)
    left = max(map(len, names), default=0)
    lines = [
        f"  {name:>{left}}  " + " ".join(cell.rjust(width) for cell in row) + more
        for name, row in zip(names, cells, strict=True)
    ]
    heads = [make_visible(str(column)) for column in block.columns]
    above = block.title + (f"  ({', '.join(heads)})" if heads and len(heads) > 1 else "")
    return "\n".join([above, *lines])

"""Render an opened step as HTML, for notebooks and browsers.

In: blocks. Out: self-contained HTML without scripts or network access. It inherits the colours of
the page and adds transparent ones, so that it is readable in light and dark themes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from glassnet.inspect.render.elements import ArrayGroup, Block, Lines, Matrix, Picture, TableBlock
from glassnet.inspect.render.heat import picture
from glassnet.nn.picture import COLOURS

ROWS, COLUMNS = 8, 12  # rows and columns shown as numbers; larger arrays also have a picture
OPEN = 4000  # numbers of a step up to which its arrays are shown without a click
SHADES = 8  # shades per colour
NEGATIVE, POSITIVE = (tuple(bytes.fromhex(colour[1:])) for colour in COLOURS)

STYLE = (
    ".gn{font:13px/1.45 system-ui,sans-serif;color:inherit;overflow-x:auto}"
    # a table that is wider than the window scrolls by itself; its text stays where it is
    ".gn table{display:block;max-width:100%;overflow-x:auto;border-collapse:collapse;"
    "margin:.3em 1.2em .8em 0;font-size:12px}"
    ".gn td,.gn th{padding:1px 7px;text-align:left;border:0;background:none;color:inherit;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".gn thead th{font-weight:600;border-bottom:1px solid rgba(128,128,128,.5)}"
    ".gn caption{text-align:left;font-weight:600;padding:2px 0;color:inherit;"
    "white-space:nowrap}"
    ".gn .m td{text-align:right;font-family:ui-monospace,monospace;font-size:11px}"
    ".gn .m th{font-weight:400;opacity:.75;text-align:right;font-size:11px}"
    ".gn pre{font:12px/1.5 ui-monospace,monospace;margin:.2em 0 .8em;padding:0;color:inherit;"
    "background:none;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".gn pre span{display:block;padding-left:4ch;text-indent:-4ch}"  # what is wrapped hangs
    ".gn h4{margin:.8em 0 .2em;font-size:13px;color:inherit}"
    ".gn summary{cursor:pointer;font-weight:600;padding:.25em 0;"
    "border-top:1px solid rgba(128,128,128,.35)}"
    ".gn .all{display:flex;flex-wrap:wrap;align-items:flex-start}"
    ".gn .all>div{flex:0 0 auto;max-width:100%}"
    ".gn .pic{overflow-x:auto;margin:.4em 0 1em}"
    ".gn .pic svg{display:block;max-width:none;height:auto}"
    ".gn .note{opacity:.8;margin:0 0 .8em}"
    ".gn img{image-rendering:pixelated;display:block;margin-top:3px;"
    "outline:1px solid rgba(128,128,128,.35)}"
)


def fragment(blocks: Iterable[Block]) -> str:
    """Render blocks as one HTML element."""
    shades = "".join(
        f".gn .{letter}{i}{{background:rgba({','.join(map(str, colour))},{0.75 * i / SHADES:.2f})}}"
        for letter, colour in (("n", NEGATIVE), ("p", POSITIVE))
        for i in range(1, SHADES + 1)
    )
    body = "\n".join(_block(block) for block in blocks)
    return f'<div class="gn"><style>{STYLE}{shades}</style>\n{body}\n</div>'


def page(blocks: Iterable[Block], title: str) -> str:
    """Render blocks as a whole page, light or dark by the reader's system."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title>"
        "<style>:root{color-scheme:light dark}body{margin:1.2em}</style>"
    )
    body = fragment(blocks)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>'


def _block(block: Block) -> str:
    if isinstance(block, Picture):
        return f'<h4>{html.escape(block.title)}</h4><div class="pic">{block.svg}</div>'
    if isinstance(block, Lines):
        title = f"<h4>{html.escape(block.title)}</h4>" if block.title else ""
        # newlines keep the lines apart in notebooks that drop the style since they are not trusted
        lines = "".join(f"<span>{html.escape(line)}\n</span>" for line in block.lines)
        return f"{title}<pre>{lines}</pre>"
    if isinstance(block, TableBlock):
        return _table(block)
    if isinstance(block, Matrix):
        return _matrix(block)
    return _group(block)


def _table(block: TableBlock) -> str:
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in block.heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n"
        for row in block.rows
    )
    caption = f"<caption>{html.escape(block.title)}</caption>" if block.title else ""
    note = f'<p class="note">{html.escape(block.note)}</p>' if block.note else ""
    return f"<table>{caption}<thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table>{note}"


def _group(block: ArrayGroup) -> str:
    shown = " open" if block.whole <= OPEN else ""
    inside = "\n".join(map(_matrix, block.matrices))
    title = html.escape(block.title)
    return f'<details{shown}><summary>{title}</summary>\n<div class="all">{inside}</div></details>'


def _matrix(block: Matrix) -> str:
    """Render an array as coloured numbers; for a large one, the first numbers and a heat map."""
    whole = block.table
    table = whole[:ROWS, :COLUMNS]
    names = _names(block.rows, len(whole))[:ROWS] if block.array.ndim > 1 else [""]
    heads = _names(block.columns, whole.shape[1])[:COLUMNS]
    largest = _largest(whole)
    lines = [
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(_cell(x, largest) for x in row.tolist())
        + "</tr>\n"
        for name, row in zip(names, table, strict=True)
    ]
    above = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    cut = table.shape != whole.shape
    size = "×".join(map(str, block.array.shape))
    caption = f"{html.escape(block.title)} {size}" + (
        f", the first {table.shape[0]}×{table.shape[1]}" if cut else ""
    )
    grid = (
        f'<table class="m"><caption>{caption}</caption>\n<tr><th></th>{above}</tr>\n'
        f"{''.join(lines)}</table>"
    )
    wide = cut and min(whole.shape) >= ROWS
    shown = picture(whole, POSITIVE, NEGATIVE) if wide else ""
    return f"<div>{grid}{shown}</div>"


def _names(given: Sequence[Any], count: int) -> list[str]:
    return [str(name) for name in given] if len(given) == count else [str(i) for i in range(count)]


def _cell(x: float, largest: float) -> str:
    text = f"{x:.4g}"
    shade = round(SHADES * abs(x) / largest) if largest and np.isfinite(x) else 0
    kind = f' class="{"p" if x > 0 else "n"}{shade}"' if shade else ""
    return f"<td{kind}>{text}</td>"


def _largest(table: np.ndarray) -> float:
    sizes = np.abs(table.astype(float))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))

"""Draws a network for notebooks.

In: named layers and their parameters. Out: SVG inside HTML: a column of circles for every linear
layer, a line for every weight (blue is positive, orange negative; the width shows the size), and
the names of the layers that follow. Only the first neurons of wide layers are shown. Circles and
names have the colour of the surrounding text, so that the drawing works on light and dark pages.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SHOWN = 10  # most neurons shown in a column
GAP, ACROSS, RADIUS, TOP = 26, 130, 8, 40
LEAST = 0.6  # smallest scale in a narrow window; names would be unreadable if smaller
COLOURS = ("#d27316", "#3d86d2")  # negative, positive: contrast of 3:1 or more to white and black


@dataclass
class PictureColumn:
    """A column of neurons, and the weights of their inputs."""

    names: list[str]
    width: int
    weight: np.ndarray | None = None

    @property
    def shown(self) -> int:
        return min(self.width, SHOWN)


def columns(
    parts: Mapping[str, Any], parameters: Mapping[str, np.ndarray], width: int | None
) -> list[PictureColumn]:
    """Return the columns of successive layers, beginning with the inputs."""
    found = [PictureColumn(["x"], width or 1)]
    for name, part in parts.items():
        given = part.output_width(width)
        weight = parameters.get(f"{name}.weight")
        dense = weight is not None and weight.shape == (width, given)
        if dense or given != width:
            found.append(
                PictureColumn([type(part).__name__], given or 1, weight if dense else None)
            )
        else:
            found[-1].names.append(type(part).__name__)
        width = given
    return found


def drawing(parts: Mapping[str, Any], parameters: Mapping[str, np.ndarray], width: Any) -> str:
    """Return the network as one SVG element."""
    found = columns(parts, parameters, width)
    tallest = max(column.shown for column in found)
    across = ACROSS * len(found)
    below = max(len(column.names) for column in found)
    tall = TOP + GAP * tallest + 16 * below + 16
    items = [
        line
        for place in range(1, len(found))
        for line in _lines(found[place - 1], found[place], place, tallest)
    ]
    for place, column in enumerate(found):
        items += _circles(column, place, tallest)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across}" height="{tall}" '
        f'viewBox="0 0 {across} {tall}" role="img" font-family="sans-serif" font-size="11" '
        f'text-anchor="middle" fill="currentColor" style="max-width:100%;height:auto;'
        f'min-width:{LEAST * across:.0f}px">{"".join(items)}</svg>'
    )


def page(text: str, parts: Mapping[str, Any], parameters: Mapping[str, Any], width: Any) -> str:
    """Return HTML with the drawing, and the table of parameters below it."""
    picture = drawing(parts, parameters, width)
    style = "white-space:pre-wrap;overflow-wrap:anywhere"
    return f'<div>{scrollable(picture)}<pre style="{style}">{html.escape(text)}</pre></div>'


def scrollable(picture: str) -> str:
    """Return HTML in which a picture that is too wide scrolls, rather than the page."""
    return f'<div style="overflow-x:auto">{picture}</div>'


def _place(column: PictureColumn, place: int, neuron: int, tallest: int) -> tuple[float, float]:
    top = TOP + GAP * (tallest - column.shown) / 2
    return ACROSS * (place + 0.5), top + GAP * (neuron + 0.5)


def _between(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return the ends of a line between the edges of two circles, which are not filled."""
    apart = math.dist(a, b)
    across, down = (RADIUS * (b[i] - a[i]) / apart for i in (0, 1))
    return a[0] + across, a[1] + down, b[0] - across, b[1] - down


def _lines(left: PictureColumn, right: PictureColumn, place: int, tallest: int) -> list[str]:
    weight = right.weight
    if weight is None:
        return []
    largest = float(np.abs(weight).max()) or 1.0
    items: list[str] = []
    for i in range(left.shown):
        for j in range(right.shown):
            x1, y1, x2, y2 = _between(
                _place(left, place - 1, i, tallest), _place(right, place, j, tallest)
            )
            w = float(weight[i, j])
            items.append(
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                f'stroke="{COLOURS[w >= 0]}" stroke-width="{0.3 + 2.7 * abs(w) / largest:.2f}">'
                f"<title>{w:.4g}</title></line>"
            )
    return items


def _circles(column: PictureColumn, place: int, tallest: int) -> list[str]:
    x, _ = _place(column, place, 0, tallest)
    items = [
        f'<circle cx="{x:.0f}" cy="{_place(column, place, i, tallest)[1]:.1f}" r="{RADIUS}" '
        f'fill="none" stroke="currentColor"/>'
        for i in range(column.shown)
    ]
    head = (
        f"{column.width}" if column.shown == column.width else f"{column.shown} of {column.width}"
    )
    captions: Sequence[tuple[float, str]] = [
        (TOP / 2, head),
        *((TOP + GAP * tallest + 16 * (i + 1), name) for i, name in enumerate(column.names)),
    ]
    items += [f'<text x="{x:.0f}" y="{y:.0f}">{html.escape(text)}</text>' for y, text in captions]
    return items

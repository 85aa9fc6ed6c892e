"""Draws curves by epoch for notebooks.

In: lists of numbers by name. Out: one self-contained SVG element.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, EDGE = 480, 240, 64, 24
COLOURS = ("#0072b2", "#d55e00", "#009e73")  # distinguishable for the colour-blind, too
MOST = 400  # most points of a curve


def curves(lists: Mapping[str, Sequence[float]], across: str = "epoch") -> str:
    """Return an SVG with one curve per list; the axis is logarithmic if max > 20 · min > 0."""
    finite = [value for one in lists.values() for value in one if math.isfinite(value)]
    if not finite:
        return "<p>no epoch was finished</p>"
    low, high = min(finite), max(finite)
    powers = low > 0 and high > 20 * low

    def scaled(number: float) -> float:
        return math.log10(number) if powers else number

    bottom, span = scaled(low), (scaled(high) - scaled(low)) or 1.0
    epochs, parts = max(len(one) for one in lists.values()), list[str]()
    for (name, one), colour in zip(lists.items(), COLOURS, strict=False):
        step = max(1, len(one) // MOST)
        points = " ".join(
            f"{LEFT + (WIDTH - LEFT - EDGE) * i / max(1, epochs - 1):.1f},"
            f"{HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (scaled(value) - bottom) / span:.1f}"
            for i, value in enumerate(one)
            if math.isfinite(value) and (i % step == 0 or i == len(one) - 1)
        )
        if points:
            y = EDGE + 16 * len(parts) // 2
            line = f'<polyline points="{points}" fill="none" stroke="{colour}"/>'
            label = (
                f'<text x="{WIDTH - EDGE}" y="{y}" text-anchor="end" fill="{colour}">{name}</text>'
            )
            parts += [line, label]
    axes = (
        f'<path d="M{LEFT} {EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}" fill="none" stroke="gray"/>'
        f'<text x="{LEFT - 4}" y="{EDGE + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{LEFT - 4}" y="{HEIGHT - EDGE}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 6}" text-anchor="end">{across} {epochs}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{across} 1{", log scale" if powers else ""}</text>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="gray">'
        f"{axes}{''.join(parts)}</svg>"
    )

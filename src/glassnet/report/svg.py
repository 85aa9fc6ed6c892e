"""Draw SVG for a report: lines, bars, points and texts with CSS classes that the page styles.

In: numbers, and texts from any source. Out: one SVG element; texts are escaped, coordinates have
one decimal, and there are no inline styles, which a strict policy would forbid.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from glassnet.visible import make_visible

WIDE, TALL = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 24


def esc(text: object) -> str:
    """Escape a text for HTML; control characters become visible."""
    return html.escape(make_visible(str(text)))


def brief(text: str, most: int) -> str:
    """Return a text, cut to at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass
class Drawing:
    """An SVG element under construction; `label` describes it to screen readers."""

    label: str
    wide: float = WIDE
    tall: float = TALL
    parts: list[str] = field(default_factory=list[str])

    def rect(self, x: float, y: float, wide: float, tall: float, kind: str) -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0):.1f}" '
            f'height="{max(tall, 0):.1f}" class="{kind}"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'
        )

    def dot(self, x: float, y: float, radius: float, kind: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{kind}"/>')

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{steps}" class="{kind}"/>')

    def text(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> None:
        named = f' class="{kind}"' if kind else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{esc(text)}</text>'
        )

    def __str__(self) -> str:
        return (
            f'<svg viewBox="0 0 {self.wide:g} {self.tall:g}" role="img" '
            f'aria-label="{esc(self.label)}">{"".join(self.parts)}</svg>'
        )


@dataclass(frozen=True)
class Scale:
    """Maps numbers from `low` to `high` linearly to positions from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / span * (self.stop - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Return at most `most` + 1 round numbers within the range."""
        span = self.high - self.low
        if not span > 0 or not math.isfinite(span):
            return [self.low]
        step = 10.0 ** math.floor(math.log10(span / most))
        while span / step > most:
            step *= 2 if str(step)[0] != "2" and f"{step:e}"[0] != "2" else 2.5
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


@dataclass(frozen=True)
class Frame:
    """A drawing with two axes."""

    drawing: Drawing
    x: Scale
    y: Scale

    @staticmethod
    def of(
        label: str, xs: tuple[float, float], ys: tuple[float, float], names: tuple[str, str],
        numbers: bool = True,
    ) -> Frame:  # fmt: skip
        """Draw axes over these ranges; `numbers` says whether the x axis has numbers."""
        drawing = Drawing(label, WIDE, TALL + 14)
        x = Scale(*xs, LEFT, WIDE - RIGHT)
        y = Scale(*ys, TALL - BOTTOM, TOP + 12)
        for tick in y.ticks():
            drawing.line(LEFT, y(tick), WIDE - RIGHT, y(tick), "grid")
            drawing.text(LEFT - 5, y(tick) + 4, f"{tick:.4g}", "end")
        for tick in x.ticks() if numbers else []:
            drawing.text(x(tick), TALL - BOTTOM + 15, f"{tick:.4g}", "middle")
        drawing.text(LEFT, TOP + 2, names[1], "start", "axis")
        drawing.text(WIDE - RIGHT, TALL + 8, names[0], "end", "axis")
        return Frame(drawing, x, y)

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
        """Return the positions of points."""
        return [(self.x(a), self.y(b)) for a, b in zip(xs, ys, strict=True)]


def span_of(values: Sequence[float], margin: float = 0.04) -> tuple[float, float]:
    """Return the range of the finite values, widened by the share `margin` on both sides."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    more = (high - low or abs(high) or 1.0) * margin
    return low - more, high + more

"""Print a score: the headline, all metrics beside those of a constant prediction and of a linear
model, the confusion matrix, and the coverage of prediction intervals.

In: a `Score`. Out: lines on the console, at most 80 characters wide, or JSON values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console

from glassnet.cli.output import LONG, align_decimals, console, safe
from glassnet.estimators.tabular.table_metrics import Metric, metric_named, positive_class
from glassnet.serialize import to_plain
from glassnet.visible import make_visible
from glassnet.words import plural

if TYPE_CHECKING:
    from glassnet.estimators.tabular.score import Coverage, Figure, Score

_MOST_CLASSES = 6  # classes of a confusion matrix, at most
_LONGEST = 12  # characters of a class name in it
_HEADS = ("", "network", "constant", "linear")


def print_score(
    score: Score,
    rows: str,
    without: int,
    to: Console | None = None,
    classes: Sequence[str] = (),
    brief: bool = False,
) -> None:
    """Print the score, and that of a constant prediction; `brief` leaves out the other metrics."""
    show = (to or console()).print
    metric = metric_named(score.metric)
    linear = score.others.get("linear", math.nan)
    value, error, constant, line = metric_lines(
        metric, score.value, score.error, score.constant, linear
    )
    name = _title(metric, tuple(classes))
    wide = max(cell_len(name), 9 if score.averaging else 8)
    show(f"[bold]{safe(name.ljust(wide))}  {value} ± {error}[/] on {safe(rows)}")
    answer = safe(repr(score.constant_answer)) if metric.classes else score.constant_answer
    if math.isfinite(score.constant):
        show(f"{'constant'.ljust(wide)}  {constant} (always {answer})")
    if math.isfinite(linear):
        show(f"{'linear'.ljust(wide)}  {line} (a linear model of the same inputs)")
    if score.threshold is not None:
        second = safe(repr(classes[1])) if len(classes) == 2 else "the second class"
        show(f"{'decides'.ljust(wide)}  {second} from a probability of {score.threshold:g} on")
    if score.factors:
        show(f"{'decides'.ljust(wide)}  {safe(factors_text(score.factors, classes))}")
    if metric.quantile is not None:
        share = f"{100 * metric.quantile:g} %"
        show(f"{'answers'.ljust(wide)}  the number below which {share} lie, not the mean")
    if score.averaging:
        show(f"{'averaging'.ljust(wide)}  {averaging_text(score)}")
    if score.coverage is not None:
        show(f"{'interval'.ljust(wide)}  {coverage_text(score.coverage)}")
    if without:
        show(f"left out  {plural(without, 'row')} without a target")
    if not brief:
        _print_figures(score, tuple(classes), to or console())
        _print_confusion(score, classes, to or console())


def factors_text(factors: Sequence[float], classes: Sequence[str]) -> str:
    """Return a text on the factors of the class probabilities."""
    shown = [
        f"{make_visible(name)[:_LONGEST]} × {factor:.3g}"
        for name, factor in zip(classes[:_MOST_CLASSES], factors, strict=False)
    ]
    more = ", …" if len(factors) > _MOST_CLASSES else ""
    return f"the largest of probability × factor: {', '.join(shown)}{more}"


def averaging_text(score: Score) -> str:
    """Return a text on the correction of the score for averaging: the model averages more networks
    than predicted each held-out row."""
    part, _ = metric_lines(metric_named(score.metric), score.averaging, score.error)
    sign = "" if part.startswith("-") else "+"
    return f"{sign}{part} of it, as estimated, since all networks together are better than a fold's"


def coverage_text(found: Coverage) -> str:
    """Return a text on the coverage of prediction intervals."""
    width = align_decimals([found.width], found.width / 100)[0]
    share = f"{found.value:.4f} ± {found.error:.4f}"
    return f"{found.level:g} asked for, {share} of the rows lie inside; mean width {width}"


def metric_lines(metric: Metric, *numbers: float) -> list[str]:
    """Format a metric, its standard error (second), and the same metric of other models. Numbers in
    the unit of the target get as many decimals as the error allows."""
    if metric.in_unit:
        return align_decimals(numbers, numbers[1])
    return [f"{number:.4f}" if abs(number) < LONG else f"{number:.4g}" for number in numbers]


def _title(metric: Metric, classes: tuple[str, ...]) -> str:
    positive = positive_class(classes)
    if positive is None or metric.name not in ("f1", "average_precision"):
        return metric.title
    short = positive if len(positive) <= _LONGEST else f"{positive[: _LONGEST - 1]}…"
    return f"{metric.title} of {short!r}"


def _print_figures(score: Score, classes: tuple[str, ...], to: Console) -> None:
    """Print a line per metric, in aligned columns."""
    rows: list[tuple[str, ...]] = []
    for name, figure in score.figures.items():
        if name != score.metric:
            own = metric_named(name)
            rows.append((_title(own, classes), *_cells(own, figure)))
    if not rows:
        return
    heads = _HEADS if any(row[3] for row in rows) else _HEADS[:3]
    table = [heads, *(row[: len(heads)] for row in rows)]
    widths = [max(cell_len(row[i]) for row in table) for i in range(len(heads))]
    to.print()
    for row in table:
        cells = [f"{cell:<{widths[i]}}" for i, cell in enumerate(row)]
        text = safe(make_visible("  ".join(cells).rstrip()))
        to.print(f"[dim]{text}[/]" if row is heads else text, soft_wrap=True)


def _cells(metric: Metric, figure: Figure) -> tuple[str, str, str]:
    others = [math.nan if one is None else one for one in (figure.constant, figure.linear)]
    value, error, *rest = metric_lines(metric, figure.value, figure.error, *others)
    constant, linear = (
        text if math.isfinite(number) else "" for text, number in zip(rest, others, strict=True)
    )
    return f"{value} ± {error}", constant, linear


def _print_confusion(score: Score, classes: Sequence[str], to: Console) -> None:
    """Print the confusion matrix if there are few classes."""
    if not score.confusion or len(classes) != len(score.confusion) or len(classes) > _MOST_CLASSES:
        return
    names = [make_visible(label) for label in classes]
    names = [name if cell_len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
    table = [["true \\ predicted", *names]]
    for name, row in zip(names, score.confusion, strict=True):
        table.append([name, *(f"{count:,}" for count in row)])
    widths = [max(cell_len(row[i]) for row in table) for i in range(len(table[0]))]
    to.print()
    for place, row in enumerate(table):
        cells = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, len(row)))]
        text = safe("  ".join(cells))
        to.print(text if place else f"[dim]{text}[/]", soft_wrap=True)


def score_json(score: Score, classes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the score as JSON values."""
    found: dict[str, Any] = {
        "metric": score.metric,
        "value": _finite(score.value),
        "standard_error": _finite(score.error),
        "constant": _finite(score.constant),
        "constant_answer": score.constant_answer,
        "rows": score.rows,
        **{name: _finite(value) for name, value in score.others.items()},
        "figures": {name: figure_json(figure) for name, figure in score.figures.items()},
    }
    if score.confusion:
        found["confusion"] = {"classes": list(classes), "matrix": to_plain(score)["confusion"]}
    if score.threshold is not None:
        found["threshold"] = score.threshold
    if score.weight is not None:
        found["weight"] = score.weight
    if score.factors:
        found["factors"] = dict(zip(classes, score.factors, strict=False))
    if score.averaging:
        found["averaging"] = _finite(score.averaging)
    if score.coverage is not None:
        found["coverage"] = {
            name: _finite(value) for name, value in to_plain(score.coverage).items()
        }
    return found


def figure_json(figure: Figure) -> dict[str, Any]:
    """Return a metric with its error and baselines as JSON values."""
    return {
        "value": _finite(figure.value),
        "standard_error": _finite(figure.error),
        "constant": _finite(figure.constant),
        "linear": _finite(figure.linear),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

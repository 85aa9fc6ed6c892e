"""The charts of a report: importance, curves, confusion, ROC, calibration, losses, predictions.

In: numbers that were computed elsewhere. Out: SVG, one function per chart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.report.svg import TALL, WIDE, Drawing, Frame, brief, span_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.column_curves import Curve
    from glassnet.estimators.tabular.evaluation import Evaluation
    from glassnet.estimators.tabular.importance import Importance

    Floats = NDArray[np.float64]

_POINTS = 800  # points of a scatter plot, at most
_SHADES = 8  # shades of a cell of the confusion matrix
_BINS = 10  # bins of the calibration curve
_NAMES = 142  # width of the names beside bars


def importance_bars(found: Sequence[Importance]) -> str:
    """Draw a bar per column, with its standard error."""
    drawing = Drawing("importance of columns", WIDE, 26 * len(found) + 6)
    largest = max((importance.value + importance.error for importance in found), default=0.0) or 1.0
    reach = WIDE - _NAMES - 62
    for place, importance in enumerate(found):
        y, end = 26 * place + 4, max(importance.value, 0.0) / largest * reach
        drawing.text(_NAMES - 6, y + 14, brief(importance.column, 17), "end")
        drawing.rect(_NAMES, y, end, 18, "bar")
        low = max(importance.value - importance.error, 0.0) / largest * reach
        high = max(importance.value + importance.error, 0.0) / largest * reach
        drawing.line(_NAMES + low, y + 9, _NAMES + high, y + 9, "err")
        drawing.text(_NAMES + high + 6, y + 14, f"{importance.value:.3g}")
    return str(drawing)


def column_curve(curve: Curve, output: int, unit: str) -> str:
    """Draw the change of the prediction by the values of a column, above a histogram of its
    rows."""
    values = curve.answers[:, output]
    number = curve.kind in ("number", "date")
    xs = [float(one) for one in curve.at] if number else [float(i) for i in range(len(curve.at))]
    half = (xs[-1] - xs[0]) / (len(xs) - 1) / 2  # room for the outer bars
    ends = (xs[0] - half, xs[-1] + half)
    ys = span_of([0.0, *values.tolist()], 0.12)
    names = (brief(curve.column, 40), unit)
    frame = Frame.of(f"curve of {curve.column}", ends, ys, names, curve.kind == "number")
    most = max(curve.counts, default=0) or 1
    floor, room = frame.y(ys[0]), 50.0
    wide = (frame.x(ends[1]) - frame.x(ends[0])) / len(xs)
    for x, count in zip(xs, curve.counts, strict=True):
        tall = room * count / most
        frame.drawing.rect(frame.x(x) - wide * 0.42, floor - tall, wide * 0.84, tall, "dens")
    frame.drawing.line(frame.x(ends[0]), frame.y(0), frame.x(ends[1]), frame.y(0), "zero")
    places = frame.points(xs, values.tolist())
    if number:
        frame.drawing.path(places, "curve")
        if len(xs) <= 10:
            for x, y in places:
                frame.drawing.dot(x, y, 3, "dot")
    else:
        for (x, y), name in zip(places, curve.names, strict=True):
            frame.drawing.line(x, frame.y(0), x, y, "curve")
            frame.drawing.dot(x, y, 4, "dot")
            frame.drawing.text(x, TALL - 9, brief(name, max(46 // len(xs), 3)), "middle")
    if curve.kind == "date":
        frame.drawing.text(frame.x(ends[0]), TALL - 9, curve.names[0])
        frame.drawing.text(frame.x(ends[1]), TALL - 9, curve.names[-1], "end")
    return str(frame.drawing)


def confusion_matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Draw counts by true class (down) and predicted class (across), shaded by share of the row."""
    count = len(classes)
    side = min(84.0, (WIDE - 84) / count)
    drawing = Drawing("true classes against predicted ones", WIDE, side * count + 34)
    for place, name in enumerate(classes):
        short = brief(name, max(int(side / 7), 3))
        drawing.text(80 + (place + 0.5) * side, 14, short, "middle")
        drawing.text(74, 26 + (place + 0.5) * side, brief(name, 9), "end")
    for i, row in enumerate(matrix):
        whole = sum(row) or 1
        for j, cell in enumerate(row):
            share = cell / whole
            shade = math.ceil(_SHADES * share)
            x, y = 80 + j * side, 22 + i * side
            drawing.rect(x, y, side - 3, side - 3, f"{'ok' if i == j else 'bad'}{shade}")
            drawing.text(x + side / 2, y + side / 2 - 2, f"{cell:,}", "middle", "cell")
            if side > 40:
                drawing.text(x + side / 2, y + side / 2 + 14, f"{share:.0%}", "middle")
    return str(drawing)


def roc_curve(answers: Evaluation, title: str) -> str:
    """Draw the ROC curve of the second class: true positive rate by false positive rate."""
    true = answers.truth == 1
    order = np.argsort(-answers.given[:, 1], kind="stable")
    scores = answers.given[order, 1]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    hits = np.cumsum(true[order])[last] / max(int(true.sum()), 1)
    alarms = np.cumsum(~true[order])[last] / max(int((~true).sum()), 1)
    some = np.unique(np.linspace(0, len(last) - 1, min(len(last), 200)).astype(int))
    names = ("false positive rate", "true positive rate")
    frame = Frame.of("ROC curve", (0.0, 1.0), (0.0, 1.0), names)
    frame.drawing.path(frame.points([0.0, 1.0], [0.0, 1.0]), "zero")
    frame.drawing.path(
        frame.points([0.0, *alarms[some].tolist()], [0.0, *hits[some].tolist()]), "curve"
    )
    frame.drawing.text(frame.x(0.97), frame.y(0.08), title, "end")
    return str(frame.drawing)


def calibration(answers: Evaluation) -> str:
    """Draw the observed share of a class by its predicted probability, ± standard error."""
    if answers.given.shape[1] == 2:
        chance, true = answers.given[:, 1], answers.truth == 1
    else:
        chance, true = answers.given.max(axis=1), answers.given.argmax(axis=1) == answers.truth
    names = ("predicted probability", "observed share")
    frame = Frame.of("calibration", (0.0, 1.0), (0.0, 1.0), names)
    frame.drawing.path(frame.points([0.0, 1.0], [0.0, 1.0]), "zero")
    bins = np.minimum((chance.astype(np.float64) * _BINS).astype(int), _BINS - 1)
    for number in range(_BINS):
        inside = bins == number
        rows = int(inside.sum())
        if rows:
            x, share = float(chance[inside].mean()), float(true[inside].mean())
            error = math.sqrt(max(share * (1 - share), 0.25 / rows) / rows)
            low, high = max(share - error, 0.0), min(share + error, 1.0)
            frame.drawing.line(frame.x(x), frame.y(low), frame.x(x), frame.y(high), "err")
            frame.drawing.dot(frame.x(x), frame.y(share), 4, "dot")
    return str(frame.drawing)


def predicted_against_true(answers: Evaluation, target: str) -> str:
    """Draw a dot per row; on the line the prediction is right. At most 800 rows are drawn."""
    some = np.unique(np.linspace(0, len(answers.truth) - 1, _POINTS).astype(int))
    truth, given = answers.truth[some], answers.given[some]
    span = span_of([*truth.tolist(), *given.tolist()])
    frame = Frame.of("predicted against true", span, span, ("predicted", f"true {target[:30]}"))
    frame.drawing.path(frame.points(span, span), "zero")
    for x, y in frame.points(given.tolist(), truth.tolist()):
        frame.drawing.dot(x, y, 2, "faint")
    return str(frame.drawing)


def errors_histogram(answers: Evaluation) -> str:
    """Draw a histogram of the errors."""
    errors: Floats = answers.given - answers.truth
    low, high = (float(bound) for bound in np.quantile(errors, (0.005, 0.995)))
    if not low < high:
        low, high = low - 1.0, high + 1.0
    counts, edges = np.histogram(errors, 30, (low, high))
    names = ("predicted − true", "rows")
    frame = Frame.of("errors", (low, high), (0.0, float(counts.max()) * 1.05), names)
    for count, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        x, y = frame.x(float(left)), frame.y(count)
        frame.drawing.rect(x, y, frame.x(float(right)) - x - 1, frame.y(0) - y, "bar")
    return str(frame.drawing)


def losses(training: Sequence[float], validation: Sequence[float], best: int) -> str:
    """Draw the loss after each epoch, and mark the best epoch."""
    epochs = [float(place) for place in range(1, len(training) + 1)]
    span = span_of([*training, *validation], 0.06)
    frame = Frame.of("losses", (1.0, max(epochs[-1], 2.0)), span, ("epoch", "loss"))
    x = frame.x(float(best))
    frame.drawing.line(x, frame.y(span[0]), x, frame.y(span[1]), "best")
    anchor = "end" if best > len(training) / 2 else "start"
    frame.drawing.text(x + (-5 if anchor == "end" else 5), 34, f"epoch {best}", anchor)
    for values, kind in ((training, "curve second"), (validation, "curve")):
        places = [point for point in frame.points(epochs, values) if math.isfinite(point[1])]
        frame.drawing.path(places, kind)
    return str(frame.drawing)


def small_histogram(cells: Any) -> str:
    """Draw counts as a few bars without numbers."""
    drawing = Drawing("distribution", 96, 22)
    most = max(cells, default=0) or 1
    wide = 96 / max(len(cells), 1)
    for place, count in enumerate(cells):
        tall = 22 * count / most
        drawing.rect(place * wide, 22 - tall, wide - 1.5, tall, "small")
    return str(drawing)

"""Build the report of a table's model: column types, scores, errors, feature importances, training,
and the command that reproduces it.

In: the result of a fit or an evaluation. Out: one HTML page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.explanation import Explanation, explain_encoded
from glassnet.estimators.tabular.importance import some_rows
from glassnet.estimators.tabular.score import costs
from glassnet.estimators.tabular.table_metrics import metric_named, positive_class
from glassnet.report import charts, page
from glassnet.report.svg import brief, esc
from glassnet.rounding import computed_to_nearest
from glassnet.tables.table import Numbers
from glassnet.version import __version__
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.evaluation import Evaluation
    from glassnet.estimators.tabular.phases import PhaseHistory
    from glassnet.estimators.tabular.score import Figure, Score
    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.tables.kinds import Column
    from glassnet.tables.table_schema import Cells

_CURVES = 5  # columns with a curve, the most important ones
_WORST = 8  # rows with the largest loss that are listed
_SHOWN = 5  # columns of these rows that are shown
_MOST_COLUMNS = 60  # columns that are listed
_MOST_CLASSES = 12  # classes of a confusion matrix
_LONGEST = 40  # characters of a cell


@dataclass(frozen=True)
class ReportData:
    """The input of a report."""

    table: str  # the name of the table
    lines: tuple[str, ...]  # the first sentences of the report
    model: TableModel
    score: Score
    answers: Evaluation  # the predictions that the score was computed from
    x: NDArray[np.float32]  # the rows of these predictions, encoded
    cells: Mapping[str, Cells]  # all rows of their table, by column
    texts: Callable[[Sequence[str], int], list[str]]  # column names, row number -> cells as text
    command: str  # the command that reproduces the report
    columns: Sequence[Column] = ()
    notes: Sequence[str] = ()
    doubts: Sequence[str] = ()
    course: PhaseHistory | None = None
    answer: Callable[..., NDArray[Any]] | None = None  # predicts rows x, numbered by `places`
    about: tuple[str, ...] = ()  # facts of the model: digest, seed, network


@computed_to_nearest
def report(*parts: ReportData) -> str:
    """Return the HTML page of one model, or of several models, one for each target of a table."""
    first, targets = parts[0], [data.model.schema.target.name for data in parts]
    if len(parts) == 1:
        return page.document(f"{targets[0]}: {first.table}", first.lines, _sections(first))
    sections = [
        section
        for data, target in zip(parts, targets, strict=True)
        for section in (page.heading(target, data.lines), *_sections(data))
    ]
    about = f"{plural(len(parts), 'target')}, each with a model of its own."
    return page.document(f"{', '.join(targets)}: {first.table}", (about,), sections)


def _sections(data: ReportData) -> list[str]:
    """Return the sections on one model."""
    some = some_rows(len(data.x), len(data.model.schema.columns))
    answer = None if data.answer is None else partial(data.answer, places=some)
    why = explain_encoded(
        data.model, data.cells, data.x[some], data.answers.of(some), answer=answer, curves=_CURVES
    )
    target = data.model.schema.target.name
    return [
        page.tiles(_tiles(data)),
        *(page.note(text, True) for text in data.doubts),
        *(page.note(text, False) for text in data.notes),
        _columns(data, why),
        _importance_section(why, target),
        _mistakes_section(data),
        _figures(data),
        _training(data, why),
        _reproduce_section(data),
    ]


def _number(value: float, in_unit: bool) -> str:
    return f"{value:,.4g}" if in_unit and abs(value) < 1e6 else f"{value:.4g}"


def _tiles(data: ReportData) -> list[str]:
    """Return the tiles with the main score and up to three others."""
    score, classes = data.score, data.model.schema.target.classes
    wanted = ("auc", "log_loss", "balanced_accuracy", "f1") if classes else (
        "mae", "r2", "median_error", "pinball"
    )  # fmt: skip
    names = [score.metric, *(name for name in wanted if name != score.metric)]
    found = [
        page.tile(metric_named(name).title, *_tile(name, score.figures[name], score))
        for name in names
        if name in score.figures
    ][: 3 if score.coverage or classes else 4]
    if score.coverage is not None:
        coverage = score.coverage
        level, width = f"{coverage.level:g}", f"{coverage.width:.4g}"
        more = f"± {coverage.error:.3f} · asked for {level} · mean width {width}"
        found.append(page.tile("intervals hold", f"{coverage.value:.3f}", more))
    elif classes and score.confusion:
        found.append(_recall_tile(data))
    return found


def _tile(name: str, figure: Figure, score: Score) -> tuple[str, str]:
    in_unit = metric_named(name).in_unit
    parts = [f"± {figure.error:.2g}"]
    if name == score.metric and score.averaging:
        parts.append(f"{score.averaging:+.2g} of it by averaging all networks")
    if figure.constant is not None:
        answer = f" “{brief(score.constant_answer, 20)}”" if metric_named(name).classes else ""
        parts.append(f"constant{answer}: {_number(figure.constant, in_unit)}")
    if figure.linear is not None:
        parts.append(f"linear: {_number(figure.linear, in_unit)}")
    return _number(figure.value, in_unit), " · ".join(parts)


def _recall_tile(data: ReportData) -> str:
    """Return the tile with the recall of the second of two classes, or the lowest recall of
    more."""
    classes, matrix = data.model.schema.target.classes, np.array(data.score.confusion)
    whole = np.maximum(matrix.sum(axis=1), 1)
    recalls = np.diag(matrix) / whole
    place = 1 if len(classes) == 2 else int(np.where(matrix.sum(axis=1) > 0, recalls, 2).argmin())
    right = matrix[:, place].sum()
    precise = matrix[place, place] / right if right else 0.0
    at = data.score.threshold
    more = f"precision {precise:.0%}" + ("" if at is None else f" · from probability {at:g} on")
    if data.score.factors:
        more += f" · probability × {data.score.factors[place]:.3g}"
    name = f"recall of “{brief(classes[place], 24)}”"
    return page.tile(name, f"{recalls[place]:.0%}", more)


def _columns(data: ReportData, why: Explanation) -> str:
    """Return the table of columns with their types and importances."""
    if not data.columns:
        return ""
    values = {importance.column: importance.value for importance in why.importances}
    largest = max(values.values(), default=0.0)
    rows: list[list[str]] = []
    for column in data.columns[:_MOST_COLUMNS]:
        share = max(values.get(column.name, 0.0), 0.0) / largest if largest > 0 else 0.0
        bar = charts.small_histogram([]) if not column.used else _share_bar(share)
        rows.append([
            f"<b>{esc(brief(column.name, 40))}</b>",
            esc(column.kind if column.used else f"{column.kind}, left out"),
            f"{column.missing:,}",
            charts.small_histogram(_counts(column.cells)) if column.used else "",
            esc(brief(column.summary, 90)),
            bar if column.used else "",
        ])  # fmt: skip
    heads = ("column", "kind", "missing", "", "what is in it", "importance")
    about = "Check this first: a misread column costs more than any setting."
    if len(data.columns) > _MOST_COLUMNS:
        about += f" The first {_MOST_COLUMNS} of {plural(len(data.columns), 'column')}."
    inside = page.table(heads, rows, (2,))
    return page.section("Columns", f'<div class="card">{inside}</div>', about=about)


def _share_bar(share: float) -> str:
    return f'<svg viewBox="0 0 96 12" role="img" aria-label="{share:.0%} of the largest">' \
        f'<rect width="{96 * share:.1f}" height="12" rx="3" class="bar"/></svg>'  # fmt: skip


def _counts(cells: Any) -> list[int]:
    """Return the counts of a small histogram of a column, at most 14."""
    if isinstance(cells, Numbers):
        present = cells.values[~np.isnan(cells.values)]
        if not len(present):
            return []
        low, high = (float(bound) for bound in np.quantile(present, (0.01, 0.99)))
        return np.histogram(present, 14, (low, high if high > low else low + 1))[0].tolist()
    present = np.array([str(cell) for cell in cells.tolist() if cell is not None])
    counts = np.unique(present, return_counts=True)[1] if len(present) else np.zeros(0, int)
    return sorted(counts.tolist(), reverse=True)[:14]


def _importance_section(why: Explanation, target: str) -> str:
    """Return the importances, and the curves of the most important columns."""
    shown = why.importances[:12]
    unit = f"change of {brief(target, 24)}"
    if why.classes:
        unit = f"change of P({brief(why.classes[why.shown], 20)})"
    cards = [page.card(f"{why.about[0].upper()}{why.about[1:]}.", charts.importance_bars(shown))]
    for curve in why.curves:
        caption = (
            f"{curve.column}: mean change of the prediction, other columns unchanged; grey: rows"
        )
        cards.append(page.card(caption, charts.column_curve(curve, why.shown, unit)))
    return page.section("What matters", page.grid(cards))


def _mistakes_section(data: ReportData) -> str:
    """Return the charts of correct and wrong predictions."""
    classes, answers = data.model.schema.target.classes, data.answers
    if not classes:
        target = data.model.schema.target.name
        cards = [
            page.card(_dots(data.score.metric),
                      charts.predicted_against_true(answers, target)),
            page.card("Errors: number of rows by error.", charts.errors_histogram(answers)),
        ]  # fmt: skip
        return page.section("How good it is, and where it fails", page.grid(cards))
    cards: list[str] = []
    if data.score.confusion and len(classes) <= _MOST_CLASSES:
        caption = "True class (down), predicted class (across): rows, and their share of the class."
        cards.append(page.card(caption, charts.confusion_matrix(data.score.confusion, classes)))
    if positive_class(classes) is not None and "auc" in data.score.figures:
        title = f"AUC {data.score.figures['auc'].value:.3f}"
        caption = f"ROC curve of “{brief(classes[1], 24)}”."
        cards.append(page.card(caption, charts.roc_curve(answers, title)))
    caption = "Calibration: on the line, observed shares equal predicted probabilities."
    cards.append(page.card(caption, charts.calibration(answers)))
    across = "three" if len(cards) == 3 else "two"
    return page.section("How good it is, and where it fails", page.grid(cards, across))


def _dots(metric: str) -> str:
    """Return the caption of the chart of predicted against true values."""
    level = metric_named(metric).quantile
    if level is None:
        return "One dot per row; on the line, the prediction is right."
    return f"One dot per row; {100 * level:g} % of the true values should be below the prediction."


def _figures(data: ReportData) -> str:
    """Return the table of all metrics."""
    rows = [
        [
            esc(metric_named(name).title),
            f"{_number(figure.value, metric_named(name).in_unit)} ± {figure.error:.2g}",
            "" if figure.constant is None else _number(figure.constant, metric_named(name).in_unit),
            "" if figure.linear is None else _number(figure.linear, metric_named(name).in_unit),
            esc(metric_named(name).meaning),
        ]
        for name, figure in data.score.figures.items()
    ]
    heads = ("", "network", "constant", "linear", "what it is")
    inside = page.table(heads, rows, (1, 2, 3), long=True)
    return page.section("All figures", f'<div class="card">{inside}</div>')


def _training(data: ReportData, why: Explanation) -> str:
    """Return the losses by epoch, and the rows with the largest loss."""
    cards = [page.card("Rows with the largest loss; row numbers start at 0.", _worst(data, why))]
    course = data.course
    if course is not None and course.loss:
        caption = "Loss after each epoch: training rows (dashed) and held-out rows."
        drawn = charts.losses(course.loss, course.validation_loss, course.best_epoch)
        cards.insert(0, page.grid([page.card(caption, drawn)]))
    heading = "Training, and the worst rows" if len(cards) > 1 else "The worst rows"
    return page.section(heading, *cards)


def _worst(data: ReportData, why: Explanation) -> str:
    answers, classes = data.answers, data.model.schema.target.classes
    names = [importance.column for importance in why.importances[:_SHOWN]]
    order = np.argsort(-costs(answers, data.score.metric), kind="stable")[:_WORST].tolist()
    rows: list[list[str]] = []
    for place in order:
        number = place if answers.rows is None else int(answers.rows[place])
        cells = [esc(brief(text, _LONGEST)) for text in data.texts(names, number)]
        code, given = answers.truth[place], answers.given[place]
        if classes:
            true = classes[code] if code >= 0 else "another class"
            chance = float(given[code]) if code >= 0 else 0.0
            predicted = classes[int(answers.choice[place])]
            rest = [esc(brief(true, 24)), esc(brief(predicted, 24)), f"{chance:.3f}"]
        else:
            rest = [f"{code:,.5g}", f"{given:,.5g}", f"{given - code:+,.4g}"]
        rows.append([f"{number:,}", *cells, *rest])
    last = ("true", "predicted", "P(true)") if classes else ("true", "predicted", "error")
    heads = ("row", *(brief(name, 20) for name in names), *last)
    return page.table(heads, rows, (0, len(heads) - 1))


def _reproduce_section(data: ReportData) -> str:
    """Return the section with the command that reproduces model and report."""
    lines = "".join(f'<p class="cap">{esc(text)}</p>' for text in data.about)
    inside = (
        f"<code>{esc(data.command)}</code>{lines}"
        f'<p class="cap">glassnet {esc(__version__)}; the same rows, seed and version give the '
        "same model file, on any number of threads.</p>"
    )
    return page.section("Reproduce", f'<div class="card">{inside}</div>')

"""`glassnet predict`: predict each row of a table, as CSV.

In: a model file and a table. Out: CSV, one line per row, in the order of the table.
"""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from glassnet.cli import options

if TYPE_CHECKING:
    from glassnet.estimators.tabular.table_model import Prediction


@options.reads_table
def predict(
    model: options.ModelPath,
    table: options.TablePath,
    output: options.CsvOutput = None,
    target: options.ModelTarget = None,
    keep: options.Keep = None,
    reading: options.ReadingOptions = options.AS_IT_IS,
    csv_safe: options.CsvSafe = False,
    json: options.Json = False,
) -> None:
    """Predict each row of TABLE: write the predicted target, and the probability of each class, or
    the interval if the model was fitted with --interval. Several targets follow one another."""
    from glassnet.cli.output import print_json, warn
    from glassnet.cli.terminal_progress import Waiting
    from glassnet.estimators.tabular.target_models import TargetModels
    from glassnet.outputs import check_writable, replacing

    if output is not None:
        check_writable(output, model, table, example="predictions.csv")
    loaded = TargetModels.load(model).only(target, model).models
    with Waiting(f"predicting {table}"):
        opened = reading.open(table)
        for name in keep or []:
            opened.require(name)
        kept = opened.texts(list(dict.fromkeys(keep or [])))
        found = [own.predict(opened) for own in loaded]
    warn(list(zip(loaded, found, strict=True)), opened)
    if not csv_safe and (output is not None or not json):
        cells = (text or "" for column in kept.values() for text in column)
        answers = (cell for one in found for cell in (one.target, *one.values))
        note_formulas([*answers, *kept, *cells])
    if output is not None:
        with replacing(output, "-o") as file:
            write_csv(found, file, csv_safe, kept)
    elif not json:
        write_standard_output(lambda file: write_csv(found, file, csv_safe, kept))
    if json:
        print_json(_as_json(found, output, kept))


def note_formulas(cells: Iterable[Any]) -> None:
    """Print a note on standard error if a spreadsheet would compute some of these cells."""
    from glassnet.tables.csv_safe import count_formulas

    count = count_formulas(cells)
    if count:
        begins = "cell begins" if count == 1 else "cells begin"
        print(
            f"note: {count:,} {begins} like a formula (=, +, -, @), which a spreadsheet computes; "
            "--csv-safe writes such cells as texts",
            file=sys.stderr,
        )


def write_standard_output(write: Callable[[IO[bytes]], None]) -> None:
    """Write bytes unchanged to a file or a pipe; on a terminal, make control characters visible."""
    if not sys.stdout.isatty():
        write(sys.stdout.buffer)
        return
    buffer = io.BytesIO()
    write(buffer)
    print(buffer.getvalue().decode(), end="")


def write_csv(
    predictions: Sequence[Prediction],
    file: IO[bytes],
    csv_safe: bool = False,
    kept: Mapping[str, Any] | None = None,
) -> None:
    """Write the predictions as UTF-8 CSV, after the `kept` columns of the table; with `csv_safe`,
    escape cells that a spreadsheet would compute."""
    from glassnet.tables.csv_safe import escape_formula

    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    header = [name for one in predictions for name in _header(one, len(predictions) > 1)]
    answers = zip(*(_rows(one) for one in predictions), strict=True)
    rows = itertools.chain([header], (list(itertools.chain(*row)) for row in answers))
    if kept:
        texts = [*kept], *([text or "" for text in row] for row in zip(*kept.values(), strict=True))
        rows = ([*text, *row] for text, row in zip(texts, rows, strict=True))
    writer.writerows(([escape_formula(cell) for cell in row] for row in rows) if csv_safe else rows)
    text.flush()
    text.detach()


def _header(prediction: Prediction, several: bool) -> list[str]:
    """Return the column names of a target's predictions; with several targets, all begin with the
    target's name."""
    target = prediction.target
    before = f"{target}_" if several else ""
    found = [target, *(f"{before}probability_{name}" for name in prediction.classes)]
    if prediction.ends is not None:
        found += [f"{target}_lower", f"{target}_upper"]
    return found


def _rows(prediction: Prediction) -> Iterator[list[Any]]:
    import numpy as np

    from glassnet.tables.target_scale import round_number

    if prediction.probabilities is None:
        numbers = prediction.values[:, None]
        if prediction.ends is not None:
            numbers = np.column_stack([numbers, prediction.ends])
        for row in numbers.tolist():
            yield [repr(round_number(value, prediction.decimals)) for value in row]
        return
    for name, row in zip(prediction.values, prediction.probabilities, strict=True):
        yield [name, *map(str, row)]


def _as_json(
    predictions: Sequence[Prediction], output: str | None, kept: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the predictions, or the path they were written to, and the `kept` columns."""
    summaries = [_summary(one, output) for one in predictions]
    found: dict[str, Any] = summaries[0] if len(summaries) == 1 else {"targets": summaries}
    if output is not None:
        return {**found, "output": output}
    if kept:
        found["kept"] = {name: column.tolist() for name, column in kept.items()}
    return found


def _summary(prediction: Prediction, output: str | None) -> dict[str, Any]:
    values = [value if isinstance(value, str) else float(value) for value in prediction.values]
    found: dict[str, Any] = {
        "target": prediction.target,
        "rows": len(values),
        "missing": prediction.missing,
        "unknown": prediction.unknown,
    }
    if output is not None:
        return found
    if prediction.probabilities is not None:
        found["classes"] = list(prediction.classes)
        found["probabilities"] = prediction.probabilities.tolist()
    if prediction.quantile is not None:
        found["quantile"] = prediction.quantile
    if prediction.ends is not None:
        found["lower"], found["upper"] = prediction.ends.T.tolist()
    return {**found, "predictions": values}

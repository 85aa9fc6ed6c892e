"""`glassnet evaluate`: how good a model is on a table that has the true answers.

In: a model file and a table. Out: the score, beside that of a constant prediction.
"""

from __future__ import annotations

from glassnet.cli import options
from glassnet.words import counted


@options.reads_table
def evaluate(
    model: options.ModelPath,
    table: options.TablePath,
    reading: options.ReadingOptions = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Score MODEL on TABLE, beside the score of a constant prediction."""
    from glassnet.cli.progress import Waiting
    from glassnet.cli.report import print_json, print_score, score_json, warn
    from glassnet.estimators.tabular.table_model import TableModel

    loaded = TableModel.load(model)
    with Waiting(f"reading {table}"):
        opened = reading.open(table)
        score, prediction = loaded.evaluate(opened)
    warn(loaded, prediction, opened)
    if json:
        extra = {"missing": prediction.missing, "unknown": prediction.unknown}
        print_json({"model": model, "table": table, "score": score_json(score), **extra})
    else:
        print_score(
            score, f"{counted(score.rows, 'row')} of {opened.label}", opened.rows - score.rows
        )

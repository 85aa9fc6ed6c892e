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
    from glassnet.cli.report import console, print_json, warn
    from glassnet.cli.score_report import print_score, score_json
    from glassnet.cli.table_report import notes_json, print_notes
    from glassnet.estimators.tabular.table_model import TableModel

    loaded = TableModel.load(model)
    with Waiting(f"reading {table}"):
        opened = reading.open(table)
        found = loaded.assess(opened)
    score, prediction, classes = found.score, found.prediction, found.prediction.classes
    warn(loaded, prediction, opened)
    if json:
        extra = {"missing": prediction.missing, "unknown": prediction.unknown}
        seen = {
            "seen_rows": found.seen,
            "seen_rows_exact": found.exact,
            "score_of_new_rows": None if found.new is None else score_json(found.new, classes),
            "remarks": notes_json(found.remarks()),
        }
        whole = score_json(score, classes)
        print_json({"model": model, "table": table, "score": whole, **seen, **extra})
        return
    rows = f"{counted(score.rows, 'row')} of {opened.label}"
    print_score(score, rows, opened.rows - score.rows, classes=classes)
    print_notes(found.remarks(), console())
    if found.new is not None:
        some = "" if found.exact else ", a part of those"
        rows = f"{counted(found.new.rows, 'row')}{some} that training had not seen"
        console().print()
        print_score(found.new, rows, 0, classes=classes, brief=True)

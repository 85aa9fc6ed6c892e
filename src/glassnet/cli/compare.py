"""`glassnet compare`: two run files, or two models on a table, beside each other.

In: two run files, or two model files and a table. Out: the settings in which runs differ, the first
step and weight that differ, and how each ended; of models every figure, and paired differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from glassnet.cli.options import Json, Trust

if TYPE_CHECKING:
    from glassnet.estimators.tabular.compare_models import ModelComparison

First = Annotated[
    str, typer.Argument(metavar="A", help="A run file, or a model file.", show_default=False)
]
Second = Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)]
Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="Of models the table that both are scored on. Of runs their table if it moved, or an "
        ".npz of x, y (and weight) if they lack it.",
        show_default=False,
    ),
]


def compare(
    a: First, b: Second, data: Data = None, trust: Trust = False, json: Json = False
) -> None:
    """Compare two runs: settings, the first step and weight that differ, final losses; or two
    models on a table: scores, and their differences with standard errors.

    Runs are both trained once more up to the first difference."""
    from pathlib import Path

    from glassnet.cli.report import print_json
    from glassnet.cli.resume import run_arrays
    from glassnet.inspect.compare import compare as compared
    from glassnet.inspect.render.values import plain
    from glassnet.runs.disk import is_run

    if not is_run(Path(a)) and not is_run(Path(b)):
        _compare_models(a, b, data, json)
        return
    for path in (a, b):
        if not is_run(Path(path)):
            raise _neither(path)
    found = compared(a, b, run_arrays(a, data, trust), run_arrays(b, data, trust))
    if json:
        print_json(plain(found.as_json()))
    else:
        print(found)


def _neither(path: str) -> Exception:
    from glassnet.errors import ModelFileError

    return ModelFileError(
        f"{path} is not a run file; name two that training has recorded, or two model files and a "
        "table"
    )


def _compare_models(a: str, b: str, table: str | None, json: bool) -> None:
    from glassnet.cli.progress import Waiting
    from glassnet.cli.report import print_json
    from glassnet.errors import ModelFileError
    from glassnet.estimators.tabular.compare_models import compare_models
    from glassnet.estimators.tabular.table_model import FORMAT, TableModel
    from glassnet.files import open_plain
    from glassnet.tables.read import read_table

    for path in (a, b):
        with open_plain(path) as file:
            if FORMAT.encode() not in file.read(1 << 20):
                raise _neither(path)
    first, second = TableModel.load(a), TableModel.load(b)
    if table is None:
        raise ModelFileError(
            f"{a} and {b} are models; name the table to compare them on: glassnet compare A B TABLE"
        )
    with Waiting(f"reading {table}"):
        found = compare_models(first, second, read_table(table))
    if json:
        print_json({"a": a, "b": b, "table": table, **found.as_json()})
    else:
        _print(a, b, table, found)


def _print(a: str, b: str, table: str, found: ModelComparison) -> None:
    """The figures of both under one another, and which is better."""
    from glassnet.cli.report import console, safe
    from glassnet.cli.score_report import written
    from glassnet.estimators.tabular.metrics import METRICS
    from glassnet.words import counted

    show = console().print
    show(f"{counted(found.rows, 'row')} of {safe(table)}, target {safe(found.target)}")
    show(f"A  {safe(a)}\nB  {safe(b)}\n", soft_wrap=True)
    show(f"[dim]{'':<18} {'A':>12} {'B':>12} {'A − B':>12}   better[/]")
    for difference in found.differences:
        metric = METRICS[difference.metric]
        numbers = written(
            metric, difference.difference, difference.error, difference.first, difference.second
        )
        mark = ("", "A", "B")[difference.better]
        show(
            f"{metric.title:<18} {numbers[2]:>12} {numbers[3]:>12} {numbers[0]:>12} ± "
            f"{numbers[1]:<10} {mark}".rstrip()
        )
    show(f"\n{found.verdict}")
    for name, seen in zip("AB", found.seen, strict=True):
        if seen:
            show(
                f"{seen:,} of {counted(found.rows, 'row')} were in the training of {name}; take "
                "other rows"
            )

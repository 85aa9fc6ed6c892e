"""`glassnet compare`: compare two runs, two models on a table, or a model with other libraries.

In: two run files, or two model files and a table, or a table and names of other libraries
("peers"). Out: for runs the settings that differ, the first step and weight that differ, and how
each ended; for models all metrics with paired differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.options import Json, ScoreWeight, Threads, Trust

if TYPE_CHECKING:
    from glassnet.estimators.tabular.compare_models import ModelComparison
    from glassnet.estimators.tabular.peers import Peer
    from glassnet.estimators.tabular.table_model import TableModel

    Compared = Callable[[Peer], ModelComparison]

First = Annotated[
    str,
    typer.Argument(
        metavar="A",
        help="A run file, or a model file; with --with also a table.",
        show_default=False,
    ),
]
Second = Annotated[
    str | None,
    typer.Argument(
        metavar="B",
        help="The other run or model; with --with the table to score on.",
        show_default=False,
    ),
]
Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="For models: the table to score both on. For runs: their table if it moved, or an "
        ".npz of x, y (and weight) if they do not hold their data.",
        show_default=False,
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="PEER",
        help="Compare with lightgbm or catboost, if installed, or with boosting or forest "
        "(scikit-learn), with default settings. Repeatable.",
    ),
]
Train = Annotated[
    str | None,
    typer.Option(metavar="TABLE", help="The training table of model A, to train PEER on it too."),
]
PeerTarget = Annotated[
    str | None,
    typer.Option(
        "--target",
        "-t",
        metavar="COLUMN",
        help="For a table A: the column to predict. For models of several targets: the one to "
        "compare, by default all that both have.",
    ),
]


def compare(
    a: First,
    b: Second = None,
    data: Data = None,
    peers: With = None,
    train: Train = None,
    target: PeerTarget = None,
    weight: ScoreWeight = None,
    threads: Threads = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Compare two runs: settings, the first step and weight that differ, final losses; or two
    models on a table: scores, and their differences with standard errors. Or a model with other
    libraries: MODEL TABLE --with PEER --train TABLE, or TABLE -t COLUMN --with PEER, which trains
    both on the same folds.

    Both runs are repeated up to the first difference."""
    from pathlib import Path

    from glassnet.runs.disk import is_run

    if weight is not None and (peers or is_run(Path(a))):
        raise typer.BadParameter("--weight goes with two models and a table; leave it out")
    if peers:
        _compare_peers(a, b, peers, train, target, threads, json)
        return
    runs = b is not None and (is_run(Path(a)) or is_run(Path(b)))
    if b is None or train is not None or (runs and target is not None):
        raise typer.BadParameter(
            "name two run files, or two models and a table; --train goes with --with, --target "
            "with that or with models"
        )
    if runs:
        _compare_runs(a, b, data, trust, json)
    else:
        _compare_models(a, b, data, target, weight, json)


def _compare_runs(a: str, b: str, data: str | None, trust: bool, json: bool) -> None:
    from pathlib import Path

    from glassnet.cli.output import print_json
    from glassnet.cli.resume import run_arrays
    from glassnet.inspect.render.json_values import plain
    from glassnet.inspect.run_comparison import compare as compared
    from glassnet.runs.disk import is_run

    for path in (a, b):
        if not is_run(Path(path)):
            raise _unsupported_error(path)
    found = compared(a, b, run_arrays(a, data, trust), run_arrays(b, data, trust))
    if json:
        print_json(plain(found.as_json()))
    else:
        print(found)


def _compare_peers(
    a: str,
    table: str | None,
    names: list[str],
    train: str | None,
    target: str | None,
    threads: int | None,
    json: bool,
) -> None:
    from glassnet.cli.output import print_json
    from glassnet.cli.terminal_progress import Waiting
    from glassnet.estimators.tabular.peers import peer_of

    peers = [peer_of(name) for name in names]
    compared = _with_model if _is_model(a) else _with_fit
    found = compared(a, table, train, target, threads)
    results: dict[str, Any] = {}
    for name, peer in zip(names, peers, strict=True):
        with Waiting(f"training {peer.title}"):
            result = found(peer)
        results[name] = result.as_json()
        if not json:
            _print(a, peer.title, table or a, result)
    if json:
        print_json({"a": a, "table": table or a, "peers": results})


def _with_model(
    path: str, table: str | None, train: str | None, target: str | None, threads: int | None
) -> Compared:
    """Return a comparison of a model file with a peer that is trained on its training table."""
    from glassnet.estimators.tabular.compare_models import compare_with_peer
    from glassnet.estimators.tabular.target_models import load_model
    from glassnet.tables.read_table import read_table

    if table is None or train is None:
        raise typer.BadParameter(
            f"{path} is a model: name the table to score on and the one that it was trained on: "
            f"glassnet compare {path} TEST --train TABLE --with forest"
        )
    model, learnt, scored = load_model(path, target), read_table(train), read_table(table)
    return lambda peer: compare_with_peer(model, peer, learnt, scored, threads)


def _with_fit(
    path: str, table: str | None, train: str | None, target: str | None, threads: int | None
) -> Compared:
    """Return a comparison of the default fit with a peer, both trained on the same folds."""
    from glassnet.cli.terminal_progress import TerminalProgress
    from glassnet.estimators.tabular.compare_models import compare_on_table
    from glassnet.estimators.tabular.examine import examine
    from glassnet.estimators.tabular.fit_table import choose_recipe, fit
    from glassnet.tables.read_table import read_table

    if target is None or table is not None or train is not None:
        raise typer.BadParameter(
            f"{path} is not a model file: name the column to predict, and nothing else: "
            f"glassnet compare {path} -t COLUMN --with forest"
        )
    examined = examine(read_table(path), target)
    recipe = choose_recipe(examined)
    with TerminalProgress(recipe.epochs) as progress:
        fitted = fit(examined, recipe, threads=threads, callbacks=[progress], stage=progress.stage)
    if fitted.course.stopped == "interrupted":  # do not compare a half-trained model
        raise KeyboardInterrupt
    return lambda peer: compare_on_table(examined, fitted, peer, threads)


def _is_model(path: str) -> bool:
    from glassnet.estimators.tabular.table_format import FORMAT
    from glassnet.files import open_plain

    with open_plain(path) as file:
        return FORMAT.encode() in file.read(1 << 20)


def _unsupported_error(path: str) -> Exception:
    from glassnet.errors import ModelFileError

    return ModelFileError(
        f"{path} is not a run file; name two that training has recorded, or two model files and a "
        "table"
    )


def _compare_models(
    a: str, b: str, table: str | None, target: str | None, weight: str | None, json: bool
) -> None:
    from glassnet.cli.output import console, print_json
    from glassnet.cli.terminal_progress import Waiting
    from glassnet.errors import ModelFileError
    from glassnet.estimators.tabular.compare_models import compare_models
    from glassnet.tables.read_table import read_table

    for path in (a, b):
        if not _is_model(path):
            raise _unsupported_error(path)
    pairs = _pairs(a, b, target)
    if table is None:
        raise ModelFileError(
            f"{a} and {b} are models; name the table to compare them on: glassnet compare A B TABLE"
        )
    with Waiting(f"reading {table}"):
        opened = read_table(table)
        found = [compare_models(first, second, opened, weight) for first, second in pairs]
    if json:
        results = [one.as_json() for one in found]
        print_json({"a": a, "b": b, "table": table, **(
            results[0] if len(results) == 1 else {"targets": results}
        )})  # fmt: skip
        return
    for place, one in enumerate(found):
        if place:
            console().print()
        _print(a, b, table, one)


def _pairs(a: str, b: str, target: str | None) -> list[tuple[TableModel, TableModel]]:
    """Return the pairs of models to compare: of one target, or of all targets that both have."""
    from glassnet.errors import ModelFileError
    from glassnet.estimators.tabular.target_models import TargetModels

    first, second = TargetModels.load(a), TargetModels.load(b)
    if target is not None or len(first.models) == len(second.models) == 1:
        return [(first.of(target, a), second.of(target, b))]
    both = [name for name in first.targets if name in second.targets]
    if not both:
        raise ModelFileError(
            f"{a} predicts {', '.join(first.targets)}, and {b} {', '.join(second.targets)}; name "
            "two models of the same target"
        )
    return [(first.of(name, a), second.of(name, b)) for name in both]


def _print(a: str, b: str, table: str, found: ModelComparison) -> None:
    """Print the metrics of both models, and which is better."""
    from glassnet.cli.output import console, safe
    from glassnet.cli.score_report import metric_lines
    from glassnet.estimators.tabular.table_metrics import metric_named
    from glassnet.words import plural

    show = console().print
    by = "" if found.weight is None else f", weighted by {safe(repr(found.weight))}"
    show(f"{plural(found.rows, 'row')} of {safe(table)}, target {safe(found.target)}{by}")
    show(f"A  {safe(a)}\nB  {safe(b)}\n", soft_wrap=True)
    show(f"[dim]{'':<18} {'A':>12} {'B':>12} {'A − B':>12}   better[/]")
    for difference in found.differences:
        metric = metric_named(difference.metric)
        numbers = metric_lines(
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
                f"{seen:,} of {plural(found.rows, 'row')} were in the training of {name}; take "
                "other rows"
            )

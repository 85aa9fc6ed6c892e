"""What do whole calls of `fit` cost, a search over widths, and the prediction of one row, beside
scikit-learn's MLP?

In: names of tables, `--turns N`. Out: seconds of ours and of scikit-learn's estimator, in turns,
every fit and every search in a process of its own; `build/benchmarks/estimators.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from .machine import LIMITS, PINNED, describe, pin
from .report import Result, table, versions
from .tables import LOAD, there

OURS, PEER = "glassnet", "scikit-learn"
MODULES = {OURS: "glassnet.estimators.mlp", PEER: "sklearn.neural_network"}
# neurons of the hidden layer, epochs: for the small tables as the estimators' defaults are
FITS = {
    "digits": (100, 200),
    "breast cancer": (100, 200),
    "diabetes": (100, 200),
    "Adult": (100, 20),
    "MNIST": (128, 10),
}
CORES = (1, 2)
SEARCHED = "breast cancer"
WIDTHS = 48
FOLDS = 5
SEARCH_EPOCHS = 50
CALLS = 300  # predictions in a turn


def estimator(contender: str, name: str, epochs: int, **settings: Any) -> Any:
    """One that takes just so many epochs."""
    kind = "MLPRegressor" if name == "diabetes" else "MLPClassifier"
    make = getattr(import_module(MODULES[contender]), kind)
    return make(max_iter=epochs, tol=0.0, n_iter_no_change=epochs, random_state=0, **settings)


def timed_fit(contender: str, name: str, epochs: int) -> dict[str, float]:
    """The first and the second call of `fit` in this process."""
    rows = LOAD[name]()
    start = time.perf_counter()
    import_module(MODULES[contender])
    load = time.perf_counter() - start
    width, known = FITS[name]
    model = estimator(contender, name, epochs or known, hidden_layer_sizes=(width,))
    seconds: list[float] = []
    for _ in range(2):
        start = time.perf_counter()
        model.fit(rows.x, rows.y)
        seconds.append(time.perf_counter() - start)
    assert model.n_iter_ == (epochs or known)
    score = model.score(rows.x_test, rows.y_test)
    return {"load": load, "first": seconds[0], "again": seconds[1], "score": score}


def timed_search(contender: str, epochs: int, widths: int, jobs: int) -> dict[str, float]:
    """A grid search over the number of hidden neurons, and a second one over other numbers, whose
    processes have all modules loaded and all code compiled."""
    from sklearn.model_selection import GridSearchCV

    for name in LIMITS:  # joblib sets them for its processes
        os.environ.pop(name, None)
    rows = LOAD[SEARCHED]()
    model = estimator(contender, SEARCHED, epochs or SEARCH_EPOCHS)
    seconds: list[float] = []
    scores: list[float] = []
    for least in (8, 9):
        grid = {"hidden_layer_sizes": [(w,) for w in range(least, least + 2 * widths, 2)]}
        start = time.perf_counter()
        search = GridSearchCV(model, grid, cv=FOLDS, n_jobs=jobs).fit(rows.x, rows.y)
        seconds.append(time.perf_counter() - start)
        scores.append(float(search.best_score_))
    return {"first": seconds[0], "again": seconds[1], "score": scores[0]}


def timed_row(contender: str, epochs: int) -> dict[str, float]:
    """Seconds of one prediction of one row: the least of several turns."""
    rows = LOAD["digits"]()
    model = estimator(contender, "digits", epochs or 20).fit(rows.x, rows.y)
    one = rows.x_test[:1]
    found: dict[str, float] = {}
    for method in ("predict", "predict_proba"):
        ask = getattr(model, method)
        turns: list[float] = []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(CALLS):
                ask(one)
            turns.append((time.perf_counter() - start) / CALLS)
        found[method] = min(turns)
    return found


def start(cores: int, cache: str, *arguments: object) -> dict[str, float]:
    """Measure once in a process of its own, on some cores, with a folder for machine code."""
    module = __spec__.name if __spec__ is not None else __name__
    kept = {n: v for n, v in os.environ.items() if n not in (PINNED, "PYTHONDONTWRITEBYTECODE")}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, "--cores", str(cores), "--child",
         *map(str, arguments)],
        env=kept | {"GLASSNET_CACHE_DIR": cache}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(result.stdout.splitlines()[-1])


def fits(name: str, turns: int, epochs: int) -> list[dict[str, Any]]:
    """On one core and on two: with an empty cache (one core only), and with a warm one."""
    found: list[dict[str, Any]] = []
    for cores in [c for c in CORES if c <= len(os.sched_getaffinity(0))]:
        times: dict[str, list[dict[str, float]]] = {"peer": [], "cold": [], "warm": []}
        for _ in range(turns):
            with tempfile.TemporaryDirectory() as folder:
                times["peer"].append(start(cores, folder, "fit", PEER, name, epochs))
                times["cold"].append(start(cores, folder, "fit", OURS, name, epochs))
                times["warm"].append(start(cores, folder, "fit", OURS, name, epochs))
        found.append({"kind": "fit", "data": name, "cores": cores, **merged(times)})
    return found


def searches(turns: int, epochs: int, widths: int) -> list[dict[str, Any]]:
    """With an empty cache; one process, and two on two cores."""
    found: list[dict[str, Any]] = []
    for jobs in [c for c in CORES if c <= len(os.sched_getaffinity(0))]:
        times: dict[str, list[dict[str, float]]] = {"peer": [], "cold": []}
        for _ in range(turns):
            with tempfile.TemporaryDirectory() as folder:
                times["peer"].append(start(jobs, folder, "search", PEER, epochs, widths, jobs))
                times["cold"].append(start(jobs, folder, "search", OURS, epochs, widths, jobs))
        found.append({"kind": "search", "widths": widths, "jobs": jobs, **merged(times)})
    return found


def predictions(turns: int, epochs: int) -> list[dict[str, Any]]:
    times: dict[str, list[dict[str, float]]] = {PEER: [], OURS: []}
    for _ in range(turns):
        for contender, own in times.items():
            with tempfile.TemporaryDirectory() as folder:
                own.append(start(1, folder, "row", contender, epochs))
    return [
        {"kind": "row", "method": m, **{c: [t[m] * 1e6 for t in own] for c, own in times.items()}}
        for m in ("predict", "predict_proba")
    ]


def merged(times: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """A list for every contender and every figure."""
    return {
        f"{contender} {key}": [turn[key] for turn in turns]
        for contender, turns in times.items()
        for key in turns[0]
    }


def child(arguments: Sequence[str]) -> None:
    """Measure once, in this process."""
    what, contender, *rest = arguments
    if what == "fit":
        found = timed_fit(contender, rest[0], int(rest[1]))
    elif what == "search":
        found = timed_search(contender, *map(int, rest))
    else:
        found = timed_row(contender, int(rest[0]))
    print(json.dumps(found))


def seconds(values: Sequence[float]) -> str:
    """Milliseconds: the least, in brackets the median."""
    return f"{min(values) * 1e3:,.0f} ({statistics.median(values) * 1e3:,.0f})"


def ratio(row: Mapping[str, Any], key: str) -> str:
    """How many times faster than the peer's first fit, from the least of both."""
    peer = "peer again" if key.endswith("again") else "peer first"
    return f"{min(row[peer]) / min(row[key]):.1f}"


def fit_table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["table, cores", PEER, "cold", "×", "cached", "×", "again", "×", "score", "theirs"]
    lines: list[list[str]] = []
    for row in rows:
        line = [f"{row['data']}, {row['cores']}", seconds(row["peer first"])]
        for key in ("cold first", "warm first", "warm again"):
            line += [seconds(row[key]), ratio(row, key)]
        scores = [f"{row[key][0]:.4f}" for key in ("warm score", "peer score")]
        lines.append(line + scores)
    return table(head, lines)


def search_table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["widths, processes", PEER, "cold", "×", f"{PEER} again", "again", "×", "best score",
            "theirs"]  # fmt: skip
    lines = [
        [
            f"{row['widths']}, {row['jobs']}",
            seconds(row["peer first"]),
            seconds(row["cold first"]),
            ratio(row, "cold first"),
            seconds(row["peer again"]),
            seconds(row["cold again"]),
            ratio(row, "cold again"),
            f"{row['cold score'][0]:.4f}",
            f"{row['peer score'][0]:.4f}",
        ]
        for row in rows
    ]
    return table(head, lines)


def row_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [
            f"`{row['method']}`",
            *(f"{min(row[c]):.1f}" for c in (PEER, OURS)),
            f"{min(row[PEER]) / min(row[OURS]):.1f}",
        ]
        for row in rows
    ]
    return table(["one row, µs", PEER, OURS, "×"], lines)


SHOW = {"fit": fit_table, "search": search_table, "row": row_table}


def page(result: Result) -> str:
    """A table for fits, one for searches, one for predictions."""
    parts: list[str] = []
    for kind, show in SHOW.items():
        rows = [row for row in result.rows if row["kind"] == kind]
        parts += [show(rows)] if rows else []
    return "\n\n".join([*parts, versions(result)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="*", default=[*FITS, "search", "row"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=0, help="instead of each table's own number")
    parser.add_argument("--widths", type=int, default=WIDTHS)
    parser.add_argument("--cores", type=int, default=max(CORES))
    parser.add_argument("--child", nargs="+")
    options = parser.parse_args()
    pin(options.cores)
    if options.child:
        child(options.child)
        return
    result = Result("estimators", describe(options.cores))
    for name in [n for n in FITS if n in options.what and there(n)]:
        result.rows += fits(name, options.turns, options.epochs)
    if "search" in options.what:
        result.rows += searches(max(1, options.turns // 2), options.epochs, options.widths)
    if "row" in options.what:
        result.rows += predictions(max(1, options.turns // 2), options.epochs)
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()

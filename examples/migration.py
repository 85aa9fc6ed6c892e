"""Shows what changing one import line does to a program that uses scikit-learn's MLP.

    python examples/migration.py [TABLE.csv TARGET]

Fits the estimators of both libraries on the same rows with the same settings, in turns, and prints
scores, losses, times and how far they agree side by side; then what only glassnet has: the fit on
record, and a step of it opened. Without a table it takes scikit-learn's breast cancer data. A
target of text or of few whole numbers is classified. Columns of text become one column a value,
gaps in numbers the mean of their column; what is left out is said.
"""

from __future__ import annotations

import csv
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import glassnet

ROUNDS = 5
SECONDS = 120.0  # after which no further round begins
FEW_CLASSES = 20  # of whole numbers; with more they are numbers to predict
FEW_VALUES = 50  # of a column of text; with more it is left out
EMPTY = ("", "?", "na", "n/a", "nan", "null", "none")


def read(path: str, target: str) -> tuple[Any, Any]:
    """The columns of a CSV file as numbers, and the target."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            dialect = csv.Sniffer().sniff(file.read(65536), ",;\t|")
            file.seek(0)
            names, *rows = [row for row in csv.reader(file, dialect) if row]
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"{path} cannot be read as a CSV file: {error}")
    if target not in names:
        sys.exit(f"{path} has no column {target!r}; it has {', '.join(names)}")
    place = names.index(target)
    kept = [row for row in rows if len(row) == len(names) and not empty(row[place])]
    if len(kept) < len(rows):
        print(f"left out: {len(rows) - len(kept)} rows without a target or with other columns")
    cells = dict(zip(names, zip(*kept, strict=True), strict=True))
    y = numbers(cells.pop(target))
    goal = np.array([row[place] for row in kept]) if y is None else y
    columns: list[Any] = []
    for name, column in cells.items():
        columns += encoded(name, column)
    if not columns:
        sys.exit(f"{path} has no column to predict {target!r} from")
    return np.stack(columns, 1), goal


def empty(cell: str) -> bool:
    return cell.strip().lower() in EMPTY


def numbers(column: Any) -> Any:
    """A column of cells as numbers, NaN where there is none; None where some are text."""
    try:
        return np.array([np.nan if empty(cell) else float(cell) for cell in column])
    except ValueError:
        return None


def encoded(name: str, column: Any) -> list[Any]:
    """The columns of the network's input that a column of the table becomes."""
    found = numbers(column)
    if found is None:
        values = sorted(set(column))
        if len(values) <= FEW_VALUES:
            return [np.array([cell == value for cell in column], float) for value in values]
        print(f"left out: column {name!r}, text of {len(values)} different values")
        return []
    if not np.isfinite(found).any():
        print(f"left out: column {name!r}, without a number")
        return []
    return [np.where(np.isfinite(found), found, found[np.isfinite(found)].mean())]


def main(arguments: list[str]) -> None:
    if len(arguments) not in (0, 2):
        sys.exit("usage: migration.py [TABLE.csv TARGET]")
    x, y = read(*arguments) if arguments else load_breast_cancer(return_X_y=True)
    whole = y.dtype.kind == "U" or bool((y == np.round(y)).all())
    classes = whole and (y.dtype.kind == "U" or len(np.unique(y)) <= FEW_CLASSES)
    name = "MLPClassifier" if classes else "MLPRegressor"
    train, test, y_train, y_test = train_test_split(x, y, random_state=0)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    if not classes:
        mean, deviation = y_train.mean(), y_train.std()
        y_train, y_test = (y_train - mean) / deviation, (y_test - mean) / deviation
    warnings.simplefilter("ignore", ConvergenceWarning)
    fitted, seconds = raced(name, train, y_train)
    print(f"{name}, {len(train)} rows, {train.shape[1]} columns")
    heads = ("test score", "last loss", "epochs", "first fit", "median", "one row")
    print(f"{'':14}" + "".join(f"{head:>13}" for head in heads))
    for library, est in fitted.items():
        first, median = seconds[library][0], statistics.median(seconds[library])
        print(
            f"{library:14}{est.score(test, y_test):13.6f}{est.loss_:13.8f}{est.n_iter_:13d}"
            f"{first:11.3f} s{median:11.3f} s{one_row(est, test):10.1f} µs"
        )
    ratios = [a / b for a, b in zip(seconds["scikit-learn"], seconds["glassnet"], strict=True)]
    print(f"times as fast: {ratios[0]:.1f} (first fit), {statistics.median(ratios):.1f} (median)")
    compared(name, *fitted.values(), test)
    on_record(name, fitted["glassnet"], train, y_train)


def raced(name: str, train: Any, y: Any) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """The fitted estimators of both libraries, which take turns, and the seconds of every fit."""
    libraries = {"scikit-learn": sklearn.neural_network, "glassnet": glassnet}
    seconds: dict[str, list[float]] = {library: [] for library in libraries}
    fitted: dict[str, Any] = {}
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for library, module in libraries.items():
            start = time.perf_counter()
            fitted[library] = getattr(module, name)(random_state=0).fit(train, y)
            seconds[library].append(time.perf_counter() - start)
        if time.perf_counter() - began > SECONDS:
            break
    return fitted, seconds


def one_row(est: Any, test: Any) -> float:
    """Microseconds for the prediction of a row, the median of many."""
    found: list[float] = []
    for i in range(300):
        row = test[i % len(test)][None]
        start = time.perf_counter()
        est.predict(row)
        found.append(time.perf_counter() - start)
    return 1e6 * statistics.median(found)


def compared(name: str, theirs: Any, ours: Any, test: Any) -> None:
    """How far weights and predictions agree."""
    pairs = zip(ours.coefs_, theirs.coefs_, strict=True)
    gap = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(f"largest difference of a weight: {gap:.2e}")
    a, b = ours.predict(test), theirs.predict(test)
    if name == "MLPClassifier":
        print(f"test rows with the same answer: {int((a == b).sum())} of {len(a)}")
    else:
        print(f"largest difference of a prediction: {float(np.abs(a - b).max()):.2e} deviations")


def on_record(name: str, plain: Any, train: Any, y: Any) -> None:
    """The same fit once more, with a run file of it: what that costs, and a step opened."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.glass"
        start = time.perf_counter()
        est = getattr(glassnet, name)(random_state=0, record=path).fit(train, y)
        seconds = time.perf_counter() - start
        same = all(map(np.array_equal, est.coefs_, plain.coefs_))
        size = path.stat().st_size / 1024
        print(
            f"\non record (glassnet only): {seconds:.3f} s, {size:.0f} KiB, "
            f"{'the same bits' if same else 'OTHER BITS'}"
        )
        step = glassnet.open_step(path, train, epoch=est.n_iter_)
        gradients = np.abs(step.layers[-1].slope).sum(1)
        row = int(step.rows[gradients.argmax()])
        print(f"step {step.step}, opened: loss {step.L:.8f}; row {row} has the largest gradient")


if __name__ == "__main__":
    main(sys.argv[1:])

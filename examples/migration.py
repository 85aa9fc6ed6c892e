"""Shows what changing one import line does to a program that uses scikit-learn's MLP.

    python examples/migration.py [TABLE.csv TARGET]

Fits the estimators of both libraries on the same rows with the same settings, in turns, and prints
scores, losses and times side by side. Without a table it takes scikit-learn's breast cancer data.
A target of text or of few whole numbers is classified; columns of text become one column a value.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import glassnet

ROUNDS = 5
FEW_CLASSES = 20


def read(path: str, target: str) -> tuple[Any, Any]:
    """The columns of a CSV file as numbers, and the target."""
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    if target not in table.dtype.names:
        sys.exit(f"{path} has no column {target!r}; it has {', '.join(table.dtype.names)}")
    columns: list[Any] = []
    for name in table.dtype.names:
        column = table[name]
        if name != target and column.dtype.kind in "fiub":
            columns.append(np.nan_to_num(column.astype(float)))
        elif name != target:
            columns += [(column == value).astype(float) for value in np.unique(column)[:50]]
    return np.stack(columns, 1), table[target]


def main(arguments: list[str]) -> None:
    x, y = read(*arguments) if len(arguments) == 2 else load_breast_cancer(return_X_y=True)
    classes = y.dtype.kind not in "f" and len(np.unique(y)) <= FEW_CLASSES
    name = "MLPClassifier" if classes or y.dtype.kind == "U" else "MLPRegressor"
    train, test, y_train, y_test = train_test_split(x, y, random_state=0)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    if name == "MLPRegressor":
        mean, deviation = y_train.mean(), y_train.std()
        y_train, y_test = (y_train - mean) / deviation, (y_test - mean) / deviation
    libraries = {"scikit-learn": sklearn.neural_network, "glassnet": glassnet}
    seconds: dict[str, list[float]] = {library: [] for library in libraries}
    fitted: dict[str, Any] = {}
    warnings.simplefilter("ignore", ConvergenceWarning)
    for _ in range(ROUNDS):
        for library, module in libraries.items():
            start = time.perf_counter()
            fitted[library] = getattr(module, name)(random_state=0).fit(train, y_train)
            seconds[library].append(time.perf_counter() - start)
    print(f"{name}, {len(train)} rows, {train.shape[1]} columns")
    print(f"{'':14}{'test score':>12}{'last loss':>12}{'epochs':>8}{'first fit':>12}{'median':>10}")
    for library, est in fitted.items():
        first, median = seconds[library][0], statistics.median(seconds[library])
        print(
            f"{library:14}{est.score(test, y_test):12.6f}{est.loss_:12.8f}{est.n_iter_:8d}"
            f"{first:10.3f} s{median:8.3f} s"
        )
    same = fitted["glassnet"].predict(test) == fitted["scikit-learn"].predict(test)
    gap = max(
        float(np.abs(ours - theirs).max())
        for ours, theirs in zip(*(est.coefs_ for est in fitted.values()), strict=True)
    )
    print(f"largest difference of a weight: {gap:.2e}")
    if name == "MLPClassifier":
        print(f"test rows with the same answer: {int(same.sum())} of {len(same)}")


if __name__ == "__main__":
    main(sys.argv[1:])

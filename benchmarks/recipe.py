"""The default recipe on real tables: errors beside those of LightGBM's defaults.

    python -m benchmarks.recipe [TABLE ...] [--seeds 3] [--time 60]

In: names of tables in the folder that `benchmarks.tables` names, all by default. Out: a line for
each fit as it ends, then for each table the mean over the seeds, and geometric means over tables of
the ratios to LightGBM 4.7: of its error (or RMSE), and of its log-loss (or RMSE).

A fifth of the rows is kept apart (`train_test_split(random_state=0)`, stratified for classes; of
Adult the published test file), the others are a table that is fitted as `glassnet fit` does, on
one thread, in so many seconds if a `--time` is given. The scores of LightGBM are of its defaults,
on the same parts.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.tables import folder


class Case(NamedTuple):
    """A table: its target, the columns that give the target away, and LightGBM's scores."""

    target: str
    error: float  # or RMSE
    log_loss: float | None = None  # of classes
    drop: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # columns that are numbers in the one part and not in the other


class Found(NamedTuple):
    """Scores on the rows kept apart, and what the fit said and took."""

    error: float
    loss: float
    reported: float
    cpu: float
    rows: int


CASES: dict[str, Case] = {
    "adult": Case("income", 0.1274, 0.276),
    "birds": Case("phase_of_flt", 0.3527, 1.842, (), ("birds_seen", "birds_struck")),
    "california_housing": Case("MedHouseVal", 0.4587),
    "cells": Case("class", 0.1832, 0.468, ("case",)),
    "concrete": Case("strength", 4.164),
    "cps1988": Case("wage", 409.2),
    "credit_data": Case("Status", 0.1919, 0.445),
    "deliveries": Case("time_to_delivery", 1.959),
    "diamonds": Case("price", 547.0),
    "flchain": Case("death", 0.1822, 0.428, ("futime", "chapter")),
    "german_credit": Case("class", 0.2100, 0.505),
    "health_insurance": Case("insurance", 0.1936, 0.441),
    "hotel_rates": Case("avg_price_per_room", 13.74),
    "kershaw": Case("PitchType", 0.0059, 0.038),
    "lending_club": Case("Class", 0.0538, 0.204),
    "loans_full_schema": Case("interest_rate", 1.314, None, ("grade", "sub_grade")),
    "magic_telescope": Case("Class", 0.1059, 0.272),
    "mammography": Case("Class", 0.0085, 0.047),
    "nass_cds": Case("dead", 0.0456, 0.123, ("injSeverity", "caseid")),
    "ozone": Case("Class", 0.0493, 0.203),
    "penguins": Case("species", 0.0290, 0.310),
    "phoneme": Case("Class", 0.0999, 0.240),
    "spambase": Case("Class", 0.0402, 0.111),
    "stackoverflow": Case("Remote", 0.1072, 0.328),
    "stroke": Case("stroke", 0.0616, 0.203, ("pat_id",)),
    "tate_text": Case("year", 3.072),
    "thyroid": Case("ThryroidClass", 0.0132, 0.041),
    "titanic": Case("Survived", 0.1955, 0.559),
    "wilt": Case("Class", 0.0238, 0.098),
}


def divided(name: str, case: Case, home: Path) -> tuple[Path, Path]:
    """Files of the rows to fit and of those kept apart."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    paths = home / f"{name}_train.csv", home / f"{name}_test.csv"
    how: dict[str, Any] = {"dtype": str, "keep_default_na": False}
    if name == "adult":
        parts = [pd.read_csv(folder() / f"adult_{own}.csv.gz", **how) for own in ("train", "test")]
    else:
        table = pd.read_csv(folder() / f"{name}.csv.gz", **how).drop(columns=list(case.drop))
        table = table[table[case.target] != ""]
        classes = None if case.log_loss is None else table[case.target]
        parts = train_test_split(table, test_size=0.2, random_state=0, stratify=classes)
    for part, path in zip(parts, paths, strict=True):
        part.to_csv(path, index=False)
    return paths


def scored(case: Case, train: Path, test: Path, seed: int, seconds: float | None = None) -> Found:
    """One fit on one thread."""
    from glassnet.estimators.tabular.fit_table import fit_table
    from glassnet.tables.read_table import read_table

    begun = time.process_time()
    kinds = {case.target: "number" if case.log_loss is None else "category"}
    kinds |= dict.fromkeys(case.words, "category")
    table = read_table(str(train))
    fitted = fit_table(table, case.target, kinds=kinds, seed=seed, seconds=seconds, threads=1)
    cpu = time.process_time() - begun
    score, _ = fitted.model.evaluate(read_table(str(test)))
    if case.log_loss is None:
        return Found(score.value, score.value, fitted.score.value, cpu, table.rows)
    error, reported = 1.0 - score.value, 1.0 - fitted.score.value
    return Found(error, score.others["log_loss"], reported, cpu, table.rows)


def ratios(case: Case, found: Found) -> tuple[float, float]:
    """To LightGBM: of the error, where no mistake counts as half of one, and of the loss."""
    error = max(found.error, 0.5 / (found.rows / 4)) if case.log_loss else found.error
    return error / case.error, found.loss / (case.log_loss or case.error)


def mean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tables", nargs="*", help="all where none is named")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each table (3)")
    parser.add_argument("--time", type=float, help="seconds of each fit; else as without a limit")
    asked = parser.parse_args()
    names: list[str] = asked.tables or list(CASES)
    lines: list[str] = []
    all_ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as home:
        for name in names:
            case = CASES[name]
            paths = divided(name, case, Path(home))
            runs = [scored(case, *paths, seed, asked.time) for seed in range(asked.seeds)]
            own = [ratios(case, run) for run in runs]
            found = tuple(mean([pair[i] for pair in own]) for i in (0, 1))
            all_ratios.append((found[0], found[1]))
            lines.append(line(name, case, runs, found[0], found[1]))
            print(lines[-1], flush=True)
    errors, losses = zip(*all_ratios, strict=True)
    print(f"{len(names)} tables: error {mean(errors):.3f}, log-loss or RMSE {mean(losses):.3f}")
    print(f"worst: {max(zip(errors, names, strict=True))}")


def line(name: str, case: Case, runs: Sequence[Found], error: float, loss: float) -> str:
    """The means of a table's fits, as a row of a table in Markdown."""
    average = np.mean(np.array(runs, float), axis=0)
    cells = [
        name, f"{average[4]:.0f}", f"{average[0]:.4g}",
        "–" if case.log_loss is None else f"{average[1]:.4g}", f"{average[2]:.4g}",
        f"{error:.3f}", f"{loss:.3f}", f"{average[3]:.1f}", f"{average[3] / average[4] * 1e3:.2f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

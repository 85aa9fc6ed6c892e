"""Whether the score that a fit reports is that on rows never seen.

    python -m benchmarks.honest [TABLE ...] [--splits 5] [--rows 1000]
    python -m benchmarks.honest --random 100 [--time 10]

In: names of tables in the folder that `benchmarks.tables` names, by default twenty of many kinds.
Out: for each table, over several random parts of its rows that are fitted as `glassnet fit` does,
the mean of what the fit reported and of what the model then scores on up to 5,000 other rows; and
over all tables the mean of the differences with its standard error, of accuracies in points and of
RMSEs in per cent. Where the difference is above 0, the model is better than it said. With
`--random` instead the mean accuracy that fits report of so many tables of 100 rows whose labels
mean nothing: half of each class, and tossed like coins. With `--time` each fit has so many seconds,
as by `glassnet fit --time`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.recipe import CASES, Case
from benchmarks.tables import folder

MOST_OTHERS = 5000
CHOSEN = (
    "adult california_housing concrete cps1988 credit_data deliveries diamonds flchain "
    "health_insurance hotel_rates lending_club loans_full_schema magic_telescope nass_cds ozone "
    "phoneme spambase thyroid titanic wilt"
)


def parts(name: str, case: Case, rows: int, seed: int) -> tuple[Any, Any]:
    """Two tables: random rows to fit, and others."""
    import pandas as pd

    from glassnet.tables.frames import frame_columns
    from glassnet.tables.from_memory import table_of

    path = folder() / f"{name}{'_train' if name == 'adult' else ''}.csv.gz"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=list(case.drop))
    frame = frame[frame[case.target] != ""]
    order = np.random.default_rng(seed).permutation(len(frame))
    count = min(rows, len(frame) // 2)
    chosen = order[:count], order[count : count + MOST_OTHERS]
    found = [table_of(frame_columns(frame.iloc[own]), name) for own in chosen]
    return found[0], found[1]


def differences(
    name: str, case: Case, rows: int, splits: int, seconds: float | None
) -> list[tuple[float, float]]:
    """Reported and measured, for each split."""
    from glassnet.estimators.tabular.fit_table import fit_table

    kinds = {case.target: "number" if case.log_loss is None else "category"}
    kinds |= dict.fromkeys(case.words, "category")
    found: list[tuple[float, float]] = []
    for seed in range(splits):
        table, others = parts(name, case, rows, seed)
        fitted = fit_table(table, case.target, kinds=kinds, seed=seed, seconds=seconds, threads=1)
        found.append((fitted.score.value, fitted.model.evaluate(others)[0].value))
    return found


def line(name: str, case: Case, pairs: Sequence[tuple[float, float]]) -> tuple[str, float]:
    """A row of a table in Markdown, and the mean difference."""
    reported, measured = np.array(pairs).T
    if case.log_loss is None:
        parted = 100 * (reported / measured - 1)
        unit = "%"
    else:
        parted, unit = 100 * (measured - reported), "points"
    error = parted.std(ddof=1) / math.sqrt(len(parted))
    told = f"{reported.mean():.4g} | {measured.mean():.4g} | {parted.mean():+.2f} ± {error:.2f}"
    return f"| {name} | {told} {unit} |", float(parted.mean())


def summary(what: str, means: Sequence[float]) -> str:
    """The mean over tables, with its standard error."""
    error = np.std(means, ddof=1) / math.sqrt(len(means)) if len(means) > 1 else math.nan
    return f"{what} of {len(means)} tables: {np.mean(means):+.2f} ± {error:.2f}"


def reported(seed: int, *, coins: bool, seconds: float | None) -> float:
    """The accuracy that is reported of 100 rows of four random numbers and a label without any
    meaning."""
    import pandas as pd

    from glassnet.estimators.tabular.fit_table import fit_table
    from glassnet.tables.frames import frame_columns
    from glassnet.tables.from_memory import table_of

    draw = np.random.default_rng(seed)
    columns = {f"x{i}": draw.normal(size=100) for i in range(4)}
    labels = draw.integers(0, 2, 100) if coins else draw.permutation(100) % 2
    table = table_of(frame_columns(pd.DataFrame({**columns, "y": labels})), "random labels")
    fitted = fit_table(table, "y", kinds={"y": "category"}, seed=seed, seconds=seconds, threads=1)
    return fitted.score.value


def of_random_labels(count: int, seconds: float | None) -> None:
    for what, coins in (("half of each class", False), ("coins", True)):
        found = np.array([reported(seed, coins=coins, seconds=seconds) for seed in range(count)])
        error = found.std(ddof=1) / math.sqrt(count)
        print(f"{what}: {found.mean():.3f} ± {error:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tables", nargs="*", help="twenty where none is named")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1000, help="of each part that is fitted")
    parser.add_argument("--random", type=int, default=0, help="tables of random labels instead")
    parser.add_argument("--time", type=float, help="seconds of each fit; else as without a limit")
    asked = parser.parse_args()
    if asked.random:
        of_random_labels(asked.random, asked.time)
        return
    means: dict[str, list[float]] = {"accuracy (points)": [], "RMSE (%)": []}
    for name in asked.tables or CHOSEN.split():
        case = CASES[name]
        own, mean = line(name, case, differences(name, case, asked.rows, asked.splits, asked.time))
        means["RMSE (%)" if case.log_loss is None else "accuracy (points)"].append(mean)
        print(own, flush=True)
    for what, found in means.items():
        if found:
            print(summary(what, found))


if __name__ == "__main__":
    main()

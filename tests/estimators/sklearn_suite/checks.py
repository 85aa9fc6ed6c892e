"""scikit-learn's checks of estimators on ours, in a process of their own.

In: as arguments, which estimators, and in how many threads at once each check runs;
SCIPY_ARRAY_API=1 in the environment switches on the checks with other arrays. Out: on standard
output, as JSON, for each estimator how many checks passed, and what failed or was skipped.
"""

from __future__ import annotations

import json
import sys
import threading
import unittest
import warnings
from typing import Any

from sklearn.utils.estimator_checks import estimator_checks_generator

from glassnet import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

# They look at warnings, which Python before 3.14 collects for all threads together.
ALONE = ("check_supervised_y_2d", "check_dataframe_column_names_consistency")
CHECKED = {
    "mlp": (MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)),
    "tabular": (TabularClassifier(max_epochs=20), TabularRegressor(max_epochs=20)),
}


def outcome(check: Any, estimator: Any) -> str:
    """Nothing where the check passed, else why not."""
    try:
        check(estimator)
    except unittest.SkipTest as reason:
        return f"skipped: {reason}"
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"
    return ""


def at_once(check: Any, estimator: Any, threads: int) -> list[str]:
    """The outcomes of a check that so many threads begin together."""
    gate, results = threading.Barrier(threads), []

    def work() -> None:
        gate.wait()
        results.append(outcome(check, estimator))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def main(which: str, threads: int) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for checked in CHECKED[which]:
        passed, other = 0, []
        for estimator, check in estimator_checks_generator(checked):
            name = getattr(check, "func", check).__name__
            texts = set(at_once(check, estimator, 1 if name in ALONE else threads)) - {""}
            found = [f"{name}: {text}" for text in sorted(texts)]
            passed += not found
            other += found
        report[type(checked).__name__] = {"passed": passed, "other": other}
    return report


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))

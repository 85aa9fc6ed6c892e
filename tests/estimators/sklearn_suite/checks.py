"""scikit-learn's checks of estimators on ours, in a process of their own.

In: as arguments, which estimators, and in how many threads at once each check runs;
SCIPY_ARRAY_API=1 in the environment switches on the checks with other arrays. Out: on standard
output, as JSON, for each estimator how many checks passed, what failed or was skipped, and how many
were left to the other estimator: of a check that both tabular ones have, `make nightly` has both.
"""

from __future__ import annotations

import json
import sys
import threading
import unittest
import warnings
from functools import partial
from typing import Any

from sklearn.utils.estimator_checks import estimator_checks_generator

from glassnet import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from glassnet.run import compiled
from tests.drawn import EVERY, drawn

# They look at warnings, which Python before 3.14 collects for all threads together.
ALONE = ("check_supervised_y_2d", "check_dataframe_column_names_consistency")
CHECKED = {
    "mlp": (MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)),
    "tabular": (TabularClassifier(max_epochs=8), TabularRegressor(max_epochs=8)),
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


def name_of(check: Any) -> str:
    return getattr(check, "func", check).__name__


def main(which: str, threads: int) -> dict[str, Any]:
    report: dict[str, Any] = {}
    listed = [list(estimator_checks_generator(checked)) for checked in CHECKED[which]]
    shared = set.intersection(*({name_of(check) for _, check in checks} for checks in listed))
    for place, checks in enumerate(listed):
        passed, left, other = 0, 0, []
        for estimator, check in checks:
            name = name_of(check)
            if which == "tabular" and name in shared and place not in drawn((0, 1), 1, name):
                left += 1
                continue
            texts = set(at_once(check, estimator, 1 if name in ALONE else threads)) - {""}
            found = [f"{name}: {text}" for text in sorted(texts)]
            passed += not found
            other += found
        kind = type(CHECKED[which][place]).__name__
        report[kind] = {"passed": passed, "other": other, "left": left}
    return report


if __name__ == "__main__":
    if not EVERY:  # compiled in a third of the time, to the same bits
        compiled.object_code = partial(compiled.object_code, opt=0)
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))

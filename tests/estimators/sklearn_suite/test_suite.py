"""scikit-learn's own tests of its MLP, run from the installed package with our classes in place.

One of them asks for a private function with nine buffers of NumPy, and is not for us.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
from sklearn.utils.estimator_checks import check_estimator

from glassnet import MLPClassifier, MLPRegressor
from tests.data import ROOT

PRIVATE = "test_gradient"


def run_suite(folder: Path, *arguments: str) -> Counter[str]:
    """How many tests passed, failed and so on."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        [*command, "--pyargs", "sklearn.neural_network.tests.test_mlp"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    last = done.stdout.strip().splitlines()[-1]
    found = {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", last)}
    assert found, done.stdout + done.stderr
    return Counter(found)


def test_their_own_tests_pass(tmp_path: Path) -> None:
    plugin = ("-p", "tests.estimators.sklearn_suite.swap_plugin")
    found = run_suite(tmp_path, *plugin, "-k", f"not {PRIVATE}")
    assert found["failed"] == found["error"] == 0, found
    # two tests need pandas, and are skipped where it is not installed
    assert found["passed"] + found["skipped"] >= 58
    assert found["skipped"] <= 2


def test_the_plugin_swaps() -> None:
    code = (
        "import tests.estimators.sklearn_suite.swap_plugin\n"
        "from sklearn.neural_network.tests import test_mlp\n"
        "print(test_mlp.MLPClassifier.__module__, test_mlp.MLPRegressor.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "glassnet.estimators.mlp_classifier",
        "glassnet.estimators.mlp_regressor",
    ]


@pytest.mark.parametrize(("kind", "least"), [(MLPClassifier, 67), (MLPRegressor, 60)])
def test_the_estimator_checks_pass(kind: type, least: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(kind(max_iter=100), on_fail=None, on_skip=None)
    bad = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert bad == []
    assert len(results) >= least
    skipped = [str(r["exception"]) for r in results if r["status"] == "skipped"]
    assert all("pandas" in reason or "array" in reason.lower() for reason in skipped), skipped

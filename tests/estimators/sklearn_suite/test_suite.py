"""scikit-learn's own tests of its MLP and its checks of estimators, with our classes in place.

All of them pass. Some pass or fail with the random numbers, scikit-learn's own classes included:
with other streams of random numbers ours fail where those fail, and at most once elsewhere.
GLASSNET_STREAMS sets how many. What becomes of theirs is kept in `theirs.json`, by version:
`pytest -n 0 --update-golden` adds a version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sklearn
from sklearn.utils.fixes import parse_version

from tests.data import HANG, ROOT
from tests.drawn import EVERY

SUITE = "sklearn.neural_network.tests.test_mlp"
PLUGIN = "tests.estimators.sklearn_suite.swap_plugin"
THEIRS = Path(__file__).with_name("theirs.json")
# how many checks scikit-learn's versions have at least
LEAST = {
    "mlp": {"MLPClassifier": 67, "MLPRegressor": 60},
    "tabular": {"TabularClassifier": 50, "TabularRegressor": 47},
}
STREAMS = int(os.environ.get("GLASSNET_STREAMS", "0"))


def run_suite(folder: Path, stream: int = 0, of: str = "ours") -> dict[str, str]:
    """What became of each test: "passed", "failure", "error" or "skipped"."""
    report = folder / f"{of}-{stream}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN]
    more = {"PYTHONPATH": str(ROOT), "MLP_SUITE_STREAM": str(stream), "MLP_SUITE_OF": of}
    done = subprocess.run(
        [*command, f"--junitxml={report}", "--pyargs", SUITE],
        cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    assert report.exists(), done.stdout + done.stderr
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {str(case.get("name")): next((p.tag for p in case), "passed") for case in cases}


def failed(outcomes: dict[str, str]) -> set[str]:
    return {name for name, what in outcomes.items() if what in ("failure", "error")}


def test_their_own_tests_pass(tmp_path: Path) -> None:
    found = run_suite(tmp_path)
    assert not failed(found)
    assert len(found) >= (
        59 if parse_version(sklearn.__version__) >= parse_version("1.9") else 55
    )  # they grew
    # two tests need pandas, and are skipped where it is not installed
    assert list(found.values()).count("skipped") <= 2


def theirs(folder: Path, stream: int, update: bool) -> set[str]:
    """Which tests fail with scikit-learn's own classes; run where that is not known."""
    known: dict[str, dict[str, list[str]]] = json.loads(THEIRS.read_text())
    version = known.setdefault(sklearn.__version__, {})
    if str(stream) not in version:
        version[str(stream)] = sorted(failed(run_suite(folder, stream, "sklearn")))
        if update:
            THEIRS.write_text(json.dumps(known, indent=1) + "\n")
    return set(version[str(stream)])


@pytest.mark.parametrize("stream", range(1, STREAMS + 1))
def test_with_other_random_numbers(
    stream: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At most one test fails that passes with scikit-learn's own classes."""
    ours = failed(run_suite(tmp_path, stream))
    update = bool(request.config.getoption("--update-golden"))
    # another processor may tip one of theirs over its threshold; our bits are the same on all
    assert len(ours - theirs(tmp_path, stream, update)) <= 1


def test_what_became_of_theirs_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is not run, and what is run is kept if that is asked for."""
    kept, run = tmp_path / "theirs.json", list[int]()
    kept.write_text(json.dumps({"0.1": {"1": []}, sklearn.__version__: {"1": ["test_a"]}}))

    def fake(folder: Path, stream: int, of: str) -> dict[str, str]:
        run.append(stream)
        return {"test_b": "failure", "test_c": "passed", "test_d": "skipped"}

    monkeypatch.setattr(sys.modules[__name__], "THEIRS", kept)
    monkeypatch.setattr(sys.modules[__name__], "run_suite", fake)
    assert theirs(tmp_path, 1, update=True) == {"test_a"}
    assert theirs(tmp_path, 2, update=False) == theirs(tmp_path, 2, update=True) == {"test_b"}
    assert theirs(tmp_path, 2, update=True) == {"test_b"}
    assert run == [2, 2]
    assert json.loads(kept.read_text())["0.1"] == {"1": []}


def test_the_plugin_swaps() -> None:
    code = (
        f"import {PLUGIN}\n"
        f"from {SUITE.rpartition('.')[0]} import test_mlp\n"
        "print(test_mlp.MLPClassifier.__module__, test_mlp.MLPRegressor.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "glassnet.estimators.mlp.classifier",
        "glassnet.estimators.mlp.regressor",
    ]


ALONE = [("mlp", 1)] if EVERY else []  # in several threads each check runs as well


@pytest.mark.parametrize(("which", "threads"), [*ALONE, ("mlp", 4), ("tabular", 1)])
def test_the_estimator_checks_pass(which: str, threads: int) -> None:
    """With other libraries' arrays, and each check in several threads at once."""
    module = f"{__package__}.checks"
    done = subprocess.run(
        [sys.executable, "-m", module, which, str(threads)],
        cwd=ROOT, capture_output=True, text=True, timeout=HANG,
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for kind, least in LEAST[which].items():
        # Rows are divided into folds, so that a row of weight 2 is not two rows.
        unlike = "check_sample_weight_equivalence_on_dense_data: failed"
        other = [text for text in report[kind]["other"] if not text.startswith(unlike)]
        assert all("skipped" in text and "pandas" in text for text in other), other
        assert report[kind]["passed"] + len(other) + report[kind]["left"] >= least

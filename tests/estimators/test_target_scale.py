"""A regressor of numbers over many magnitudes answers and is scored in their own unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glassnet import TabularRegressor
from glassnet.cli.app import main

RANDOM = np.random.default_rng(3)
A, B = RANDOM.random(120), RANDOM.random(120)
X, Y = {"a": A, "b": B}, np.exp(5 * A + 2 * B) * 10


@pytest.fixture(scope="module")
def fitted() -> TabularRegressor:
    return TabularRegressor(max_epochs=40).fit(X, Y)


def test_answers_and_score_are_in_the_unit_of_the_target(fitted: TabularRegressor) -> None:
    assert fitted.model_.schema.target.log
    given = fitted.predict(X)
    assert given.min() > 0
    rms = float(np.sqrt(((given - Y) ** 2).mean()))
    assert 0.2 < fitted.score_.value / max(rms, 1e-9) < 20
    assert fitted.score_.constant == pytest.approx(Y.std(), rel=0.1)
    assert fitted.score_.value < fitted.score_.constant / 3


def test_the_low_end_is_not_lost(fitted: TabularRegressor) -> None:
    low = np.argsort(Y)[:40]
    logs = np.log(fitted.predict(X)[low] / Y[low])
    assert np.abs(logs).mean() < 0.5


def test_a_file_keeps_it(fitted: TabularRegressor, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.safetensors")
    again = TabularRegressor.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_it_can_be_overruled(fitted: TabularRegressor) -> None:
    plain = TabularRegressor(max_epochs=2, target_scale="plain").fit(X, Y)
    assert not plain.model_.schema.target.log
    with pytest.raises(ValueError, match="target_scale"):
        TabularRegressor(target_scale="square").fit(X, Y)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rows = [f"{a},{b},{y}" for a, b, y in zip(A, B, Y, strict=True)]
    table.write_text("a,b,y\n" + "\n".join(rows) + "\n")
    start = ["fit", str(table), "-t", "y", "-o", str(model), "--epochs", "2"]

    def said(*options: str) -> str:
        with pytest.raises(SystemExit):
            main([*start, *options])
        found = capsys.readouterr()
        return " ".join((found.out + found.err).split())

    assert "its logarithm is learnt" in said()
    with pytest.raises(SystemExit):
        main(["predict", str(model), str(table)])
    first = capsys.readouterr().out.splitlines()[1]
    assert len(first.replace(".", "").strip("0")) <= 7  # digits that mean something
    assert "logarithm" not in said("--target-scale", "plain")
    assert "--target-scale is log or plain, not 'big'" in said("--target-scale", "big")
    assert "--target-scale is for a number" in said("--kind", "y=category", "--target-scale", "log")

"""How the scores of numbers are written, from very small ones to very large."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from rich.console import Console

from glassnet.cli.output import align_decimals
from glassnet.cli.score_report import print_score
from glassnet.estimators.tabular.score import Figure, Score


@pytest.mark.parametrize(
    ("numbers", "error", "told"),
    [
        ((0.0694, 0.0074, 3.2), 0.0074, ["0.0694", "0.0074", "3.2000"]),
        ((5351968.3, 388818.0, 31577658.0), 388818.0, ["5,351,968", "388,818", "31,577,658"]),
        ((5.3519e-6, 3.9e-7), 3.9e-7, ["0.00000535", "0.00000039"]),
        ((5.3519e49, 3.8881e48, 3.1578e50), 3.8881e48, ["5.35e+49", "3.9e+48", "3.158e+50"]),
        ((5.3519e-51, 3.8881e-52), 3.8881e-52, ["5.35e-51", "3.9e-52"]),
        ((0.0, 0.0, 1.5), 0.0, ["0.0000", "0.0000", "1.5000"]),
        ((1.25e-60, 0.0), 0.0, ["1.25000e-60", "0"]),
        ((123.4, 1e-30), 1e-30, ["1.23400000e+02", "1.0e-30"]),
        ((math.nan, math.inf), 0.1, ["nan", "inf"]),
    ],
)
def test_numbers_of_one_unit(numbers: Sequence[float], error: float, told: list[str]) -> None:
    assert align_decimals(numbers, error) == told


@pytest.mark.parametrize("scale", [1e50, 1e-50])
def test_no_score_fills_the_line(scale: float, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"mae": Figure(4.3 * scale, 0.1 * scale, None), "r2": Figure(-1e40, 1e39, 0.0)}
    score = Score("rmse", 5.3 * scale, 0.39 * scale, 31.6 * scale, "0", 200, {}, figures)
    print_score(score, "200 rows", 0, Console(width=300, highlight=False))
    shown = capsys.readouterr().out
    assert "RMSE      5.30e" in shown
    assert "R²        -1e+40 ± 1e+39" in shown
    assert max(map(len, shown.splitlines())) < 60

"""What averaging all networks is worth, on predictions whose errors are known."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.averaging import averaging_gains, with_gains
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.score import Gain, score
from glassnet.training.data_checks import Rows

FOLDS, MEMBERS, ROWS = 5, 3, 3000


class Networks:
    """Networks whose errors are drawn, of the kinds that `averaging_gains` takes."""

    def __init__(self, between: float, within: float, seed: int = 0, classes: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.truth = rng.normal(size=ROWS)
        if classes:
            self.truth = rng.integers(0, classes, ROWS)
        shape = (ROWS, classes or 1)
        own = rng.normal(size=(FOLDS, 1, *shape)) * math.sqrt(between)
        own = own + rng.normal(size=(FOLDS, MEMBERS, *shape)) * math.sqrt(within)
        if not classes:
            own += self.truth[:, None] + rng.normal(size=shape)
        self.outputs = own.transpose(0, 2, 1, 3)
        self.x = np.column_stack([np.zeros(ROWS), np.arange(ROWS) % FOLDS])
        self.classes = classes

    def members(self, weights: Any, x: Any, fold: int) -> Any:
        return self.outputs[fold]

    def of(self, weights: Any, x: Any) -> Any:
        return self.outputs[x[:, -1].astype(int), np.arange(ROWS)].mean(axis=1)

    def given(self, outputs: Any) -> Any:
        if not self.classes:
            return outputs[:, 0]
        powers = np.exp(outputs)
        return powers / powers.sum(axis=1, keepdims=True)

    def model(self, folds: int = FOLDS, members: int = MEMBERS) -> Any:
        names = tuple("abcdef"[: self.classes])
        return SimpleNamespace(
            architecture=SimpleNamespace(folds=folds, members=members, outputs=self.classes or 1),
            network=SimpleNamespace(W=None), given=self.given,
            schema=SimpleNamespace(target=SimpleNamespace(classes=names)),
        )  # fmt: skip

    def answers(self) -> Evaluation:
        given = self.given(self.of(None, self.x))
        return Evaluation(self.truth, given, np.zeros(ROWS, int))

    def gains(self, **sizes: int) -> dict[str, Gain]:
        rows = Rows(self.x, self.truth)
        return averaging_gains(self.model(**sizes), self, rows, self.answers(), Scoring())  # pyright: ignore


@pytest.mark.parametrize(("between", "within"), [(0.3, 0.3), (0.05, 0.6), (0.5, 0.1)])
def test_it_is_the_difference_to_the_average_of_all(between: float, within: float) -> None:
    """A fold's squared error is 1 + b + w/3, and that of all folds 1 + b/5 + w/15."""
    found = Networks(between, within).gains()["rmse"]
    fold, whole = 1 + between + within / 3, 1 + between / 5 + within / 15
    wanted = math.sqrt(whole) - math.sqrt(fold)
    assert found.value == pytest.approx(wanted, rel=0.25)
    assert found.error > 1.0  # it is an estimate


def test_labels_without_meaning_gain_nothing() -> None:
    gains = [Networks(0.3, 0.3, seed, classes=2).gains()["accuracy"].value for seed in range(20)]
    error = np.std(gains, ddof=1) / math.sqrt(len(gains))
    assert abs(np.mean(gains)) < 4 * error
    assert error < 0.01


def test_without_several_members_and_folds_nothing_is_said() -> None:
    networks = Networks(0.3, 0.3)
    assert networks.gains(members=1) == {}
    assert networks.gains(folds=2) == {}
    alike = Networks(0.3, 0.0).gains()  # members that agree tell nothing
    assert not alike or abs(alike["rmse"].value) < 1e-9


def test_figures_move_with_their_gains_and_stay_possible() -> None:
    truth = np.array([0, 1, 1, 0])
    given = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.9, 0.1]])
    plain = score(Evaluation(truth, given, np.zeros(4, int)), ("a", "b"))
    assert plain.value == 0.75
    moved = with_gains(plain, {"accuracy": Gain(0.125, 1.5), "log_loss": Gain(-9.0, 1.0)})
    assert (moved.value, moved.averaging) == (0.875, 0.125)
    assert moved.error == 1.5 * plain.error
    assert moved.figures["accuracy"].value == 0.875
    assert moved.figures["log_loss"].value == plain.figures["log_loss"].value / 2
    assert moved.figures["auc"] == plain.figures["auc"]
    assert moved.constant == plain.constant
    assert with_gains(plain, {"accuracy": Gain(0.9, 1.0)}).value == 1.0
    assert with_gains(plain, {}) == plain
    assert replace(plain, averaging=0.0) == plain

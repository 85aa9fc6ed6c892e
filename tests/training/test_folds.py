"""The validation loss of a network in folds, and the members of one fold as a network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.nn.fold_members import FoldMembers
from glassnet.training.data_checks import Rows
from glassnet.training.fold_evaluator import FoldEvaluator, share_weighted_mean
from glassnet.training.trainer import Task

RNG = np.random.default_rng(0)
ROWS = 61


def pack(outputs: int, *, embedded: str = "bins", own: bool = False) -> nn.Sequential:
    """Three folds of two members for rows of four numbers and their fold; of the numbers the last
    three can be the folds' own."""
    width = (8 if embedded else 4) if not own else (4 if embedded else 2)
    layers: dict[tuple[str, bool], list[nn.Module]] = {
        ("bins", False): [nn.PiecewiseEmbedding(2, 3, 4, 2, groups=3), nn.Repeat(2, 3)],
        ("waves", False): [nn.PeriodicEmbedding(2, 3, 4, 2, groups=3), nn.Repeat(2, 3)],
        ("", False): [nn.Repeat(6)],
        ("bins", True): [nn.PiecewiseEmbedding(1, 3, 4, groups=3, per_group=1), nn.Repeat(2, 3)],
        ("waves", True): [nn.PeriodicEmbedding(1, 3, 4, groups=3, per_group=1), nn.Repeat(2, 3)],
        ("", True): [nn.GroupInputs(1, 1, 3), nn.Repeat(2, 3)],
    }
    inner = nn.Sequential(
        *layers[embedded, own], nn.BatchEnsemble(width, 5, 6, groups=3),
        nn.ReLU(), nn.MemberLinear(5, outputs, 6),
    )  # fmt: skip
    network = nn.Sequential(nn.InFolds(inner, 6, 3, outputs > 1), dtype="float64")
    network.W += 0.3 * np.random.default_rng(1).normal(size=network.W.size)
    return network


def rows_in(folds: int) -> np.ndarray:
    return np.column_stack([RNG.normal(size=(ROWS, 4)), np.arange(ROWS) % folds])


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("embedded", ["bins", "waves", ""])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_members_of_a_fold_predict_as_the_pack(outputs: int, embedded: str, own: bool) -> None:
    network, x = pack(outputs, embedded=embedded, own=own), rows_in(3)
    alone = FoldMembers.of(network)
    assert alone is not None
    wanted = network(x)
    for fold in (2, 0, 1):
        alone.take(fold)
        mask, rows = x[:, -1] == fold, alone.rows(x, fold)
        np.testing.assert_allclose(alone.network(rows[mask]), wanted[mask], rtol=1e-12)
        # a check that would notice the members of another fold
        assert not np.allclose(alone.network(rows[~mask]), wanted[~mask], rtol=1e-3)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(5, 1)),
        nn.InFolds(nn.Linear(4, 6), 6, 3),
        nn.InFolds(nn.Sequential(nn.Repeat(6), nn.MemberLinear(4, 1, 6), nn.Dropout(0.5)), 6, 3),
        nn.InFolds(nn.Sequential(nn.Repeat(6), nn.BatchEnsemble(4, 1, 6)), 6, 3),
    ],
    ids=["no folds", "no layers", "a layer that is not pointwise", "weights that folds share"],
)
def test_other_networks_are_judged_whole(network: Any) -> None:
    whole = nn.Sequential(network)
    assert FoldMembers.of(whole) is None
    rows = Rows(rows_in(3).astype("float32"), np.zeros((ROWS, 1), "float32"))
    assert FoldEvaluator.of(whole, gn.losses.HalfMSE(), rows, 1) is None


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_all_rows(outputs: int, weighted: bool) -> None:
    network, x = pack(outputs), rows_in(3)
    y = RNG.normal(size=(ROWS, 1)) if outputs == 1 else RNG.integers(0, 3, ROWS).astype("int32")
    weight = RNG.uniform(0.5, 2.0, ROWS) if weighted else None
    loss = gn.losses.HalfMSE() if outputs == 1 else gn.losses.CrossEntropy()
    task = Task(network, loss, Rows(x, y, weight), Rows(x, y, weight), 1, 0)
    judge = task.evaluator()
    assert isinstance(judge, FoldEvaluator)
    assert judge() == pytest.approx(task.judge(Rows(x, y, weight))(), rel=1e-12)
    for fold, (part, share) in enumerate(zip(judge.parts, judge.shares, strict=True)):
        own = Rows(x, y, weight).part(x[:, -1] == fold)
        assert part == pytest.approx(task.judge(own)(), rel=1e-12)
        assert share == pytest.approx(len(own) if own.weight is None else own.weight.sum())


def test_rows_without_a_fold_are_judged_by_all_members() -> None:
    x = rows_in(3)
    x[0, -1] = -1
    rows = Rows(x, np.zeros((ROWS, 1)))
    assert FoldEvaluator.of(pack(1), gn.losses.HalfMSE(), rows, 1) is None


def test_a_fold_without_rows_counts_for_nothing() -> None:
    rows = Rows(rows_in(2), RNG.normal(size=(ROWS, 1)))
    network = pack(1)
    judge = FoldEvaluator.of(network, gn.losses.HalfMSE(), rows, 1)
    assert judge is not None
    found = judge()
    assert judge.shares == [31, 30, 0]
    assert math.isnan(judge.parts[2])
    task = Task(network, gn.losses.HalfMSE(), rows, rows, 1, 0)
    assert found == pytest.approx(task.judge(rows)(), rel=1e-12)


def test_the_mean_of_losses_by_hand() -> None:
    assert share_weighted_mean([1.0, 4.0, math.nan], [2.0, 1.0, 0.0]) == 2.0
    assert math.isnan(share_weighted_mean([math.inf, math.nan], [1.0, 1.0]))
    assert share_weighted_mean([math.inf, 1.0], [1.0, 1.0]) == math.inf
    assert share_weighted_mean([1.0], [0.0]) == 0.0


def test_a_callback_sees_the_loss_of_each_fold() -> None:
    network, x, y = pack(1), rows_in(3), RNG.normal(size=(ROWS, 1))
    seen: list[tuple[list[float], float]] = []

    def note(run: Any) -> None:
        seen.append((run.fold_losses, run.history.validation_loss[-1]))

    gn.train(
        network, x, y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.Adam(), epochs=2,
        validation=(x, y), callbacks=[note],
    )  # fmt: skip
    for losses, mean in seen:
        assert len(losses) == 3
        assert mean == pytest.approx((21 * losses[0] + 20 * losses[1] + 20 * losses[2]) / 61)
    assert seen[0] != seen[1]

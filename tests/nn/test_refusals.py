"""Wrong settings and shapes of layers and losses are refused when they are made, and the error
shows code that would be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, ShapeError

nn, L, optim = gn.nn, gn.losses, gn.optim
X, ROW = np.ones((4, 3)), np.ones(4)
wrong: Any = nn  # settings that no type checker lets through


def through(*layers: Any) -> np.ndarray:
    return nn.Sequential(*layers)(X)


# what was wrong, what the error says, and the right code that it shows
CASES: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: wrong.Linear("3", 2), r"fan_in='3'.*whole number, 1 or more", r"Linear\(4, 3\)"),
    (lambda: wrong.Linear(3, 2.0), r"fan_out=2\.0", r"Linear\(4, 3\)"),
    (lambda: nn.Neuron(0), r"Neuron\(fan_in=0\)", r"Neuron\(4\)"),
    (lambda: wrong.Neuron(3, nn.ReLU), "ReLU is a class", r"Neuron\(2, ReLU\(\)\)"),
    (lambda: wrong.Sequential([nn.ReLU()]), "one by one, not in a list", r"Sequential\(\*layers\)"),
    (lambda: wrong.Sequential("gelu"), "'gelu' is not a layer", r"Sequential\(.*, GELU\(\)\)"),
    (lambda: wrong.Sequential(seed="a"), "whole number", "seed=0"),
    (lambda: wrong.Blend(nn.Tanh), "Tanh is a class", r"Blend\(Tanh\(\)\)"),
    (lambda: nn.Parallel(), "no branch", r"Parallel\(Linear"),
    (lambda: wrong.Columns("age"), r"Columns\('age'\)", r"Columns\(0, 3\)"),
    (lambda: wrong.Columns([0, 1]), r"Columns\(\[0, 1\]\)", r"Columns\(0, 3\)"),
    (lambda: nn.Embedding((), 2), r"categories=\(\)", r"Embedding\(7, 3\)"),
    (lambda: nn.Embedding(3, 0), "width=0", r"Embedding\(7, 3\)"),
    (lambda: nn.Periodic(0), "features=0", r"Periodic\(4"),
    (lambda: nn.Periodic(3, sigma=-1.0), r"sigma=-1\.0.*at least 0", r"sigma=1\.0"),
    (lambda: nn.PiecewiseLinear([]), "every feature", r"PiecewiseLinear\(\[\["),
    (lambda: wrong.PiecewiseLinear([0, 1, 2]), "every feature", r"PiecewiseLinear\(\[\["),
    (lambda: nn.PiecewiseLinear([[0, np.nan, 1]]), "finite", r"PiecewiseLinear\(\[\["),
    (lambda: nn.PiecewiseLinear.of(X, 0), "bins 1 or more", r"bins=8"),
    (lambda: nn.PiecewiseLinear.of(ROW), r"shape \(4,\)", r"x_train"),
    (lambda: nn.Repeat(0), "members=0", r"Repeat\(8\)"),
    (lambda: nn.Average(0), "members=0", r"Average\(8\)"),
    (lambda: through(nn.Average(2)), "not the same for every member", r"BatchEnsemble\(4, 3, 8\)"),
    (lambda: nn.Dropout(1.0), r"at least 0 and less than 1", r"Dropout\(0\.5\)"),
    (lambda: nn.LayerNorm(0), "width=0", r"LayerNorm\(3\)"),
    (lambda: nn.RMSNorm(3, eps=-1.0), r"eps=-1\.0", r"RMSNorm\(3, eps"),
    (lambda: nn.BatchNorm(3, momentum=2.0), "at most 1", r"momentum=0\.1"),
    (lambda: nn.PReLU(width=0), "width=0", r"PReLU\(\)"),
    (lambda: nn.ELU(np.nan), "a finite number", r"ELU\(1\.0\)"),
    (lambda: wrong.LeakyReLU("a"), "slope='a'", r"LeakyReLU\(0\.01\)"),
    (lambda: through(nn.Blend(nn.Linear(3, 2))), "f gives f32", r"Linear\(3, 2\), Blend"),
    (lambda: through(lambda x: gn.ops.sum(x)), "one row for every row", "keepdims=True"),
    (lambda: through(np.arcsinh), "np.arcsinh of a graph value has no op", r"glassnet\.ops"),
    (lambda: through(np.cumsum), "np.cumsum of a graph value has no op", r"x @ numpy\.triu"),
    (lambda: through(np.prod), "np.prod of a graph value has no op", r"ops\.exp\(ops\.sum"),
    (lambda: through(lambda x: x % 2), "there is no op for %", r"ops\.floor\(x / y\)"),
    (lambda: through(lambda x: 7 // x), "there is no op for %, //", r"ops\.floor\(x / y\)"),
    (lambda: through(nn.Linear(2, 1)), r"rows of 2 numbers.*\(4, 3\)", "first layer takes 3"),
    (lambda: nn.Sequential(nn.Linear(4, 1))(np.ones((3, 2, 2))), r"\(3, 2, 2\)", r"x\.reshape"),
    (lambda: wrong.fit_start(nn.Linear(3, 1), X), "takes a Sequential", r"fit_start\(Sequential"),
    (lambda: nn.fit_start(nn.Sequential(nn.Linear(3, 1)), X * np.nan), "NaN", "isfinite"),
    (lambda: L.CrossEntropy(class_weight=2.0), "one weight for every class", r"\{0: 1\.0"),  # type: ignore[arg-type]
    (lambda: L.Hinge(class_weight={1: 2.0}), "one weight for every class", r"\{0: 1\.0"),  # type: ignore[arg-type]
    (lambda: L.BCEWithLogits("a"), "above 0", r"pos_weight=9\.0"),  # type: ignore[arg-type]
    (lambda: L.Quantile(()), r"q=\(\)", r"Quantile\(0\.9\)"),
    (lambda: L.CrossEntropy().labels(np.eye(2), 2, "float64"), r"\(2, 2\)", r"argmax\(1\)"),
    (lambda: optim.SGD(groups="a"), "a list of Group", r'Group\("\*\.bias"'),  # type: ignore[arg-type]
    (lambda: optim.Group(3), r"Group\(3\)", r'Group\("\*\.bias"'),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("refused", "seen", "right"), CASES)
def test_the_right_code_is_shown(refused: Callable[[], Any], seen: str, right: str) -> None:
    with pytest.raises(GlassnetError, match=seen) as caught:
        refused()
    assert caught.match(f"right: .*{right}")


@pytest.mark.parametrize(
    ("loss", "scores", "labels"),
    [
        (L.Quantile(), X, ROW),
        (L.GaussianNLL(), X[:, :2], X),
        (L.CrossEntropy(), X, X),
        (L.CrossEntropy(), ROW, ROW),
        (L.Hinge(), X, X),
        (L.PoissonNLL(), X, ROW),
        (L.BCEWithLogits(), X, ROW),
    ],
)
def test_shapes_that_do_not_fit(loss: Any, scores: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"predictions have shape \[4.*labels \[4.*wanted"):
        loss(scores, labels)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: optim.Adam(beta1="a"),  # type: ignore[arg-type]
        lambda: optim.SGD(clip_norm="a"),  # type: ignore[arg-type]
        lambda: optim.StepDecay(1.0, every=0),
        lambda: optim.FlatCos(1.0, flat=1.5),
        lambda: optim.OneCycle(1.0, up=2.0),
        lambda: optim.OneCycle(1.0, divide=0.0),
        lambda: optim.Cosine("a"),  # type: ignore[arg-type]
    ],
)
def test_settings_of_optimisers(refused: Callable[[], Any]) -> None:
    with pytest.raises(GlassnetError, match="use "):
        refused()


def test_what_a_definition_lacks_is_said() -> None:
    with pytest.raises(NotImplementedError, match="right: def build"):
        nn.Module()(X)
    with pytest.raises(NotImplementedError, match="right: def rows"):
        L.Loss()(X, X)


def test_settings_that_are_meant_are_taken() -> None:
    assert L.CrossEntropy(class_weight={1: 2.0, 0: 1.0}).class_weight == (1.0, 2.0)  # type: ignore[arg-type]
    assert L.BCEWithLogits([1, 2]).pos_weight == (1.0, 2.0)  # type: ignore[arg-type]
    assert optim.SGD(groups=optim.Group("*")).groups == (optim.Group("*"),)  # type: ignore[arg-type]
    assert nn.Linear(np.int64(3), 2).parameter_specs()["weight"].shape == (3, 2)  # type: ignore[arg-type]

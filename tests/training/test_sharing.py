"""Networks of one structure share their programs: a search over widths, settings and seeds traces
and compiles once; what could differ is made for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn, ops, optim
from glassnet.nn.penalised import PenalisedLoss
from glassnet.optim.scikit import ScikitAdam, ScikitSGD
from glassnet.training import programs
from glassnet.training.programs import step_program
from tests.estimators.common import LABELS, X

HALF = gn.losses.HalfMSE()


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    programs.clear_shared()
    yield
    programs.clear_shared()


def network(*sizes: int, layer: Any = nn.ReLU, dtype: str = "float32") -> nn.Sequential:
    pairs = list(pairwise(sizes))
    hidden = [part for a, b in pairs[:-1] for part in (nn.Linear(a, b), layer())]
    return nn.Sequential(*hidden, nn.Linear(*sizes[-2:]), dtype=dtype)


def step(model: Any, loss: Any = HALF, rule: Any = None, seed: int = 0) -> Any:
    columns = model.input_width()
    found: Any = step_program(model, loss, rule or optim.SGD(0.1), columns, False, seed)
    return getattr(found, "program", found)


def test_widths_and_settings_share_a_program() -> None:
    first = step(network(4, 7, 2))
    assert step(network(4, 7, 2)) is first
    assert step(network(9, 30, 2)) is first
    assert step(network(7, 7, 2)) is first  # equal widths are nothing special
    losses = [PenalisedLoss("identity", None, alpha) for alpha in (0.0, 0.5)]
    rules = [ScikitAdam(0.1), ScikitAdam(0.2, 0.5, 0.6, 1e-3)]
    shared = {id(step(network(4, 7, 2), loss, rule)) for loss in losses for rule in rules}
    assert len(shared) == 1
    dropped = [network(4, 7, 2, layer=lambda: nn.Dropout(0.5)) for _ in range(2)]
    assert step(dropped[0], seed=1) is step(dropped[1], seed=2)


@pytest.mark.parametrize(
    "other",
    [
        network(4, 7, 3),
        network(4, 7, 7, 2),
        network(4, 1, 2),
        network(4, 7, 2, dtype="float64"),
        network(4, 7, 2, layer=nn.Tanh),
        network(4, 7, 2, layer=lambda: nn.LeakyReLU(0.3)),
        nn.Sequential(nn.Linear(4, 7, bias=False), nn.ReLU(), nn.Linear(7, 2)),
    ],
)
def test_other_structures_have_programs_of_their_own(other: Any) -> None:
    assert step(other) is not step(network(4, 7, 2))
    assert step(other, rule=ScikitSGD(0.1)) is not step(other, rule=ScikitSGD(0.1, nesterov=False))


def test_code_of_the_user_belongs_to_its_model() -> None:
    """What it refers to is looked at for each model; machine code is shared where it is equal."""

    def bent(z: Any) -> Any:
        return ops.tanh(z) + z.shape[1] / 10  # looks at the width

    function = nn.Function(bent)
    models = [network(4, width, 2, layer=lambda: function) for width in (7, 7, 9)]
    assert step(models[0]) is step(models[0])
    assert step(models[0]) is not step(models[1])
    assert step(models[0]) is not step(models[2])
    other = nn.Function(lambda z: ops.tanh(z))
    assert step(network(4, 7, 2, layer=lambda: other)) is not step(models[0])


@dataclass(frozen=True)
class ByWidth(optim.Optimizer):
    """Looks at the number of rows of each weight."""

    def update(self, w: Any, g: Any, memory: Any, now: Any) -> tuple[Any, dict[str, Any]]:
        return w - now.lr * g / float(w.shape[0]), {}


def test_a_rule_of_the_user_sees_numbers() -> None:
    x, y = np.ones((4, 3)), np.ones((4, 2))
    for width in (5, 8):
        model = network(3, width, 2)
        gn.train(model, x, y, loss=HALF, optimizer=ByWidth(0.1), epochs=1)
        assert np.isfinite(model.W).all()
    assert step(network(3, 5, 2), rule=ByWidth(0.1)) is not step(
        network(3, 8, 2), rule=ByWidth(0.1)
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_search_traces_one_step() -> None:
    traced: list[int] = []
    real = programs.step_graph

    def counted(*args: Any) -> Any:
        traced.append(1)
        return real(*args)

    with mock.patch.object(programs, "step_graph", counted):
        for width in (3, 5, 8):
            for alpha in (1e-4, 1e-2):
                settings: dict[str, Any] = {"alpha": alpha, "learning_rate_init": alpha * 10}
                est = gn.MLPClassifier((width,), max_iter=2, random_state=width, **settings)
                est.fit(X, LABELS)
    assert len(traced) == 1

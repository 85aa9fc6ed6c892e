"""What each row adds to a gradient: for any layer, and the sum over rows is the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.inspect import statistics
from glassnet.inspect.render import text
from glassnet.inspect.render.json_values import as_json
from glassnet.inspect.statistics import rows_by_gradient, weight_figures
from tests.record.common import HALF, data

nn = gn.nn
ROWS = 12


def opened(path: Path, *layers: Any, x: Any = None, **settings: Any) -> Any:
    """The second step of a run in float64."""
    inputs, y = data(2 * ROWS)
    x = inputs if x is None else x
    model = nn.Sequential(*layers, seed=3, dtype="float64")
    settings = {"loss": HALF, "optimizer": gn.optim.SGD(0.1), "batch_size": ROWS, **settings}
    gn.train(model, x, y, epochs=1, record=path, **settings)
    return gn.open_step(path, batch=2)


def categories() -> np.ndarray:
    return np.arange(4 * ROWS).reshape(2 * ROWS, 2) % np.array([3, 4])


NETWORKS: dict[str, Any] = {
    "linear": lambda: (nn.Linear(3, 2),),
    "neuron": lambda: (nn.Neuron(3), nn.Linear(1, 2)),
    "prelu": lambda: (nn.Linear(3, 4), nn.PReLU(width=4), nn.Linear(4, 2)),
    "sigmoid": lambda: (nn.Linear(3, 4), nn.ParametricSigmoid(), nn.Linear(4, 2)),
    "layernorm": lambda: (nn.Linear(3, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 2)),
    "dropout": lambda: (nn.Linear(3, 6), nn.Dropout(0.3), nn.RMSNorm(6), nn.Linear(6, 2)),
    "periodic": lambda: (nn.Periodic(3, 2), nn.Linear(12, 2)),
    "residual": lambda: (nn.Residual(nn.Linear(3, 3), nn.GELU()), nn.Linear(3, 2)),
    "ensemble": lambda: (
        nn.Repeat(3), nn.BatchEnsemble(3, 4, 3), nn.ReLU(), nn.BatchEnsemble(4, 2, 3),
        nn.Average(3),
    ),
    "batchnorm": lambda: (nn.Linear(3, 4), nn.BatchNorm(4), nn.Tanh(), nn.Linear(4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rows_add_up_to_the_gradient(name: str, tmp_path: Path) -> None:
    step = opened(tmp_path / "run.glass", *NETWORKS[name]())
    total: dict[str, Any] = {}
    for at in range(ROWS):
        for own, part in step.pulls.of_row(at).items():
            total[own] = total.get(own, 0.0) + part
    slopes = {own: w.slope for own, w in step.parameters.items() if w.slope is not None}
    assert total.keys() == slopes.keys()
    for own, slope in slopes.items():
        np.testing.assert_allclose(total[own], slope, rtol=1e-10, atol=1e-14, err_msg=own)
        place = tuple(size - 1 for size in slope.shape)
        parts = step.pulls.of_weight(own, place)
        each = [step.pulls.of_row(at)[own][place] for at in range(ROWS)]
        np.testing.assert_allclose(parts, each, rtol=1e-10, atol=1e-15)
        assert parts.sum() == pytest.approx(slope[place], rel=1e-10, abs=1e-14)


def test_an_embedding_learns_from_the_rows_that_name_it(tmp_path: Path) -> None:
    x = categories()
    step = opened(tmp_path / "run.glass", nn.Embedding((3, 4), 2), nn.Linear(4, 2), x=x)
    parts = step.pulls.of_weight("embedding1.weight2", (1, 0))
    named = x[step.rows, 1] == 1
    assert 0 < named.sum() < ROWS
    assert (parts[~named] == 0).all()
    assert (parts[named] != 0).all()
    slope = step.parameters["embedding1.weight2"].slope
    assert parts.sum() == pytest.approx(slope[1, 0], rel=1e-12)


def test_one_row_by_hand(tmp_path: Path) -> None:
    """L = 1/(2n) Σ w(ŷ − y)²/mean w of a PReLU on negative numbers: ŷ = s·x, so a row adds
    share·(s·x − y)·x to ∂L/∂s."""
    x, y = -np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [0.0], [2.0]])
    weight = np.array([1.0, 2.0, 5.0])
    model = nn.Sequential(nn.PReLU(0.25), dtype="float64")
    path = tmp_path / "run.glass"
    sgd = gn.optim.SGD(0.5)
    gn.train(
        model, x, y, loss=HALF, optimizer=sgd, epochs=1, sample_weight=weight, shuffle=False,
        record=path,
    )  # fmt: skip
    step = gn.open_step(path)
    # (−0.25 − 1)·(−1)·1/8, (−0.5)·(−2)·2/8, (−1 − 2)·(−4)·5/8
    wanted = [0.15625, 0.25, 7.5]
    np.testing.assert_allclose(step.pulls.of_weight("prelu1.slope", (0,)), wanted, rtol=1e-14)
    assert step.parameters["prelu1.slope"].slope is not None
    told = text.weight(step, "prelu1.slope[0]")
    assert "row 2  7.5" in told
    assert "∂L/∂w    = 7.90625" in told
    found = rows_by_gradient(step)
    assert found.rows == (2, 1, 0)
    np.testing.assert_allclose(found.sizes, wanted[::-1], rtol=1e-14)


def test_batch_statistics_are_said(tmp_path: Path) -> None:
    step = opened(tmp_path / "run.glass", *NETWORKS["batchnorm"]())
    assert step.pulls.coupled == "batchnorm1"
    assert "rows influence each other in batchnorm1" in text.overview(step)
    assert "rows influence each other in batchnorm1" in text.weight(step, "linear1.weight[0,0]")
    note = as_json(step, weight="linear1.weight[0,0]")["weight"]["note"]
    assert note.startswith("rows influence")
    assert "no gradient trains it" in text.weight(step, "batchnorm1.mean[0]")
    plain = opened(tmp_path / "plain.glass", *NETWORKS["layernorm"]())
    assert plain.pulls.coupled == ""
    assert "influence" not in text.overview(plain)


@dataclass(frozen=True)
class WithPenalty(type(HALF)):
    """The loss, and 0.05·Σ ŷ² as well, which is not of the rows' terms."""

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        return super().mean(prediction, y, weight) + 0.05 * ops.sum(ops.square(prediction))


def test_what_is_no_row_s_is_said(tmp_path: Path) -> None:
    """A loss with a term that is not of its rows: what they add is not passed off as all of it."""
    path = tmp_path / "run.glass"
    x, y = data(2 * ROWS)
    model, loss = nn.Sequential(nn.Linear(3, 2), dtype="float64"), WithPenalty()
    given = {"loss": loss, "epochs": 1, "batch_size": ROWS, "record": path, "shuffle": False}
    gn.train(model, x, y, optimizer=gn.optim.SGD(0.1), **given)
    step = gn.open_step(path, loss=loss)
    own = weight_figures(step, "linear1.bias[1]")
    # ∂/∂b of 0.05·Σ ŷ² is 0.1·Σ ŷ
    assert own.rest == pytest.approx(0.1 * step.prediction[:, 1].sum(), rel=1e-9)
    assert "that comes from no row" in text.weight(step, "linear1.bias[1]")
    sound = opened(tmp_path / "sound.glass", nn.Linear(3, 2))
    assert weight_figures(sound, "linear1.bias[1]").rest == 0.0


def test_a_planted_error_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal shares where rows have weights: the sum is another one."""
    weight = np.linspace(1.0, 3.0, 2 * ROWS)
    step = opened(tmp_path / "run.glass", nn.Linear(3, 2), sample_weight=weight)
    assert weight_figures(step, "linear1.bias[1]").rest == 0.0
    equal = np.full(ROWS, 1.0 / ROWS)
    monkeypatch.setattr("glassnet.inspect.row_gradients.row_shares", lambda loss, arrays: equal)
    assert weight_figures(step, "linear1.bias[1]").rest != 0.0


def test_too_much_to_compute_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = opened(tmp_path / "run.glass", nn.Linear(3, 2))
    monkeypatch.setattr(statistics, "ROW_GRADIENT_LIMIT", 10)
    found = rows_by_gradient(step)
    assert found.by == "∂L/∂ŷ"
    wanted = np.linalg.norm(step.layers[-1].slope, axis=1)
    np.testing.assert_allclose(found.sizes, np.sort(wanted)[::-1], rtol=1e-14)
    assert "by ‖∂L/∂ŷ‖" in text.overview(step)

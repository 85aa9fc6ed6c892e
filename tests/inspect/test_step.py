"""An opened step has the bits of training, and its numbers follow from each other by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, TrainingError
from glassnet.inspect.render import json_values as values
from glassnet.inspect.render import text
from glassnet.runs.file import RunFile
from tests.record.common import HALF, data, often, train


def flat(step: Any, name: str) -> np.ndarray:
    return np.concatenate([getattr(own, name).ravel() for own in step.parameters.values()])


def factor(x: Any) -> str:
    return f"({x!s})" if x < 0 else str(x)


def recorded(path: Path, epoch: int) -> np.ndarray:
    with RunFile.read(path) as file:
        state = file.checkpoint(epoch)
    assert state.epoch == epoch
    return state.arrays["W"]


def test_an_update_by_hand_gives_the_next_recorded_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    path = tmp_path / "run.glass"
    _, history = train(path, epochs=4, optimizer=gn.optim.SGD(0.1), batch_size=70)
    for epoch in (1, 2, 3, 4):  # one batch an epoch, and a checkpoint after each
        step = gn.open_step(path, epoch=epoch, batch=1)
        assert flat(step, "before").tobytes() == recorded(path, epoch - 1).tobytes()
        by_hand = flat(step, "before") - np.float32(0.1) * flat(step, "slope")
        assert by_hand.tobytes() == recorded(path, epoch).tobytes()
        assert history.loss[epoch - 1] == step.L


@pytest.mark.parametrize(
    "optimizer", [gn.optim.Adam(0.01), gn.optim.SGD(0.1, momentum=0.9)], ids=repr
)
def test_steps_follow_each_other(optimizer: Any, tmp_path: Path) -> None:
    """From checkpoints at the start and the end only: the last step ends with the result."""
    path = tmp_path / "run.glass"
    model, _ = train(path, epochs=3, optimizer=optimizer, batch_size=16)
    first, second = (gn.open_step(path, *data(), epoch=3, batch=b) for b in (4, 5))
    assert flat(first, "after").tobytes() == flat(second, "before").tobytes()
    assert flat(second, "after").tobytes() == model.W.tobytes()
    assert len(second.rows) == 70 - 4 * 16
    for name, (_, after) in first.memory.items():
        assert after.tobytes() == second.memory[name][0].tobytes()


def test_the_chain_rule_by_hand(tmp_path: Path) -> None:
    """Every number of a small network in float64 from the numbers before it."""
    x, y = data(20)
    model = gn.nn.Sequential(
        gn.nn.Linear(3, 4), gn.nn.Sigmoid(), gn.nn.Identity(), gn.nn.Linear(4, 2),
        seed=1, dtype="float64",
    )  # fmt: skip
    path = tmp_path / "run.glass"
    sgd = gn.optim.SGD(0.5)
    gn.train(model, x, y, loss=HALF, optimizer=sgd, epochs=2, batch_size=8, record=path)
    s = gn.open_step(path, epoch=2, batch=2)
    w1, b1, w2, b2 = (own.before for own in s.parameters.values())
    z1, a1, same, z2 = (own.result for own in s.layers)
    np.testing.assert_array_equal(s.x, x[s.rows])
    np.testing.assert_array_equal(s.y, y[s.rows])
    np.testing.assert_allclose(z1, s.x @ w1 + b1, rtol=1e-13)
    np.testing.assert_allclose(a1, 1 / (1 + np.exp(-z1)), rtol=1e-13)
    np.testing.assert_array_equal(same, a1)
    np.testing.assert_allclose(z2, a1 @ w2 + b2, rtol=1e-12)
    assert pytest.approx(np.sum((z2 - s.y) ** 2) / 16, rel=1e-13) == s.L
    d1, da1, _, d2 = (own.slope for own in s.layers)
    np.testing.assert_allclose(d2, (z2 - s.y) / 8, rtol=1e-12)
    np.testing.assert_allclose(da1, d2 @ w2.T, rtol=1e-12, atol=1e-17)
    np.testing.assert_allclose(d1, da1 * a1 * (1 - a1), rtol=1e-12, atol=1e-17)
    slopes = [own.slope for own in s.parameters.values()]
    by_hand = [s.x.T @ d1, d1.sum(0), a1.T @ d2, d2.sum(0)]
    for found, wanted in zip(slopes, by_hand, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-16)


def test_branches(tmp_path: Path) -> None:
    x, y = data(16)
    residual = gn.nn.Residual(gn.nn.Linear(3, 3), gn.nn.Tanh())
    branches = gn.nn.Parallel(
        gn.nn.Linear(3, 1), gn.nn.Sequential(gn.nn.Linear(3, 1), gn.nn.ReLU())
    )
    model = gn.nn.Sequential(residual, branches, seed=1, dtype="float64")
    path = tmp_path / "run.glass"
    gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(0.1), epochs=1, record=path)
    s = gn.open_step(path)
    assert [own.name for own in s.layers] == [
        "residual1.linear1", "residual1.tanh1", "residual1",
        "parallel1.linear1", "parallel1.sequential1.linear1", "parallel1.sequential1.relu1",
        "parallel1",
    ]  # fmt: skip
    inner = s.layer("residual1")
    np.testing.assert_array_equal(inner.result, s.x + s.layer("residual1.tanh1").result)
    np.testing.assert_array_equal(s.layer("parallel1.linear1").given, inner.result)
    np.testing.assert_array_equal(s.layer("parallel1.sequential1.linear1").given, inner.result)
    assert flat(s, "after").tobytes() == model.W.tobytes()


def test_the_batch_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2, batch_size=16)
    step = gn.open_step(path, epoch=2, row=23)
    assert 23 in step.rows
    with pytest.raises(GlassnetError, match="rows 0 to 69"):
        gn.open_step(path, row=70)
    with pytest.raises(GlassnetError, match="batches 1 to 5"):
        gn.open_step(path, batch=6)
    with pytest.raises(GlassnetError, match="epochs 1 to 2"):
        gn.open_step(path, epoch=3)
    x, y = data()
    with pytest.raises(TrainingError, match="other training data"):
        gn.open_step(path, x + 1, y)


def test_the_texts_hold_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=1, optimizer=gn.optim.SGD(0.1))
    step = gn.open_step(path)
    told = text.overview(step)
    assert f"L   {step.L}" in told
    assert all(name in told for name in ("linear1", "tanh1", "linear2.bias"))
    unit = text.neuron(step, "linear1[3]", at=2)
    w, b = (step.parameters[f"linear1.{n}"].before for n in ("weight", "bias"))
    x = step.x[2]
    terms = " + ".join(f"{factor(x[i])}·{factor(w[i, 3])}" for i in range(3))
    assert f"{terms} + {b[3]!s}" in unit
    assert f"= {step.layer('linear1').result[2, 3]!s}" in unit
    told = text.weight(step, "linear1.weight[2,3]")
    own = step.parameters["linear1.weight"]
    assert f"w ← w − η·∂L/∂w = {own.before[2, 3]!s} − 0.1·{factor(own.slope[2, 3])}" in told
    assert told.endswith(f"w after  = {own.after[2, 3]!s}")
    again = json.loads(json.dumps(values.as_json(step)))
    assert (
        np.array(again["parameters"]["linear1.weight"]["after"], "f4").tolist()
        == own.after.tolist()
    )
    assert "&lt;" not in step._repr_html_()
    for wrong in ("linear9[0]", "linear1[9]", "linear1"):
        with pytest.raises(GlassnetError):
            text.neuron(step, wrong)
    wrong_names = ("linear1.weight[9,9]", "linear1.weight", "other[1]", "linear1.weight[1 2]")
    for wrong in (*wrong_names, "linear1.weight[2,]", "linear1.weight[,2]", "linear1.weight[1]"):
        with pytest.raises(GlassnetError, match=r"is not a weight|has shape \(3, 5\)"):
            text.weight(step, wrong)


def test_dead_and_saturated_units_are_told(tmp_path: Path) -> None:
    x, y = data(16)
    model = gn.nn.Sequential(gn.nn.Linear(3, 4), gn.nn.ReLU(), gn.nn.Linear(4, 2), seed=1)
    model.parameters()["linear1.bias"][1] = -100.0  # a = max(z, 0) is 0 for every row
    path = tmp_path / "run.glass"
    gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(0.1), epochs=1, record=path)
    line = next(line for line in text.overview(gn.open_step(path)).split("\n") if "relu1" in line)
    assert line.endswith("1 dead")


def test_still_units_by_their_derivative_even_in_a_batch_of_one(tmp_path: Path) -> None:
    """tanh′(z) = 1 − tanh²z is 1.8e-4 at z = 5 and 9.9e-3 at z = 3; at z = 20 it is 0 in float32,
    where tanh is 1, so the unit is not dead."""
    model = gn.nn.Sequential(gn.nn.Linear(1, 4), gn.nn.Tanh(), gn.nn.Linear(4, 1), seed=1)
    own = model.parameters()
    own["linear1.weight"][...] = 0.0
    own["linear1.bias"][...] = [0.5, 3.0, 5.0, 20.0]
    path = tmp_path / "run.glass"
    x, y = np.ones((1, 1)), np.zeros((1, 1))
    gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(0.1), epochs=1, record=path)
    step = gn.open_step(path)
    line = next(line for line in text.overview(step).split("\n") if "tanh1" in line)
    assert line.endswith("  2 saturated")
    wanted = 1 - np.tanh([[0.5, 3.0, 5.0, 20.0]]) ** 2
    np.testing.assert_allclose(step.layer("tanh1").derivative, wanted, rtol=1e-3, atol=1e-7)
    assert step.layer("linear1").derivative is None


def test_a_network_of_one_layer(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    x, y = np.array([[1.0, 2.0]]), np.array([[3.0]])
    model = gn.nn.Linear(2, 1)
    model.W[...] = [0.5, 0.25, 1.0]
    gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(0.5), epochs=1, record=path)
    step = gn.open_step(path)
    assert "1.0·0.5 + 2.0·0.25 + 1.0\n  = 2.0" in text.neuron(step, "linear[0]")
    told = text.weight(step, "weight[1,0]")
    assert "row 0  (-1.0)·2.0 = -2.0" in told
    assert told.endswith("w after  = 1.25")


def test_which_units_are_inactive_and_over_which_rows(tmp_path: Path) -> None:
    """Unit 1 is off in both rows; unit 0 in the first only, which one batch of it cannot tell."""
    model = gn.nn.Sequential(gn.nn.Linear(1, 3), gn.nn.ReLU(), gn.nn.Linear(3, 1), dtype="float64")
    model.parameters()["linear1.weight"][...] = [[1.0, 0.0, -1.0]]
    model.parameters()["linear1.bias"][...] = [0.0, -1.0, 0.0]
    x = np.array([[-1.0], [2.0]])
    settings: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "shuffle": False, "epochs": 1}
    for size, told in (
        (2, "inactive in all 2 rows of this batch: relu1[1] dead, 1 of 3"),
        (1, "inactive in the one row of this batch: relu1[0, 1] dead, 2 of 3"),
    ):
        path = tmp_path / f"{size}.glass"
        gn.train(
            model, x, x, optimizer=gn.optim.SGD(1e-12), batch_size=size, record=path, **settings
        )
        step = gn.open_step(path)
        assert told in str(step)
        assert told in step._repr_html_()

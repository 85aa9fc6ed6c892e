"""Where the numbers left the finite range first, what helps, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import DivergenceError
from glassnet.ops import philox

nn, optim = gn.nn, gn.optim
HALF = gn.losses.HalfMSE()
X = philox.normal(50 * 2, 1).reshape(50, 2).astype("float32")
Y = X @ np.array([[3.0], [-2.0]], "float32")


def diverged(model: Any, x: Any = X, y: Any = Y, **settings: Any) -> DivergenceError:
    settings = {"loss": HALF, "optimizer": optim.SGD(0.1), "epochs": 20, **settings}
    with pytest.raises(DivergenceError) as caught:
        gn.train(model, x, y, **settings)
    return caught.value


def about(error: DivergenceError) -> tuple[Any, ...]:
    return error.step, error.operation, error.layer, error.row


@pytest.mark.parametrize("operation", [ops.log, lambda z: ops.exp(z * 1e3)])
def test_what_the_data_alone_decide_is_not_for_the_learning_rate(operation: Any) -> None:
    """Row 17 comes in some later step; updates before it have changed nothing of its number."""
    model = nn.Sequential(lambda z: operation(z), nn.Linear(2, 1))
    x = np.full((50, 2), 1.0 if operation is ops.log else 0.0, "float32")
    x[17, 0] = -1.0 if operation is ops.log else 1.0
    error = diverged(model, x, Y, batch_size=1)
    assert error.step > 1
    assert error.row == 17
    assert "learning rate:" not in str(error)


def test_log_of_a_negative_number_before_any_update() -> None:
    model = nn.Sequential(nn.Linear(2, 1), lambda z: ops.log(z))
    model.W = [1.0, 0.0, 0.0]
    x = np.abs(X) + 1
    x[17, 0] = -0.25  # z of this row
    error = diverged(model, x, Y, batch_size=50)
    assert about(error) == (1, "log", "function1", 17)
    assert "log(-0.25) = nan in function1, row 17" in str(error)
    assert "ops.log(ops.maximum(z, 1e-6))" in str(error)
    assert "smaller learning rate" not in str(error)
    shuffled = diverged(model, x, Y, batch_size=8, seed=4)
    assert shuffled.row == 17
    assert f"step {shuffled.step} (step {shuffled.step} of the run)" in str(shuffled)


def test_a_root_at_0_is_told_in_its_own_step() -> None:
    """The loss of step 2 is finite, its gradient is not; the loss of step 3 would be the first."""
    model = nn.Sequential(nn.Linear(2, 1, bias=False), lambda z: ops.sqrt(z * z))
    x = X.copy()
    x[13] = 0.0
    error = diverged(model, x, np.abs(Y), batch_size=10, shuffle=False)
    assert about(error) == (2, "sqrt", "function1", 13)
    assert "a parameter left the finite range in epoch 1, step 2 " in str(error)
    assert "backward propagation: the derivative of sqrt(0) = 0 in function1, row 13" in str(error)
    assert "1e-6" in str(error)
    step = gn.Step(model, loss=HALF, optimizer=optim.SGD(0.1))
    with pytest.raises(DivergenceError, match=r"step 1; (.|\n)*sqrt\(0\) = 0 in function1, row 3"):
        step(x[10:20], np.abs(Y[10:20]))


def test_the_last_step_of_an_epoch() -> None:
    model = nn.Sequential(nn.Linear(2, 1, bias=False), lambda z: ops.sqrt(z * z))
    x = X.copy()
    x[49] = 0.0
    assert diverged(model, x, np.abs(Y), batch_size=10, shuffle=False).step == 5


def test_an_update_that_is_too_large() -> None:
    error = diverged(
        nn.Sequential(nn.Linear(2, 1)), y=Y * 100, optimizer=optim.SGD(1e38), batch_size=50
    )
    assert error.step == 1
    assert "the update of linear1.weight" in str(error)
    assert "try a smaller learning rate: lr=1e+37" in str(error)


def test_a_loss_that_grows() -> None:
    error = diverged(nn.Sequential(nn.Linear(2, 1)), optimizer=optim.SGD(1000.0), epochs=50)
    assert (error.operation, error.layer) == ("square", "the loss")
    assert "try a smaller learning rate: lr=1e+02" in str(error)
    history = error.history
    assert history.stopped == "diverged"
    assert len(history.loss) == (error.step - 1) // 2 > 0
    assert all(np.isfinite(history.loss))


def test_the_rows_are_those_of_the_user() -> None:
    model = nn.Sequential(nn.Linear(2, 1), lambda z: ops.log(z))
    model.W = [1.0, 0.0, 0.0]
    x = np.abs(X) + 1
    x[17, 0] = -0.25
    seeds = [seed for seed in range(9) if 17 not in _held_out(seed)][:2]
    for seed in seeds:
        assert diverged(model, x, Y, validation=0.5, seed=seed).row == 17


def _held_out(seed: int) -> np.ndarray:
    return philox.permutation(50, seed, (1 << 16) + 1)[:25]


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_it_goes_on_from_the_last_epoch_with_another_rate(average: float) -> None:
    """The epochs before are those of a call that stopped there, memory included."""
    rule = {"momentum": 0.5, "average": average}
    growing = optim.SGD(optim.Exponential(0.01, gamma=1e38), **rule)
    model, known = nn.Sequential(nn.Linear(2, 1)), nn.Sequential(nn.Linear(2, 1))
    error = diverged(model, optimizer=growing, epochs=5)
    done = len(error.history.loss)
    assert done == 1
    before = gn.train(known, X, Y, loss=HALF, optimizer=growing, epochs=done)
    assert before.loss == error.history.loss
    assert model.W.tobytes() == known.W.tobytes()
    small: dict[str, Any] = {"loss": HALF, "optimizer": optim.SGD(1e-3, **rule), "epochs": 2}
    first = gn.train(model, X, Y, after=error.history, **small)
    second = gn.train(known, X, Y, after=before, **small)
    assert first.loss == second.loss
    assert model.W.tobytes() == known.W.tobytes()


def test_the_ledger_opens_the_epoch_that_diverged(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model = nn.Sequential(nn.Linear(2, 1))
    error = diverged(model, optimizer=optim.SGD(1000.0), epochs=50, record=path)
    epoch = len(error.history.loss) + 1
    step = gn.open_step(path, epoch=epoch, batch=1 + (error.step - 1) % 2)
    assert not np.isfinite(step.L)
    ledger = gn.open_ledger(path, "linear1.weight[0,0]", epoch=epoch)
    assert [own.epoch for own in ledger.entries] == [epoch] * 2
    place = (error.step - 1) % 2
    assert ledger.entries[place].before == step.parameters["linear1.weight"].before[0, 0]
    whole = gn.open_ledger(path, "linear1.weight[0,0]")
    assert whole.entries[-1].epoch == epoch
    assert f"epochs 1 to {epoch}" in str(whole)


def test_the_rows_that_broke_the_training_come_first(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model = nn.Sequential(nn.Linear(2, 1), lambda z: ops.log(z))
    model.W = [1.0, 0.0, 0.0]
    x = np.abs(X) + 1
    x[17, 0] = -0.25
    diverged(model, x, Y, batch_size=50, record=path)
    step = gn.open_step(path, row=17, model=model)
    told = str(step).split("rows with the largest")[-1] if "largest" in str(step) else str(step)
    assert told.index("row 17") < told.index("row ", told.index("row 17") + 5)
    ledger = str(gn.open_ledger(path, "linear1.weight[0,0]", epoch=1, model=model))
    assert "17: nan" in ledger

"""Going on with a training: `gn.train(…, after=history)` has the bits of one longer call."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ModelFileError, TrainingError
from glassnet.training import EarlyStopping
from glassnet.training.step_runner import StepRunner
from tests.training.common import HALF, data, network

optim = gn.optim
X, Y = data(23)
EVERYTHING = optim.Adam(optim.InverseScaling(0.05), average=0.9, groups=[optim.Group("*.bias")])


def dropping(seed: int = 0) -> gn.nn.Sequential:
    return gn.nn.Sequential(
        gn.nn.Linear(3, 6), gn.nn.Tanh(), gn.nn.Dropout(0.4), gn.nn.Linear(6, 2), seed=seed
    )


def train(model: Any, epochs: int, optimizer: Any = EVERYTHING, **settings: Any) -> Any:
    settings = {"batch_size": 5, "seed": 3, "validation": (X[:7], Y[:7]), **settings}
    return gn.train(model, X, Y, loss=HALF, optimizer=optimizer, epochs=epochs, **settings)


def same(one: Any, other: Any) -> None:
    (a, first), (b, second) = one, other
    assert a.W.tobytes() == b.W.tobytes()
    assert first.loss == second.loss
    assert first.validation_loss == second.validation_loss
    assert first.best_epoch == second.best_epoch
    assert first.evaluations == second.evaluations


@pytest.mark.parametrize(
    "optimizer",
    [EVERYTHING, optim.SGD(0.05, momentum=0.9), optim.SGD(optim.StepDecay(0.1, every=2)),
     optim.Adam(optim.ReduceOnPlateau(0.05, patience=1))],
    ids=["average", "momentum", "decay", "plateau"],
)  # fmt: skip
def test_the_bits_of_one_longer_call(optimizer: Any) -> None:
    whole, parts = dropping(), dropping()
    wanted = train(whole, 6, optimizer)
    history = train(parts, 1, optimizer)
    for epochs in (1, 1, 3):
        history = train(parts, epochs, optimizer, after=history)
    same((parts, history), (whole, wanted))


def test_a_search_goes_on() -> None:
    search = optim.RandomSearch(near=True)
    whole, parts = network(), network()
    wanted = train(whole, 9, search)
    history = train(parts, 2, search)
    same((parts, train(parts, 7, search, after=history)), (whole, wanted))


def test_without_after_everything_starts_anew() -> None:
    """The same units are dropped again, and Adam has forgotten its means; the docstring says so."""
    seen: list[np.ndarray] = []
    model = dropping()
    first = model.W.copy()
    for _ in range(2):
        model.W = first
        train(model, 1)
        seen.append(model.W.copy())
    np.testing.assert_array_equal(*seen)
    text = " ".join(str(gn.train.__doc__).split())
    assert "start anew" in text[:400]
    assert "after=history" in text


def test_early_stopping_keeps_its_memory() -> None:
    def stopping() -> list[Any]:
        return [EarlyStopping(patience=3)]

    whole, parts = dropping(), dropping()
    against = {"validation": (X, -3 * Y)}  # to learn is to get worse
    wanted = train(whole, 20, callbacks=stopping(), **against)
    assert (wanted.stopped, len(wanted.loss)) == ("early", wanted.best_epoch + 3)
    history = train(parts, wanted.best_epoch + 1, callbacks=stopping(), **against)
    history = train(parts, 9, callbacks=stopping(), after=history, **against)
    assert history.stopped == "early"
    same((parts, history), (whole, wanted))


def test_after_it_has_stopped_patience_begins_anew() -> None:
    model = dropping()
    against = {"validation": (X, -3 * Y), "callbacks": [EarlyStopping(patience=2)]}
    first = train(model, 20, **against)
    best = model.W.copy()
    second = train(model, 20, after=first, **against)
    assert len(second.loss) == len(first.loss) + 2
    assert second.best_epoch == first.best_epoch
    np.testing.assert_array_equal(model.W, best)


def test_a_plan_over_several_calls() -> None:
    """Cosine goes by the length of the run, which both calls name by what is left."""
    rule = optim.SGD(optim.Cosine(0.1))
    whole, parts = network(), network()
    wanted = train(whole, 6, rule)
    history = train(parts, 6, rule, callbacks=[lambda run: run.epoch == 2])
    assert len(history.loss) == 2
    same((parts, train(parts, 4, rule, after=history)), (whole, wanted))


class Interrupt:
    """Ctrl-C within an epoch, after so many steps of the run."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def overdue(self, run: Any) -> None:
        if run.steps_done == self.steps:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("steps", [8, 13, 14, 15])
@pytest.mark.parametrize("weighted", [False, True])
def test_after_ctrl_c_it_goes_on_within_the_epoch(
    steps: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassnet.training.step_runner.CALL_SECONDS", 0.0)  # one step a call
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    weight = {"sample_weight": 1 + X[:, 0] ** 2} if weighted else {}
    try:
        whole, parts = dropping(), dropping()
        wanted = train(whole, 5, **weight)
        history = train(parts, 5, callbacks=[Interrupt(steps)], **weight)
        assert history.stopped == "interrupted"
        left = 5 - len(history.loss)
        assert 0 < left < 5
        history = train(parts, left, after=history, **weight)
    finally:
        signal.signal(signal.SIGINT, before)
    same((parts, history), (whole, wanted))


class Late:
    """A limit of time that comes within an epoch."""

    reason = "time"

    def overdue(self, run: Any) -> bool:
        return run.steps_done >= 12


def test_after_a_time_limit_the_epoch_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassnet.training.step_runner.CALL_SECONDS", 0.0)
    whole, parts = dropping(), dropping()
    wanted = train(whole, 5)
    history = train(parts, 5, callbacks=[Late()])
    assert (history.stopped, len(history.loss)) == ("time", 3)  # the third has two steps only
    history = train(parts, 3, after=history)
    same((parts, history), (whole, wanted))


def test_a_history_can_go_on_twice_from_the_same_weights() -> None:
    model = dropping()
    history = train(model, 2)
    kept = model.W.copy()
    first = train(model, 2, after=history), model.W.copy()
    model.W = kept
    second = train(model, 2, after=history), model.W.copy()
    np.testing.assert_array_equal(first[1], second[1])
    assert first[0].loss == second[0].loss


def test_step_goes_on_with_a_training() -> None:
    rule = optim.Adam(0.05, amsgrad=True)
    whole, parts = network(), network()
    settings: dict[str, Any] = {"batch_size": 23, "shuffle": False, "validation": None}
    train(whole, 5, rule, **settings)
    history = train(parts, 2, rule, **settings)
    step = gn.Step(parts, loss=HALF, optimizer=rule, seed=3, after=history)
    assert step.count == 2
    for _ in range(3):
        step(X, Y)
    assert parts.W.tobytes() == whole.W.tobytes()


def test_a_recorded_training_goes_on(tmp_path: Path) -> None:
    whole, parts = dropping(), dropping()
    wanted = train(whole, 6, record=tmp_path / "whole.glass")
    history = train(parts, 2)
    history = train(parts, 3, after=history, record=tmp_path / "parts.glass")
    parts, history = gn.resume(tmp_path / "parts.glass", epochs=6)
    assert parts.W.tobytes() == whole.W.tobytes()
    assert history.loss == wanted.loss
    for epoch, batch in ((3, 2), (6, 5)):
        found, known = (
            gn.open_step(tmp_path / f"{name}.glass", epoch=epoch, batch=batch)
            for name in ("parts", "whole")
        )
        assert found.L == known.L
        np.testing.assert_array_equal(found.rows, known.rows)
    with pytest.raises(ModelFileError, match="recorded from the end of epoch 2 on"):
        gn.open_step(tmp_path / "parts.glass", epoch=2)
    ledger = gn.open_ledger(tmp_path / "parts.glass", "linear1.weight[0,0]")
    assert (ledger.first_epoch, len(ledger.entries), ledger.is_verified) == (3, 20, True)


def test_a_resumed_training_goes_on(tmp_path: Path) -> None:
    whole = dropping()
    wanted = train(whole, 6)
    train(dropping(), 2, record=tmp_path / "a.glass")
    model, history = gn.resume(tmp_path / "a.glass", epochs=4)
    same((model, train(model, 2, after=history)), (whole, wanted))


CASES: list[tuple[dict[str, Any], str]] = [
    ({"optimizer": optim.SGD(0.1)}, r"it had optimizer=Adam.*this call has SGD"),
    ({"optimizer": optim.Adam(0.1)}, "it had optimizer=Adam"),  # without the mean weights
    ({"batch_size": 6}, "it had batch_size=5, and this call has 6"),
    ({"seed": 0}, "it had seed=3, and this call has 0"),
    ({"shuffle": False}, "it had shuffle=True"),
    ({"validation": None}, "it had validation data"),
    ({"after": 3}, "after=int: wanted the History"),
    ({"after": gn.nn.Linear(2, 2)}, "after=Linear: wanted the History"),
]


@pytest.mark.parametrize(("change", "text"), CASES)
def test_what_does_not_fit_is_refused(change: dict[str, Any], text: str) -> None:
    model = dropping()
    history = train(model, 1)
    before = model.W.copy()
    with pytest.raises(TrainingError, match=text):
        train(model, 1, **{"after": history, **change})
    np.testing.assert_array_equal(model.W, before)


def test_other_data_and_models_are_refused() -> None:
    model = dropping()
    history = train(model, 1)
    own: dict[str, Any] = {
        "loss": HALF, "optimizer": EVERYTHING, "epochs": 1, "seed": 3, "batch_size": 5,
        "validation": (X, Y),
    }  # fmt: skip
    with pytest.raises(TrainingError, match="it had 23 rows, and these data have 22"):
        gn.train(model, X[1:], Y[1:], after=history, **own)
    for other in (dropping(seed=1), network()):
        with pytest.raises(TrainingError, match=r"model.W has changed since that training"):
            train(other, 1, after=history)
    train(model, 1, after=history)
    with pytest.raises(TrainingError, match="the history of the last training"):
        train(model, 1, after=history)  # of the call before the last


def test_lbfgs_begins_anew() -> None:
    model = network()
    history = train(model, 1, optim.LBFGS(), validation=None)
    with pytest.raises(TrainingError, match="L-BFGS does not expose its state"):
        train(model, 1, optim.LBFGS(), validation=None, after=history)


def test_a_training_broken_off_in_a_step_cannot_go_on() -> None:
    model = dropping()
    with mock.patch.object(StepRunner, "run", side_effect=KeyboardInterrupt):
        history = train(model, 3)
    assert history.stopped == "interrupted"
    with pytest.raises(TrainingError, match=r"in the middle of a step \(stopped='interrupted'\)"):
        train(model, 3, after=history)

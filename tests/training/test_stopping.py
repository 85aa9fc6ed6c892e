"""When training stops, and what it leaves: patience, time, Ctrl-C, numbers out of range."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.graph.types import Type
from glassnet.training import Callback, EarlyStopping, TimeLimit
from glassnet.training.epoch_blocks import EpochBlocks
from glassnet.training.step_runner import StepRunner
from tests.training.common import HALF, SGD, data, network


class Scores:
    """A score that follows a list; remembers the weights it saw."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.weights = list(scores), list[np.ndarray]()

    def __call__(self, model: gn.nn.Module) -> float:
        self.weights.append(model.W.copy())
        return self.scores[len(self.weights) - 1]


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_early_stopping_restores_the_best() -> None:
    x, y = data()
    model = network()
    score = Scores(3.0, 1.0, 2.0, 1.0, 1.5, 0.0)
    history = gn.train(
        model, x, y, loss=HALF, optimizer=SGD, epochs=9,
        callbacks=[EarlyStopping(patience=3, score=score)],
    )  # fmt: skip
    # the second epoch was the best, the next three were not better
    assert history.stopped == "early"
    assert history.best_epoch == 2
    assert len(history.loss) == 5
    np.testing.assert_array_equal(model.W, score.weights[1])


def test_early_stopping_watches_the_validation_loss() -> None:
    x, y = data()
    model = network()
    # to learn the labels of the training rows is to move away from their opposite
    stopping = EarlyStopping(patience=2)
    options: dict[str, Any] = {"loss": HALF, "optimizer": SGD, "callbacks": [stopping]}
    history = gn.train(model, x, y, epochs=50, validation=(x, -3 * y), **options)
    assert history.stopped == "early"
    best = history.validation_loss.index(min(history.validation_loss)) + 1
    assert history.best_epoch == best == len(history.loss) - 2
    again = gn.train(model, x, y, epochs=1, validation=(x, y), **options)
    assert again.stopped == "epochs"  # a callback used twice starts afresh
    assert again.best_epoch == 1


def test_min_delta() -> None:
    x, y = data()
    score = Scores(3.0, 2.95, 2.8, 2.75, 2.71)
    history = gn.train(
        network(), x, y, loss=HALF, optimizer=SGD, epochs=9,
        callbacks=[EarlyStopping(patience=2, min_delta=0.1, score=score)],
    )  # fmt: skip
    assert (history.best_epoch, len(history.loss)) == (3, 5)


def test_nan_scores_are_never_the_best() -> None:
    x, y = data()
    score = Scores(math.nan, 2.0, math.nan, math.nan)
    history = gn.train(
        network(), x, y, loss=HALF, optimizer=SGD, epochs=9,
        callbacks=[EarlyStopping(patience=2, score=score)],
    )  # fmt: skip
    assert (history.best_epoch, len(history.loss)) == (2, 4)


def test_early_stopping_without_anything_to_watch() -> None:
    x, y = data()
    with pytest.raises(TrainingError, match=r"validation=\(x_val, y_val\)"):
        gn.train(network(), x, y, loss=HALF, optimizer=SGD, epochs=2, callbacks=[EarlyStopping()])


def test_a_time_limit_ends_an_epoch_in_its_middle() -> None:
    x, y = data(200_000)
    model = network()
    start = time.process_time()
    history = gn.train(
        model, x, y, loss=HALF, optimizer=gn.optim.SGD(lr=1e-4), epochs=10_000, batch_size=1,
        validation=(x[:10], y[:10]), callbacks=[TimeLimit(0.3)],
    )  # fmt: skip
    assert time.process_time() - start < 10  # all epochs take an hour
    assert history.stopped == "time"
    assert len(history.loss) == len(history.validation_loss) >= 1
    assert np.isfinite(model.W).all()


def test_ctrl_c_leaves_a_usable_model() -> None:
    x, y = data(50_000)
    model = network()
    before = model.W.copy()
    begun = threading.Event()

    class Begun(Callback):
        def epoch_end(self, run: Any) -> None:
            begun.set()

    def press() -> None:
        begun.wait()
        time.sleep(0.1)  # most likely into machine code
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    history = gn.train(
        model, x, y, loss=HALF, optimizer=gn.optim.SGD(lr=1e-4), epochs=1_000_000, batch_size=1,
        callbacks=[Begun()],
    )  # fmt: skip
    presser.join()
    assert history.stopped == "interrupted"
    assert (before != model.W).any()
    assert np.isfinite(model(x[:5])).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_leaves_the_numbers_of_the_last_whole_epoch() -> None:
    """It comes in the middle of a step of the third epoch, when some weights are already new."""
    x, y = data()
    model, whole = network(), network()
    run, calls = StepRunner.run, list[int]()

    def stopped(self: StepRunner, *args: Any) -> np.ndarray:
        calls.append(1)
        if len(calls) == 3:
            model.W[::2] = 7.0
            raise KeyboardInterrupt
        return run(self, *args)

    one_by_one = mock.patch.object(EpochBlocks, "of", return_value=None)
    with one_by_one, mock.patch.object(StepRunner, "run", stopped):
        history = gn.train(model, x, y, loss=HALF, optimizer=SGD, epochs=5)
    gn.train(whole, x, y, loss=HALF, optimizer=SGD, epochs=2)
    assert (history.stopped, len(history.loss)) == ("interrupted", 2)
    np.testing.assert_array_equal(model.W, whole.W)


@pytest.mark.parametrize(("weights", "wanted"), [(1000, 8), (3_000_000, 1)])
def test_the_first_call_is_short(weights: int, wanted: int) -> None:
    """Until it is over nobody knows how long a step takes, and Ctrl-C has to wait."""
    seen: list[int] = []

    class Fake:
        plan = SimpleNamespace(graph=SimpleNamespace(input_types={"lr": Type("float32", ())}))

        def prepare(self, arrays: Any, steps: int, *rest: Any) -> Any:
            seen.append(steps)
            return lambda: [np.zeros(steps)]

    arrays = {"x": np.zeros((9, 1)), "W.linear1.weight": np.zeros(weights)}
    stepper = StepRunner(Fake(), arrays, 1)  # type: ignore[arg-type]
    losses = stepper.run(np.zeros((20, 4), np.int32), np.zeros(20), 0)
    assert (seen[0], len(losses)) == (wanted, 20)


def test_ctrl_c_in_a_callback() -> None:
    x, y = data()
    ended: list[int] = []

    class Stop(Callback):
        def epoch_end(self, run: Any) -> None:
            raise KeyboardInterrupt

        def train_end(self, run: Any) -> None:
            ended.append(run.epoch)

    history = gn.train(
        network(), x, y, loss=HALF, optimizer=SGD, epochs=5, callbacks=[Stop(), EarlyStopping()]
    )
    assert (history.stopped, ended) == ("interrupted", [1])


def test_training_works_outside_the_main_thread() -> None:
    x, y = data()
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.append(gn.train(network(), x, y, loss=HALF, optimizer=SGD, epochs=1))
    )
    thread.start()
    thread.join()
    assert found[0].stopped == "epochs"


def test_divergence_names_the_step_and_puts_the_model_back() -> None:
    x, y = data(20)
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), dtype="float32")
    seen: list[np.ndarray] = []

    class Watch(Callback):
        def epoch_end(self, run: Any) -> None:
            seen.append(model.W.copy())

    with pytest.raises(TrainingError) as caught:
        gn.train(
            model, x, y, loss=HALF, optimizer=gn.optim.SGD(lr=1000.0), epochs=50, batch_size=10,
            callbacks=[Watch()],
        )  # fmt: skip
    message = str(caught.value)
    epoch = len(seen) + 1
    assert f"in epoch {epoch}, step " in message
    assert "lr=1e+02" in message
    assert f"restored to the end of epoch {epoch - 1}" in message
    np.testing.assert_array_equal(model.W, seen[-1])
    assert np.isfinite(model.W).all()


def test_divergence_in_the_first_epoch_puts_back_the_start() -> None:
    x, y = data(20)
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), dtype="float32")
    before = model.W.copy()
    with pytest.raises(TrainingError, match="scale x, whose largest number is"):
        gn.train(model, x * 1e30, y, loss=HALF, optimizer=SGD, epochs=1)
    np.testing.assert_array_equal(model.W, before)

"""A model is trained by one call at a time: however two calls meet, the second is refused."""

from __future__ import annotations

import copy
import os
import pickle
import threading
import timeit
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.training.exclusive import InTraining, _register
from glassnet.training.finder import find_lr

X = np.linspace(-1, 1, 24).reshape(12, 2)
Y = X[:, 0] - X[:, 1]
HOW: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "optimizer": gn.optim.SGD(0.1)}


def network() -> Any:
    return gn.nn.Sequential(gn.nn.Linear(2, 1), dtype="float64")


def train(model: Any, **more: Any) -> Any:
    return gn.train(model, X, Y, **{**HOW, "epochs": 2, "batch_size": 12, **more})


class During:
    """A callback that does something in the middle of a training."""

    def __init__(self, what: Callable[[], Any], by_thread: bool) -> None:
        self.what, self.by_thread = what, by_thread
        self.errors: list[BaseException | None] = []

    def epoch_end(self, run: Any) -> None:
        if not self.by_thread:
            self._do()
            return
        thread = threading.Thread(target=self._do)
        thread.start()
        thread.join()

    def _do(self) -> None:
        try:
            self.what()
            self.errors.append(None)
        except TrainingError as error:
            self.errors.append(error)

    def train_end(self, run: Any) -> None: ...


def step_of(model: Any, folder: Path) -> Callable[[], Any]:
    step = gn.Step(model, **HOW)
    return lambda: step(X, Y)


def restore_of(model: Any, folder: Path) -> Callable[[], Any]:
    step = gn.Step(model, **HOW)
    return lambda: step.restore(step.state())


def resume_of(model: Any, folder: Path) -> Callable[[], Any]:
    path = folder / "r.glass"
    train(model, record=path)
    return lambda: gn.resume(path, X, Y, model=model, epochs=3)


SECOND: dict[str, Callable[[Any, Path], Callable[[], Any]]] = {
    "train": lambda model, folder: lambda: train(model),
    "L-BFGS": lambda model, folder: lambda: train(model, optimizer=gn.optim.LBFGS()),
    "random search": lambda model, folder: lambda: train(model, optimizer=gn.optim.RandomSearch()),
    "step": step_of,
    "restore": restore_of,
    "find_lr": lambda model, folder: lambda: find_lr(model, X, Y, steps=3, **HOW),
    "resume": resume_of,
    "shared weights": lambda model, folder: lambda: train(sharing(model)),
}


def sharing(model: Any) -> Any:
    """Another model whose layers, and so its weights, are those of the model."""
    return gn.nn.Sequential(*model)


@pytest.mark.parametrize("by_thread", [True, False], ids=["thread", "callback"])
@pytest.mark.parametrize("way", SECOND)
def test_the_second_is_refused_and_the_first_ends_as_if_alone(
    way: str, by_thread: bool, tmp_path: Path
) -> None:
    model, alone = network(), network()
    during = During(SECOND[way](model, tmp_path), by_thread)
    model.W = alone.W
    train(alone)
    train(model, callbacks=[during])
    assert len(during.errors) == 2
    for error in during.errors:
        assert error is not None
        assert ("another thread" if by_thread else "callback") in str(error)
    assert model.W.tobytes() == alone.W.tobytes()
    assert not _register.alive()
    train(model)  # afterwards it may be trained again


def test_threads_that_train_one_model_lose_no_update() -> None:
    model, updates, refused = network(), [], []
    step = gn.Step(model, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(1e-3))

    def work() -> None:
        for _ in range(200):
            try:
                step(X, Y)
                updates.append(1)
            except TrainingError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(updates) + len(refused) == 800
    assert step.count == len(updates)
    alone = network()
    again = gn.Step(alone, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(1e-3))
    for _ in updates:
        again(X, Y)
    assert alone.W.tobytes() == model.W.tobytes()


def test_other_models_and_copies_and_answers_are_free() -> None:
    model, found = network(), []

    def others() -> None:
        found.append(model(X))
        for own in (network(), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            train(own)

    for by_thread in (True, False):
        during = During(others, by_thread)
        train(model, callbacks=[during])
        assert during.errors == [None, None]
    assert len(found) == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_it_is_free_after_any_end(error: type[BaseException]) -> None:
    class Fails:
        def epoch_end(self, run: Any) -> None:
            raise error

        def train_end(self, run: Any) -> None: ...

    model = network()
    with suppress(error):
        train(model, callbacks=[Fails()])
    assert not _register.alive()
    train(model)


def test_a_step_that_ctrl_c_left_behind_can_be_taken_again() -> None:
    model = network()
    step = gn.Step(model, **HOW)
    step._alone.__enter__()  # as when Ctrl-C comes before the first line inside
    step(X, Y)
    assert not _register.alive()
    train(model)


def test_a_context_that_is_dropped_without_an_end_holds_nothing() -> None:
    model = network()
    InTraining(model).__enter__()  # as when Ctrl-C comes before the first line inside
    assert not _register.alive()
    train(model)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_trains_what_a_thread_of_its_parent_was_training() -> None:
    model, status = network(), []

    def fork() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # forking with threads may be warned of
            child = os.fork()
        if not child:
            try:
                train(model)
                os._exit(0)
            except BaseException:
                os._exit(1)
        status.append(os.waitpid(child, 0)[1])

    train(model, callbacks=[During(fork, True)])
    assert status == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: gn.MLPRegressor(max_iter=3, random_state=0),
        lambda: gn.MLPRegressor(max_iter=3, random_state=0, solver="lbfgs"),
        lambda: gn.TabularRegressor(max_epochs=2),
    ],
)
def test_an_estimator_is_fitted_by_one_call_at_a_time(make: Callable[[], Any]) -> None:
    est = make()
    with InTraining(est), pytest.raises(TrainingError, match=f"this {type(est).__name__} is being"):
        est.fit(np.repeat(X, 3, 0), np.repeat(Y, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with InTraining(make()):
            est.fit(np.repeat(X, 3, 0), np.repeat(Y, 3))
    assert not _register.alive()


def test_first_weights_are_made_once_however_many_threads_ask() -> None:
    for _ in range(20):
        model, found = gn.nn.Sequential(gn.nn.Linear(200, 50)), []
        gate = threading.Barrier(4)

        def ask(model: Any = model, found: Any = found, gate: Any = gate) -> None:
            gate.wait()
            found.append(model.W)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.shares_memory(own, model.W) for own in found)


def test_it_costs_little() -> None:
    model = network()

    def enter() -> None:
        with InTraining(model):
            pass

    assert min(timeit.repeat(enter, number=2000, repeat=5)) / 2000 < 50e-6  # 2 µs where idle

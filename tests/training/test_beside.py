"""Code for known widths that is made beside a training: the same bits, whenever it takes over."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import DivergenceError
from glassnet.run import beside, cache
from glassnet.run.beside import BesideCompiler, Offer
from glassnet.run.compiled import CodeVariant, Compiled
from glassnet.training import programs
from glassnet.training.epoch_blocks import EpochBlocks
from glassnet.training.step_runner import StepRunner
from tests.engine.variants import thresholds
from tests.training.common import HALF, SGD, data

X, Y = data(50, 7)
EPOCHS = 6
OPENED, KNOWN = "open widths", "known widths"


def network(dtype: str = "float32", *more: Any) -> Any:
    """Other widths than those of other tests, so that no code for them is there."""
    layers = gn.nn.Linear(7, 23), gn.nn.Sigmoid(), *more, gn.nn.Linear(23, 2)
    return gn.nn.Sequential(*layers, seed=2, dtype=dtype)


PLAIN = CodeVariant()


class TakeOver:
    """Known code is hidden until a training asks for it for the n-th time; never for 0."""

    def __init__(self, at: int) -> None:
        self.at, self.asked, self.used = at, 0, list[str]()

    @contextmanager
    def forced(self) -> Iterator[TakeOver]:
        build, choose = Compiled.build, Compiled._choose

        def hidden(own: Compiled, kind: Any = PLAIN, only_cached: bool = False) -> Any:
            if kind == CodeVariant(own._widths, kind.use):
                return build(own, kind, only_cached)
            return build(own, kind) if self.over or not only_cached else None

        def noted(own: Compiled, *given: Any) -> Any:
            found = choose(own, *given)
            exact = len(found.image.dims) == len(own.plan.graph.dims) - len(own._open)
            self.used.append(KNOWN if exact else OPENED)
            return found

        def finished(own: BesideCompiler) -> bool:
            self.asked += 1
            return self.asked == self.at

        with (
            mock.patch.object(Compiled, "build", hidden),
            mock.patch.object(Compiled, "_choose", noted),
            mock.patch.object(BesideCompiler, "finished", finished),
            mock.patch.object(BesideCompiler, "consider"),
        ):
            yield self

    @property
    def over(self) -> bool:
        return 0 < self.at <= self.asked


def train(model: Any, **given: Any) -> tuple[bytes, list[float], list[float], Any]:
    """The weights, the losses, and the optimiser's memory."""
    given = {"loss": HALF, "optimizer": SGD, "epochs": EPOCHS, "batch_size": 16, **given}
    history = gn.train(model, X, Y, **given)
    memory = {name: array.tobytes() for name, array in history.state.memory.items()}
    return model.W.tobytes(), history.loss, history.validation_loss, memory


CASES: dict[str, dict[str, Any]] = {
    "blocks": {},
    "callbacks": {"callbacks": [lambda run: None]},
    "validation": {"validation": (X[:20], Y[:20])},
    "momentum": {"optimizer": gn.optim.Adam(0.01)},
    "a mean of the weights": {"optimizer": gn.optim.SGD(0.05, average=0.9)},
    "two threads": {"threads": 2},
}


@pytest.fixture(autouse=True)
def loops() -> Iterator[None]:
    with thresholds(threads=0):
        yield


@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_wherever_known_code_takes_over(name: str) -> None:
    given, seen = CASES[name], set[str]()
    short = mock.patch("glassnet.training.epoch_blocks.PIECE", 0.0)  # an epoch a block
    with short, TakeOver(0).forced() as never:
        expected = train(network(), **given)
    assert {*never.used} == {OPENED}
    assert never.asked >= EPOCHS
    for place in range(1, never.asked + 1):
        with short, TakeOver(place).forced() as late:
            assert train(network(), **given) == expected
        seen |= {*late.used}
    assert seen == {OPENED, KNOWN}


def test_rows_that_lie_apart_and_estimators_keep_their_bits() -> None:
    sparse = pytest.importorskip("scipy.sparse")

    def gathered() -> bytes:
        model = network()
        gn.train(model, sparse.csr_matrix(X), Y, loss=HALF, optimizer=SGD, epochs=2)
        return model.W.tobytes()

    def fitted() -> list[bytes]:
        settings = {"batch_size": 16, "max_iter": EPOCHS, "random_state": 0}
        several = mock.patch("glassnet.training.epoch_blocks.EPOCHS", 2)  # of a block
        with several, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            found = gn.MLPRegressor(hidden_layer_sizes=(23,), **settings).fit(
                X.astype("float32"), Y
            )
        return [array.tobytes() for array in (*found.coefs_, *found.intercepts_)]

    for train_once in (gathered, fitted):
        with TakeOver(0).forced() as never:
            expected = train_once()
        assert never.asked > 1
        for place in {1, (never.asked + 1) // 2, never.asked}:
            with TakeOver(place).forced() as late:
                assert train_once() == expected
            assert KNOWN in late.used or place == never.asked


@pytest.mark.parametrize("blocks", [True, False])
def test_what_diverges_is_put_back_wherever_known_code_takes_over(blocks: bool) -> None:
    steep = {"optimizer": gn.optim.SGD(1e3), "loss": gn.losses.MSE(), "epochs": 20}
    one_by_one = mock.patch.object(EpochBlocks, "of", return_value=None)

    def end() -> tuple[str, bytes, list[float]]:
        model = network("float32", gn.nn.ReLU())
        with pytest.raises(DivergenceError) as caught:
            train(model, **steep)
        return str(caught.value), model.W.tobytes(), caught.value.history.loss

    with nullcontext() if blocks else one_by_one:
        with TakeOver(0).forced() as never:
            expected = end()
        for place in range(1, never.asked + 1):
            with TakeOver(place).forced():
                assert end() == expected


def test_a_record_is_the_same_and_is_gone_on_with(tmp_path: Path) -> None:
    ends: list[tuple[bytes, list[float]]] = []
    for place in (0, 3):
        path = tmp_path / f"{place}.glassrun"
        with TakeOver(place).forced() as late:
            train(network(), record=path)
        assert (KNOWN in late.used) == (place > 0)
        with TakeOver(place).forced():
            more, history = gn.resume(path, X, Y, epochs=2 * EPOCHS)
        ends.append((more.W.tobytes(), history.loss))
    assert ends[0] == ends[1]


# With the thread itself ------------------------------------------------------------------------


class Waits:
    """A callback: after the second epoch it waits until the code is made."""

    def epoch_end(self, run: Any) -> None:
        if run.epoch == 2:
            for thread in compilers():
                thread.join()


def compilers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == beside.THREAD]


@contextmanager
def pays_at_once() -> Iterator[None]:
    off = mock.patch.dict("os.environ", {cache.VARIABLE: "off"})
    spare = mock.patch.object(beside, "WORTH_SPARE", 0.0)
    with off, spare, mock.patch.object(beside, "WORTH_SHARED", 0.0):
        yield


def test_code_is_made_on_a_thread_and_takes_over() -> None:
    with TakeOver(0).forced():
        expected = train(network())
    uses: list[int] = []
    choose = Compiled._choose

    def noted(own: Compiled, *given: Any) -> Any:
        found = choose(own, *given)
        uses.append(len(found.image.dims))
        return found

    programs.clear_shared()
    with pays_at_once(), mock.patch.object(Compiled, "_choose", noted):
        found = train(network(), callbacks=[Waits()])
        assert found == expected
        assert uses[0] > uses[-1]  # fewer sizes are open
        assert not compilers()
        del uses[:]
        train(network())
    assert len({*uses}) == 1  # known from the first step on


def failing(own: Compiled, kind: CodeVariant) -> None:
    raise MemoryError("no room")


def test_code_that_cannot_be_made_is_told_once_and_trains_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TakeOver(0).forced():
        expected = train(network())
    beside._warn_once.cache_clear()
    with pays_at_once(), mock.patch.object(Compiled, "_make_beside", failing):
        for callbacks in ([Waits()], []):
            programs.clear_shared()
            assert train(network(), callbacks=callbacks) == expected
    told = capsys.readouterr().err
    assert told.count("no faster code could be compiled") == 1
    assert "MemoryError: no room" in told


def test_a_thread_that_cannot_be_started_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    beside._warn_once.cache_clear()
    compiler = BesideCompiler()
    compiler.offer("code", Offer(lambda: None, 0.0, 1))
    with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("no more threads")):
        compiler.consider(1.0)
    assert not compiler.finished()
    compiler.close()
    assert "RuntimeError: no more threads" in capsys.readouterr().err


def test_offers_are_not_considered_all_the_time() -> None:
    compiler = BesideCompiler()
    compiler.offer("code", Offer(lambda: None, 1.0, 1))
    with mock.patch.object(beside, "thread_count", return_value=1) as asked:
        for _ in range(3):
            compiler.consider(0.5)
    assert asked.call_count == 1


def test_no_thread_is_left_after_ctrl_c() -> None:
    begun, made = threading.Event(), list[str]()

    def slow(own: Compiled, kind: CodeVariant) -> None:
        begun.set()
        time.sleep(0.1)
        made.append("made")

    class Press:
        def epoch_end(self, run: Any) -> None:
            assert begun.wait(10)
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pays_at_once(), mock.patch.object(Compiled, "_make_beside", slow):
            model = network()
            settings = {"loss": HALF, "optimizer": SGD, "callbacks": [Press()]}
            history = gn.train(model, X, Y, epochs=EPOCHS, **settings)
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.stopped == "interrupted"
    assert len(history.loss) == 1
    assert made
    assert not compilers()
    assert np.isfinite(model.W).all()


def test_a_second_ctrl_c_waits_for_the_thread_too() -> None:
    seen = list[str]()

    class Joined:
        def join(self) -> None:
            seen.append("join")
            if len(seen) == 1:
                raise KeyboardInterrupt

    compiler = BesideCompiler()
    compiler._thread = Joined()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        compiler.close()
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("threads", "granted", "load", "left", "pays"),
    [
        (1, 2, 1.4, 0.41, True),  # a free processor: twice the compile time of 0.2 s
        (1, 2, 1.4, 0.39, False),
        (2, 2, 1.4, 4.01, True),  # none: twenty times
        (2, 2, 1.4, 3.99, False),
        (1, 1, 0.0, 3.99, False),
        (1, 2, 1.6, 4.01, True),  # others have both processors
        (1, 2, 1.6, 3.99, False),
    ],
)
def test_when_it_pays(threads: int, granted: int, load: float, left: float, pays: bool) -> None:
    begun = list[str]()
    compiler = BesideCompiler(granted)
    compiler.offer("code", Offer(lambda: begun.append("code"), 0.2, threads))
    compiler.offer("code", Offer(lambda: begun.append("again"), 0.2, threads))
    machine = mock.patch.multiple("os", getloadavg=lambda: (load, 9.0, 9.0), cpu_count=lambda: 2)
    with machine:
        compiler.consider(left)
    compiler.close()
    assert begun == ["code"] * pays
    assert compiler.waits == (not pays)


def test_pace_is_of_the_steps_that_are_left() -> None:
    """Of 24 steps 4 took 2 s: the other 20 will take 10 s."""
    asked = list[float]()

    def consider(own: BesideCompiler, left: float) -> None:
        asked.append(left)

    waits = mock.patch.object(BesideCompiler, "waits", True)
    with waits, mock.patch.object(BesideCompiler, "consider", consider):
        runner = StepRunner.__new__(StepRunner)
        runner.left, runner.threads = 24, 1
        with runner.compiling_beside():
            runner.hear_pace(4, 2.0)
        runner.hear_pace(4, 2.0)  # outside nothing is compiled
    assert asked == [10.0]

"""What may stand in `callbacks=`, and what is refused because nothing of it would be called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.training import Callback, EarlyStopping
from tests.training.common import HALF, SGD, data, network

X, Y = data(6)


def train(callbacks: Any, epochs: int = 3) -> Any:
    return gn.train(network(), X, Y, loss=HALF, optimizer=SGD, epochs=epochs, callbacks=callbacks)


def test_a_function_is_called_after_every_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []
    train([lambda run: seen.append(run.epoch)])
    assert seen == [1, 2, 3]
    history = train([print])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"<epoch 3 of 3, loss {history.loss[2]:.6g}>"


def test_a_function_stops_the_training_by_returning_true() -> None:
    assert len(train([lambda run: run.epoch == 2]).loss) == 2
    assert len(train([lambda run: "true, but not True"]).loss) == 3


def test_one_callback_needs_no_list() -> None:
    seen: list[int] = []
    train(lambda run: seen.append(run.epoch))
    assert seen == [1, 2, 3]
    assert len(train(None).loss) == 3


def test_any_object_with_one_of_the_methods() -> None:
    seen: list[int] = []
    train([SimpleNamespace(epoch_end=lambda run: seen.append(run.epoch))])
    train((SimpleNamespace(train_end=lambda run: seen.append(-1)),))
    assert seen == [1, 2, 3, -1]


class Keras:
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...


class Misspelt(Callback):
    def on_epoch_end(self, run: Any) -> None: ...


class Nothing(Callback):
    def watch(self, run: Any) -> None: ...


def having(*names: str, base: type = object, call: bool = False) -> Any:
    """An object with some methods."""
    methods: dict[str, Any] = {name: lambda self, run: None for name in names}
    return type("Own", (base,), methods | ({"__call__": lambda self, run: None} if call else {}))()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["early"], "'early' has none of them"),
        ("early", "'early' has none of them"),
        ([None], "None has none of them"),
        ([3], "3 has none of them"),
        ([Keras()], r"Keras.on_epoch_end would never be called; here it is called epoch_end"),
        ([Misspelt()], r"Misspelt.on_epoch_end would never be called"),
        ([Nothing()], "Nothing overrides no method of Callback"),
        ([having("epochend")], "Own.epochend would never be called; here it is called epoch_end"),
        ([having("end_epoch")], "Own.end_epoch .*; here it is called epoch_end"),
        ([having("epoch_ends", base=Callback)], "Own.epoch_ends .* it is called epoch_end"),
        ([having("epoch_end", "train_start")], "Own.train_start .* it is called train_begin"),
        ([having("epoch_end", "on_train_begin")], "on_train_begin .* it is called train_begin"),
        ([having("epoch_end", "onEpochStart")], "onEpochStart .* it is called epoch_begin"),
        ([having("after_epoch", call=True)], "Own.after_epoch .* it is called epoch_end"),
        ([having("training_end")], "Own.training_end .* it is called train_end"),
        ([EarlyStopping], r"EarlyStopping is a class; make one, EarlyStopping\(\)"),
        ([lambda run: None, object()], "has none of them"),
    ],
)
def test_what_would_never_be_called_is_refused(given: Any, text: str, tmp_path: Any) -> None:
    with pytest.raises(TrainingError, match=text) as caught:
        train(given)
    assert "epoch_end(run)" in str(caught.value)
    gn.train(network(), X, Y, loss=HALF, optimizer=SGD, epochs=1, record=tmp_path / "a.glass")
    with pytest.raises(TrainingError, match=text):
        gn.resume(tmp_path / "a.glass", epochs=2, callbacks=given)


def test_other_methods_of_a_callback_are_its_own_business() -> None:
    for own in (
        having("epoch_end", "plot", "save", "end", "epoch_losses"),
        having("predict", "fit", call=True),
        having("train_end", "state", base=EarlyStopping),
    ):
        train([own] if not isinstance(own, EarlyStopping) else [having("epoch_end", "report")])


def test_a_run_has_no_attribute_that_nobody_reads() -> None:
    def stop(run: Any) -> None:
        run.stop_training = True

    with pytest.raises(AttributeError, match="stop_training"):
        train([stop])
    weights = np.zeros(26)

    def clear(run: Any) -> None:
        run.model.W[...] = weights

    model = network()
    gn.train(model, X, Y, loss=HALF, optimizer=SGD, epochs=1, callbacks=[clear])
    np.testing.assert_array_equal(model.W, weights)


def test_a_history_is_told_in_a_few_lines_and_drawn() -> None:
    history = gn.train(network(), X, Y, loss=HALF, optimizer=SGD, epochs=200, validation=(X, Y))
    lines = repr(history).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("<200 epochs, ")
    assert f"{history.loss[0]:.6g} … {history.loss[-1]:.6g}" in lines[1]
    picture = history._repr_html_()
    assert picture.startswith("<svg ")
    assert picture.count("<polyline") == 2
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")

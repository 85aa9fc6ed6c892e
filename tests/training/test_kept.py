"""The weights before an epoch come back where the numbers leave the finite range, from memory or,
for a large network, from a file."""

from __future__ import annotations

import math
import tempfile
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.training import rollback
from glassnet.training.callbacks import Callback
from glassnet.training.rollback import BLOCK, LARGE, Snapshot, finite


@pytest.mark.parametrize("size", [3, LARGE // 4, LARGE // 4 + 1])
def test_what_was_kept_comes_back(size: int) -> None:
    array = np.arange(size, dtype=np.float32)
    own = Snapshot(array)
    assert (own.file is not None) == (size > 3)
    for shift in (0, 5):  # a second copy replaces the first
        array += shift
        wanted = array.copy()
        own.take()
        array[...] = np.nan
        own.restore()
        np.testing.assert_array_equal(array, wanted)


def test_memory_takes_over_where_no_file_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no place")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    array = np.arange(LARGE, dtype=np.float32)
    own = Snapshot(array)
    own.take()
    array[...] = 0
    own.restore()
    assert array[-1] == LARGE - 1


def test_memory_takes_over_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(LARGE, dtype=np.float32)
    own = Snapshot(array)
    own.take()

    def full(self: Snapshot, file: Any) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(Snapshot, "_write", full)
    array += 1
    own.take()
    array[...] = 0
    own.restore()
    assert array[-1] == LARGE


@pytest.mark.parametrize("size", [1, 2, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_finite(size: int) -> None:
    array = np.full(size, np.finfo(np.float32).max, np.float32)  # their sum would be infinite
    assert finite(array)
    for place in {0, size // 2, size - 1}:
        for bad in (math.nan, math.inf, -math.inf):
            array[place] = bad
            assert not finite(array)
            array[place] = 0.0
    assert finite(array[:0])


class Blow(Callback):
    """Makes the next epoch leave the finite range, and remembers the weights."""

    weights: np.ndarray | None = None

    def epoch_end(self, run: Any) -> bool:
        if run.epoch == 3:
            run.model.W[...] *= 1e30
            self.weights = run.model.W.copy()
        return False


@pytest.mark.parametrize("large", [False, True])
def test_a_diverged_network_is_put_back(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(rollback, "LARGE", 1)
    model = gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.Linear(3, 1))
    blow = Blow()
    x = np.ones((4, 2))
    options: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "optimizer": gn.optim.SGD(lr=0.01)}
    with pytest.raises(TrainingError, match=r"epoch 4, step 1 .*restored to the end of epoch 3"):
        gn.train(model, x, x[:, :1], epochs=9, callbacks=[blow], **options)
    assert blow.weights is not None
    np.testing.assert_array_equal(model.W, blow.weights)

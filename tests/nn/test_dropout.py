"""Dropout: which numbers are dropped, and that it is a function of seed, step, row and place."""

from __future__ import annotations

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GraphError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.types import Type
from glassnet.training.batch_order import Order
from tests.nn.common import HALF, model

nn = gn.nn


class TestDropout:
    """Dropout in a network that otherwise does nothing."""

    x = np.ones((1000, 20))

    def masks(self, seed: int, epochs: int = 1, p: float = 0.25) -> np.ndarray:
        """How much each number counted, from gradients: with ŷ = w·x∘mask for all rows and y = −1,
        the step of w (from 0) is the mean over rows of the mask."""
        network = model(nn.Dropout(p), nn.Linear(20, 1, bias=False), linear1__weight=0)
        gn.train(
            network, self.x, -np.ones(1000), loss=HALF, optimizer=gn.optim.SGD(1.0), epochs=epochs,
            batch_size=1000, seed=seed,
        )  # fmt: skip
        return -network.W

    def test_numbers_are_kept_with_probability_and_scaled(self) -> None:
        # the mean of 1000 numbers that are 0 or 4/3: 1 ± √(1/3 / 1000) = 1 ± 0.018
        means = self.masks(0)
        assert np.abs(means - 1).max() < 0.08
        assert 0.005 < means.std() < 0.04
        kept = means * 1000 * 0.75
        np.testing.assert_allclose(kept, kept.round(), atol=1e-6)

    def test_seeds_and_steps_have_masks_of_their_own(self) -> None:
        first = self.masks(0)
        np.testing.assert_array_equal(first, self.masks(0))
        assert (first != self.masks(1)).any()

    def test_every_step_has_a_mask_of_its_own(self) -> None:
        network = model(nn.Dropout(0.5), nn.Linear(20, 1, bias=False), linear1__weight=1)
        history = gn.train(
            network, self.x[:4], np.zeros(4), loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=6
        )
        assert len(set(history.loss)) == 6

    def test_the_mask_belongs_to_the_row_not_to_its_place(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        y = np.arange(8.0)
        losses = []
        for order in (np.arange(8), np.arange(8)[::-1]):
            monkeypatch.setattr(Order, "parts", lambda self, epoch, order=order: [order[None]])
            network = model(nn.Dropout(0.5), nn.Linear(20, 1, bias=False), linear1__weight=1)
            history = gn.train(
                network, self.x[:8], y, loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=1
            )
            losses.append(history.loss[0])
        assert losses[0] == pytest.approx(losses[1], rel=1e-14)

    def test_a_prediction_drops_nothing(self) -> None:
        np.testing.assert_array_equal(model(nn.Dropout(0.9))(self.x), self.x)

    def test_random_numbers_belong_to_training(self) -> None:
        x = GraphBuilder().input("x", Type("float32", (2, 2)))
        with pytest.raises(GraphError, match="belong to training"):
            nn.Scope({}).uniform(x)

"""Repeat a run of the page in Python: the program that the page exports calls this.

In: the description of a run and a number of steps. Out: the network with the weights of the page at
that step, bit-identical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassnet import nn
from glassnet.errors import GlassnetError
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.ops import philox
from glassnet.optim.optimizer import Optimizer
from glassnet.page.built_in import table
from glassnet.page.fragments import ACTIVATIONS, LOSSES, OPTIMIZERS
from glassnet.page.point_sets import PageTable
from glassnet.training.batch_order import SHUFFLE
from glassnet.training.stepper import Step


def replay(run: Mapping[str, Any], steps: int) -> nn.Sequential:
    """Return the network of a page's run after `steps` steps.

    `run` has the settings at step 0: table (the name of a built-in one, or a mapping with x
    [rows, columns], y [rows] and optionally held, the numbers of the held-out rows), layers
    (activation and width of each), loss, optimizer, lr, batch, seed, initializer; and `entries`,
    the later changes. GlassnetError if the page does not offer one of the names.
    """
    rows = _rows(run["table"])
    model = network(run, rows.x.shape[1])
    state = _State(model, run, rows)
    for number in range(steps + 1):
        for entry in run.get("entries", ()):
            if entry["step"] == number:
                state.change(entry)
        if number < steps:
            state.step()
    return model


def network(run: Mapping[str, Any], columns: int) -> nn.Sequential:
    """Return the network of a run with its initial weights."""
    parts: list[Module] = []
    before = columns
    for layer in run["layers"]:
        activation = _chosen(ACTIVATIONS, layer["activation"], "activation")
        width: int = layer["width"]
        if layout_of(activation).parameters:
            activation = type(activation)(width=width)
        parts.append(nn.Linear(before, width, initializer=run["initializer"]))
        parts += [] if isinstance(activation, nn.Identity) else [activation]
        before = width
    return nn.Sequential(*parts, seed=run["seed"])


@dataclass(frozen=True)
class _RowsOfPage:
    x: np.ndarray
    y: np.ndarray


def _rows(given: Any) -> _RowsOfPage:
    """Return the training rows."""
    if isinstance(given, str):
        rows = table(given)
    else:
        x, y = (np.asarray(given[name], np.float32) for name in ("x", "y"))
        rows = PageTable("", x.reshape(len(y), -1), y, held=given.get("held"))
    return _RowsOfPage(rows.x[~rows.held_out], rows.y[~rows.held_out])


def _chosen(menu: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in menu:
        raise GlassnetError(f"{what} {name!r} is not on the menu; it has {', '.join(menu)}")
    return menu[name]


class _State:
    """A run at one of its steps; the same as `trainer.js`."""

    def __init__(self, model: nn.Sequential, run: Mapping[str, Any], rows: _RowsOfPage) -> None:
        self.model, self.rows, self.seed = model, rows, int(run["seed"])
        self.loss = _chosen(LOSSES, run["loss"], "loss")
        self.settings = {name: run[name] for name in ("optimizer", "lr", "batch")}
        self.epoch = self.batch = 0
        self._step = self._new_step()

    def _rule(self) -> Optimizer:
        optimizer: Optimizer = _chosen(OPTIMIZERS, self.settings["optimizer"], "optimizer")
        return replace(optimizer, lr=float(np.float32(self.settings["lr"])))

    def _new_step(self) -> Step:
        return Step(self.model, loss=self.loss, optimizer=self._rule(), seed=self.seed)

    def step(self) -> None:
        numbers = self._numbers()
        self._step(self.rows.x[numbers], self.rows.y[numbers])
        self.batch += 1
        if self.batch * self._size >= len(self.rows.x):
            self.batch, self.epoch = 0, self.epoch + 1

    @property
    def _size(self) -> int:
        return min(int(self.settings["batch"]), len(self.rows.x))

    def _numbers(self) -> np.ndarray:
        count, size = len(self.rows.x), self._size
        order = np.arange(count)
        if size < count:
            order = philox.permutation(count, self.seed, SHUFFLE, self.epoch)
        return order[self.batch * size : (self.batch + 1) * size]

    def change(self, entry: Mapping[str, Any]) -> None:
        weights: Sequence[float] | None = entry.get("weights")
        if weights is not None:
            self.model.W = np.asarray(weights, np.float32)
        settings: Mapping[str, Any] = entry.get("settings") or {}
        before = dict(self.settings)
        self.settings |= settings
        if self.settings["batch"] != before["batch"] and self.batch:
            self.batch, self.epoch = 0, self.epoch + 1
        memory = self._step.state()
        self._step = self._new_step()
        if "optimizer" not in settings:
            self._step.restore({**memory, "W": self.model.W})


__all__ = ["network", "replay"]

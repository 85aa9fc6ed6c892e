"""A recorded fit of a scikit-learn estimator, as the run that inspection opens.

In: what a run file says of the fit and holds of its data, and X where it does not hold that. Out: a
`Descent` whose steps are those of the fit, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.nn.loss import as_loss
from glassnet.nn.module import Module
from glassnet.optim.search import LBFGS
from glassnet.run.threads import thread_count
from glassnet.training.check import Rows, checked_inputs
from glassnet.training.descend import Descent, Order, Task
from glassnet.training.estimator_search import FitSearch
from glassnet.training.estimator_step import AdamRates, EpochRates, PenalisedLoss, Shuffles
from glassnet.training.record_data import as_data, from_data
from glassnet.training.whole import Search
from glassnet.words import counted

GO_ON = (
    "{0} was recorded by {1}; go on with it by {1}(record={0!r}, …).resume(X, y), with the "
    "parameters and the data of then"
)


@dataclass(frozen=True)
class FitOrder(Order):
    """The orders of rows of a fit."""

    shuffles: Shuffles | None = field(default=None, compare=False)

    def parts(self, epoch: int) -> Iterable[np.ndarray]:
        if self.shuffles is None:
            return super().parts(epoch)
        return self._cut(self.shuffles.of(epoch))


def fit_reopened(
    path: Any, values: Mapping[str, Any], data: Mapping[str, Any], x: Any, model: Module, loss: Any
) -> tuple[Descent | Search, Rows]:
    """The fit with its data, and the rows that it trains on. `x` is X as `fit` took it, or as the
    network reads it; labels and weights are in the file."""
    kept = data["training"]
    rows = Rows(
        _inputs(path, values, data, x, model), kept["y"].astype(model.dtype), kept["weight"]
    )
    task = Task(model, _loss(values, loss), rows, None, thread_count(None), values["seed"])
    optimizer = from_data(values["optimizer"], "optimizer")
    if isinstance(optimizer, LBFGS):
        return FitSearch(task, optimizer), rows
    shuffles = Shuffles(values["order_state"], len(rows)) if values["shuffle"] else None
    order = FitOrder(len(rows), values["batch_size"], None, shuffles)
    if "rates" in values:
        schedule: Any = EpochRates(optimizer.lr, tuple(values["rates"]))
    else:
        schedule = AdamRates(optimizer.lr, optimizer.beta_1, optimizer.beta_2)
    return Descent(task, replace(optimizer, lr=schedule), order), rows


def _inputs(
    path: Any, values: Mapping[str, Any], data: Mapping[str, Any], x: Any, model: Module
) -> np.ndarray:
    """The rows that the network was trained on."""
    if x is None:
        if "x" not in data["training"]:
            raise TrainingError(
                f"{path} does not hold the rows that it was trained on, which were too large; pass "
                "X as the network reads it (est.network_inputs(X)); labels are in the file"
            )
        x = data["training"]["x"]
    given = checked_inputs(model, x.toarray() if hasattr(x, "toarray") else x)
    picked = data.get("picked")
    if picked is not None and len(given) == values["rows_given"]:
        given = np.ascontiguousarray(given[picked["rows"]])
    if len(given) != values["rows"]:
        raise TrainingError(
            f"{path} was recorded with {counted(values['rows_given'], 'row')}, x has {len(given)}; "
            "pass the rows of the fit in the same order"
        )
    return given


def _loss(values: Mapping[str, Any], given: Any) -> PenalisedLoss:
    told = values["loss"]
    if given is None:
        return from_data(told, "loss")
    inner = as_loss(given)
    if as_data(inner) != told["inner"]:
        raise TrainingError(
            f"loss={given!r} is not the loss that was recorded: {told['inner'] or told['out']}"
        )
    return PenalisedLoss(told["out"], inner, told["alpha"])

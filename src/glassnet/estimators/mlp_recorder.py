"""The record of one fit of an MLP estimator, epoch by epoch.

In: the descent of a fit, after every epoch. Out: its run file; and from one the state of a descent
after the last checkpoint.
"""

# scikit-learn has no types, and an estimator's attributes are what its users set
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from glassnet.estimators.mlp_convert import in_layers, sequential, weights_first
from glassnet.estimators.mlp_noted import digest, noted
from glassnet.estimators.mlp_solve import Rows, dense
from glassnet.nn.module import split
from glassnet.training.check import Rows as Read
from glassnet.training.descend import Order
from glassnet.training.estimator_step import (
    PenalisedLoss,
    ScikitAdam,
    ScikitSGD,
    Shuffles,
    state_as_data,
)
from glassnet.training.history import History, Run
from glassnet.training.record import SMALL, Fingerprint, Recorder
from glassnet.training.record_data import as_data
from glassnet.training.record_file import (
    Checkpoint,
    RunFile,
    put_checkpoint,
    put_data,
    put_more,
    put_tables,
    put_values,
)
from glassnet.training.resume import over
from glassnet.version import __version__, numerics_version
from glassnet.words import counted

LISTS = ("scores", "rates")  # one figure an epoch, that the history has no place for
NOTED = ("t_", "_no_improvement_count", "best_loss_", "best_validation_score_")
CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


class Unrecorded:
    """A fit that nobody records."""

    def begin(self, descent: Any) -> bool:
        """Whether there is anything to train."""
        return True

    def epoch(self, descent: Any, stopped: str) -> None:
        """Hear of an epoch done."""

    def end(self, descent: Any, stopped: str) -> None:
        """Hear of the end."""


class FitRecord(Unrecorded):
    """The record of one fit."""

    def __init__(
        self, est: Any, file: RunFile, known: dict[str, Any] | None, state: dict[str, Any]
    ) -> None:
        self.est, self.file, self.known, self.state = est, file, known, state
        self.lists: dict[str, list[float]] = {}  # one figure an epoch

    def begin(self, descent: Any) -> bool:
        est, rows = self.est, descent.rows
        self.descent, self.network = descent, descent.network
        self.model = sequential(self.network, est.coefs_, est.intercepts_)
        prints = None
        if self.known is None and not hasattr(rows.x, "toarray"):
            prints = Fingerprint({"training": Read(rows.x, rows.y, rows.weight)})
        self.recorder = _Recorder(self, prints)
        self.run = Run(self.model, est.max_iter, est.max_iter * descent.steps.count)
        going = True
        if self.known is None:
            self._create()
        else:
            going = self._go_on(self.known)
        self.rate = descent.memory.learning_rate
        return going

    def _create(self) -> None:
        """The beginning of the file: configuration, data, and the state before the first step."""
        rows = self.descent.rows
        values = {**self._values(), **self._fit_values()}
        if hasattr(rows.x, "toarray"):
            values["sha256"] = {"training": digest(rows)}
        binary = bool(((rows.y == 0) | (rows.y == 1)).all())
        data = {"y": rows.y.astype(bool) if binary else rows.y, "weight": rows.weight}
        if rows.x.shape[0] * rows.x.shape[1] * rows.y.itemsize <= SMALL:
            data = {"x": np.ascontiguousarray(dense(rows.x), rows.y.dtype), **data}
        with self.file.change() as database:
            put_tables(database)
            put_values(database, values)
            put_data(database, "training", data)
            if rows.picked is not None:
                put_data(database, "picked", {"rows": rows.picked})
            put_checkpoint(database, self.state_of(0))

    def _values(self) -> dict[str, Any]:
        """What every run file says of its run."""
        est, descent, network = self.est, self.descent, self.network
        return {
            "model": as_data(self.model),
            "loss": as_data(PenalisedLoss(network.out, network.loss, float(est.alpha))),
            "optimizer": as_data(self._rule()),
            "callbacks": [],
            "validation": None,
            "weighted": True,
            "rows": len(descent.rows),
            "columns": descent.rows.x.shape[1],
            "source": None,
            "glassnet": __version__,
            "numerics_version": numerics_version,
            "epochs": int(est.max_iter),
            "batch_size": descent.size,
            "shuffle": bool(est.shuffle),
            "seed": network.seed,
        }

    def _rule(self) -> Any:
        est = self.est
        rate = float(est.learning_rate_init)
        if est.solver == "adam":
            return ScikitAdam(rate, *(float(own) for own in (est.beta_1, est.beta_2, est.epsilon)))
        return ScikitSGD(rate, float(est.momentum), bool(est.nesterovs_momentum))

    def _fit_values(self) -> dict[str, Any]:
        """What the file of a fit says besides."""
        est, rows, held_out = self.est, self.descent.rows, self.descent.held_out
        apart = 0 if rows.picked is None else len(held_out.target)
        state = state_as_data(est._random_state.get_state(legacy=False))
        return {
            "estimator": type(est).__name__,
            "parameters": {n: noted(own) for n, own in est.get_params(deep=False).items()},
            "rows_given": len(rows) + apart,
            "classes": self._classes(),
            "validated": self._validated(),
            "random_state": self.state,
            "order_state": state,
            "before": {name: list(getattr(est, name, None) or []) for name in CURVES},
            **({"rates": []} if est.solver == "sgd" else {}),
        }

    def _classes(self) -> Any:
        return noted(getattr(self.est, "classes_", None))

    def _validated(self) -> str | None:
        """The SHA-256 of rows that were given to validate on."""
        held_out = self.descent.held_out
        if held_out is None or self.descent.rows.picked is not None:
            return None
        weight = held_out.weight
        given = np.ones(len(held_out.target)) if weight is None else weight
        return digest(Rows(held_out.x, held_out.target, given))

    def state_of(self, epoch: int) -> Checkpoint:
        """The state after so many epochs."""
        est, descent, declared = self.est, self.descent, self.model.declared()
        arrays = {"W": in_layers(self.network, descent.block)}
        for slot, flat in descent.memory.slots.items():
            parts = split(in_layers(self.network, flat), declared)
            arrays |= {f"{slot}.{name}": part for name, part in parts.items()}
        if descent.best is not None:
            arrays["best"] = in_layers(self.network, descent.best)
        notes = {name: getattr(est, name) for name in NOTED}
        memory = {"learning_rate": descent.memory.learning_rate, "t": descent.memory.t}
        return Checkpoint(epoch, arrays, {**notes, **memory})

    def _go_on(self, known: Mapping[str, Any]) -> bool:
        """Put the last checkpoint into the estimator and its descent, forget what came after it."""
        est, descent, path = self.est, self.descent, self.est.record
        sha = {"training": digest(descent.rows)}
        same = known.get("sha256", sha) == sha and known["validated"] == self._validated()
        if not same or known["classes"] != self._classes():
            raise ValueError(
                f"{path} was recorded with other rows, labels, weights or validation rows than "
                "these; pass the same in the same order"
            )
        done = len(self.file.history()[0])
        if est.max_iter < done:
            raise ValueError(
                f"max_iter={est.max_iter} is less than the {counted(done, 'epoch')} that {path} "
                "has; what is trained stays trained: ask for as many or more, or fit anew"
            )
        state = self.file.checkpoint(est.max_iter)
        self._restore(state, known)
        if state.epoch and over({**known, "epochs": est.max_iter}, state.epoch):
            content = self.file.result()
            if content is not None:
                layered = content.view(descent.block.dtype.newbyteorder("<"))
                descent.block[...] = weights_first(self.network, layered)
                descent.best = None
            return False
        self._continue(state, known, {"sha256": sha, "epochs": int(est.max_iter)})
        return True

    def _continue(
        self, state: Checkpoint, known: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Forget what came after the last checkpoint."""
        with self.file.change() as database:
            put_more(database, state.epoch, values)

    def _restore(self, state: Checkpoint, known: Mapping[str, Any]) -> None:
        est, descent, done = self.est, self.descent, state.epoch
        memory = descent.memory
        descent.block[...] = weights_first(self.network, state.arrays["W"])
        for slot, flat in memory.slots.items():
            parts = [state.arrays[f"{slot}.{name}"].ravel() for name in self.model.declared()]
            flat[...] = weights_first(self.network, np.concatenate(parts))
        best = state.arrays.get("best")
        descent.best = None if best is None else weights_first(self.network, best)
        memory.learning_rate, memory.t = state.notes["learning_rate"], state.notes["t"]
        for name in NOTED:
            setattr(est, name, state.notes[name])
        self._restore_curves(known, done)
        if known["shuffle"] and done:
            shuffles = Shuffles(known["order_state"], len(descent.rows))
            descent.steps.order[...] = shuffles.of(done - 1)
            est._random_state = shuffles.random
        self.run.history = History(loss=est.loss_curve_[len(est.loss_curve_) - done :])

    def _restore_curves(self, known: Mapping[str, Any], done: int) -> None:
        est = self.est
        self.lists = {name: list(known[name][:done]) for name in LISTS if name in known}
        losses, judged = (own[:done] for own in self.file.history())
        before = known["before"]
        est.loss_curve_ = [*before["loss_curve_"], *losses]
        est.n_iter_ = done
        if done:
            est.loss_ = est.loss_curve_[-1]
        if self.descent.held_out is not None:
            est.validation_loss_curve_ = [
                *before["validation_loss_curve_"],
                *(judged or [math.nan] * done),
            ]
            est.validation_scores_ = [*before["validation_scores_"], *self.lists.get("scores", [])]

    def epoch(self, descent: Any, stopped: str) -> None:
        est, run = self.est, self.run
        run.epoch, run.steps_done = est.n_iter_, est.n_iter_ * descent.steps.count
        run.history.loss.append(est.loss_)
        if descent.held_out is not None:
            run.history.validation_loss.append(est.validation_loss_curve_[-1])
            self.lists.setdefault("scores", []).append(est.validation_scores_[-1])
        if est.solver == "sgd":
            self.lists.setdefault("rates", []).append(self.rate)
        self.rate = descent.memory.learning_rate
        run.history.stopped = stopped
        self.recorder.epoch_end(run)

    def end(self, descent: Any, stopped: str) -> None:
        self.run.history.stopped = stopped
        self.model.W[...] = in_layers(self.network, descent.block)
        self.recorder.train_end(self.run)


class _Recorder(Recorder):
    """The recorder of `train`, which asks a fit for its state."""

    def __init__(self, owner: FitRecord, prints: Fingerprint | None) -> None:
        descent = owner.descent
        order = Order(len(descent.rows), descent.size, None)
        seen: Any = SimpleNamespace(order=order)
        super().__init__(owner.file, seen, prints, ())
        self.owner = owner

    def _state(self, epoch: int) -> Checkpoint:
        return self.owner.state_of(epoch)

    def _write(self, epoch: int | None, run: Run | None = None, ended: Any = None) -> None:
        with self.file.change() as database:  # longer lists than the history has do no harm
            put_values(database, self.owner.lists)
        super()._write(epoch, run, ended)

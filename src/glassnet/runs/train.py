"""The training loop, as users call it.

In: a model, data, a loss, an optimiser. Out: the model, trained in place, and a `History`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from glassnet.arguments import plain, value_text, with_foreign_names
from glassnet.errors import TrainingError
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.module import Module
from glassnet.ops import philox
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.search import LBFGS, RandomSearch
from glassnet.rounding import computed_to_nearest
from glassnet.run.threads import thread_count
from glassnet.runs.recorder import recorded
from glassnet.runs.recording import Recording, as_recording
from glassnet.training.batch_order import SHUFFLE, Order
from glassnet.training.callbacks import Restorer, as_callbacks
from glassnet.training.data_checks import (
    Rows,
    check_counts,
    check_data,
    check_flag,
    check_optimizer,
    check_seed,
    check_some_labels,
    refuse_other_columns,
    warn_of_double_activation,
)
from glassnet.training.exclusive import InTraining
from glassnet.training.full_batch import FullBatchTrainer
from glassnet.training.history import History, earlier_epochs, note_history, state_of
from glassnet.training.metrics import as_metrics, metric_callback
from glassnet.training.progress_line import Progress
from glassnet.training.row_source import Source
from glassnet.training.state import OTHER, check_model, check_shape, warn_of_repeat
from glassnet.training.trainer import USUAL, Conventions, Task, Trainer
from glassnet.words import plural

HOLD_OUT = SHUFFLE + 1


@with_foreign_names
@computed_to_nearest
def train(
    model: Module, x: Any, y: Any = None, *,
    loss: Loss | Callable[[Any, Any], Any],
    optimizer: Optimizer | RandomSearch | LBFGS,
    epochs: int, batch_size: int = 32, shuffle: bool = True, seed: int = 0, metrics: Any = None,
    validation: tuple[Any, ...] | Source | float | None = None, sample_weight: Any = None,
    callbacks: Any = (), overwrite: bool = False, verbose: bool = False, threads: int | None = None,
    record: str | Path | Recording | None = None, after: History | None = None,
) -> History:  # fmt: skip
    """Train the model in place by mini-batches, and return the history.

    A call starts from the model's present weights; the optimiser's state and the schedule start
    anew, and the same `seed` gives the same order of rows and the same dropout as the call before
    (a warning says so). To continue: `history = gn.train(…, epochs=3)`, and then
    `gn.train(…, epochs=2, after=history)` has the bits of one call of 5 epochs (see `History`).

    x is [rows, columns], y what the loss takes, both in the model's dtype; instead of both,
    `gn.stream("big.parquet", target="y")` reads data larger than memory. An epoch visits each row
    once, in an order keyed by `seed` and the epoch (in the given order without `shuffle`); its last
    batch may be smaller. `validation` is (x, y), (x, y, weights), another stream, or the fraction
    of rows to hold out. `metrics` are computed on these rows (else on the training rows) after each
    epoch: "accuracy", "r2", or a dict of functions f(y, prediction). `threads` changes the time,
    never a bit. Ctrl-C ends the training after the current step; a second one at once. `record`
    names a run file: `resume` continues it, `open_step` opens one of its steps; `overwrite` allows
    replacing a run that it holds. TrainingError if another call is training the model, or the loss
    is not finite: W is then that of the last epoch.
    """
    check_settings(epochs, batch_size, seed, optimizer, shuffle, verbose)
    recording, measure = as_recording(record, overwrite), as_loss(loss)
    stops = [*as_callbacks(callbacks), *([Progress()] if verbose else [])]
    whole = check_data(model, measure, x, y, sample_weight)
    rows, held_out = split_validation(model, measure, whole, validation, seed)
    stops[:0] = metric_callback(as_metrics(metrics), measure, held_out or rows)
    check_some_labels(measure, rows, held_out)
    task = Task(model, measure, rows, held_out, thread_count(threads), seed)
    settings = {"epochs": epochs, "batch_size": batch_size, "shuffle": shuffle, "seed": seed}
    with InTraining(model):
        trainer = as_trainer(task, optimizer, Order.of(rows, batch_size, seed if shuffle else None))
        given = whole, validation, stops, settings, continue_from(trainer, after, recording, stops)
        return note_history(model, recorded(recording, trainer, *given))


def check_settings(
    epochs: int, batch_size: int, seed: int, optimizer: Any, shuffle: Any = True,
    verbose: Any = False,
) -> None:  # fmt: skip
    """Raise TrainingError if one of the settings cannot be used."""
    check_flag(shuffle=shuffle, verbose=verbose)
    check_counts(epochs=epochs, batch_size=batch_size)
    check_seed(seed)
    check_optimizer(optimizer)


def continue_from(
    trainer: Trainer | FullBatchTrainer,
    after: History | None,
    record: Recording | None,
    callbacks: list[Any],
) -> History | None:
    """Set the trainer to the state in which the training `after` ended, and return the history of
    its complete epochs. Another callback restores the state of early stopping."""
    if after is None:
        if isinstance(trainer, Trainer):
            warn_of_repeat(trainer.task.model, trainer.shape, _repeats(trainer))
        return None
    state = state_of(after)
    check_model(state, trainer.task.model, trainer.optimizer)
    check_shape(state, trainer.shape)
    if bool(after.loss) and bool(after.validation_loss) != (trainer.task.held_out is not None):
        had = "validation data" if after.validation_loss else "no validation data"
        raise TrainingError(OTHER.format(f"it had {had}"))
    if record is not None and len(state.losses):
        raise TrainingError(
            f"record={str(record.path)!r} with after=…: that training was ended within an epoch, "
            "and a run file begins between epochs; go on for one epoch without record= first"
        )
    trainer.go_on(state)
    callbacks.append(Restorer(state.notes, state.arrays, callbacks))
    return earlier_epochs(after, state)


def _repeats(trainer: Trainer) -> dict[str, bool]:
    """Return what a call without `after` repeats, and whether it applies to this trainer."""
    inputs, order = trainer.stepper.program.plan.graph.inputs, trainer.order
    return {
        "the same orders of rows": order.seed is not None and order.steps > 1,
        "the same masks of dropout": "key0" in inputs,
        "an optimiser without memory of earlier steps": bool(trainer.memory),
    }


def as_trainer(
    task: Task,
    optimizer: Optimizer | RandomSearch | LBFGS,
    order: Order,
    conventions: Conventions = USUAL,
) -> Trainer | FullBatchTrainer:
    """Return a trainer for mini-batches, or for full batches (L-BFGS, random search)."""
    if isinstance(optimizer, RandomSearch | LBFGS):
        return FullBatchTrainer(task, optimizer, conventions.evaluate)
    return Trainer(task, optimizer, order, conventions)


def split_validation(
    model: Module, loss: Loss, rows: Rows, validation: Any, seed: int
) -> tuple[Rows, Rows | None]:
    """Return the rows to train on and to validate on; warn if network and loss do not match."""
    warn_of_double_activation(model, loss)
    validation = plain(validation)
    if validation is None:
        return rows, None
    if isinstance(validation, float):
        count = round(validation * len(rows))
        if not 0 < count < len(rows):
            raise TrainingError(
                f"validation={validation} of {plural(len(rows), 'row')} are {count} to hold out, "
                f"which leaves {len(rows) - count}; choose a fraction that leaves some of both"
            )
        held_out = np.zeros(len(rows), bool)
        held_out[philox.permutation(len(rows), seed, HOLD_OUT)[:count]] = True
        return rows.masked(~held_out), rows.masked(held_out)
    if isinstance(validation, Rows):
        return rows, validation
    if isinstance(validation, Source):
        apart = check_data(model, loss, validation, of="validation ")
        refuse_other_columns(rows, apart)
        return rows, apart
    given = cast("list[Any]", [*validation] if isinstance(validation, tuple | list) else [])
    if len(given) not in (2, 3):
        raise TrainingError(
            f"validation={value_text(validation)}: wanted (x_val, y_val), (x_val, y_val, weights), "
            "a gn.stream(…), or the fraction of rows to hold out, such as 0.2"
        )
    return rows, check_data(model, loss, *given, of="validation ")

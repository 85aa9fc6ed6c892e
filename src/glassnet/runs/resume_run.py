"""Resume a recorded run.

In: a run file and the data of the run. Out: the model and the history of an uninterrupted run,
bit-identical: the order of rows and the random numbers depend only on seed and step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError, ModelFileError, TrainingError
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.optim.scikit import EpochRates
from glassnet.rounding import computed_to_nearest
from glassnet.run.threads import thread_count
from glassnet.runs.descriptions import as_data, contains_part, from_data
from glassnet.runs.disk import COPY
from glassnet.runs.file import Checkpoint, RunFile, put_continuation
from glassnet.runs.recorder import (
    Fingerprint,
    Recorder,
    all_data,
    check_stoppers,
    restore,
)
from glassnet.runs.recording import Recording
from glassnet.runs.repeat import repeat_run
from glassnet.runs.run_settings import settings_of
from glassnet.runs.train import as_trainer, split_validation
from glassnet.serialize import parse
from glassnet.training.batch_order import Order
from glassnet.training.callbacks import Restorer, as_callbacks
from glassnet.training.data_checks import Rows, check_data, check_inputs
from glassnet.training.exclusive import InTraining
from glassnet.training.full_batch import NO_STEPS, FullBatchTrainer
from glassnet.training.history import History, Run
from glassnet.training.metrics import (
    as_metrics,
    described_metrics,
    metric_callback,
    restore_metrics,
)
from glassnet.training.row_source import Source
from glassnet.training.shuffles import ShuffledOrder
from glassnet.training.trainer import Conventions, Task, Trainer
from glassnet.version import computes_alike, numerics_version
from glassnet.words import plural

GO_ON = (
    "{0} was recorded by {1}; go on with it by {1}(record={0!r}, …).resume(X, y), with the "
    "parameters and the data of then; a larger max_iter trains on, after it has stopped early, too"
)
PICKED = "picked"  # in the file's data: the indices of the user's rows that were trained on
TOO_FEW = (
    "epochs={} is less than the {} that {} has done, and what is trained stays trained; ask "
    "for as many or more, or train again"
)


@computed_to_nearest
def resume(
    record: str | Path | Recording, x: Any = None, y: Any = None, *,
    sample_weight: Any = None, validation: Any = None, epochs: int | None = None,
    callbacks: Any = None, model: Module | None = None, loss: Any = None, optimizer: Any = None,
    metrics: Any = None, other_data: bool = False, threads: int | None = None,
) -> tuple[Module, History]:  # fmt: skip
    """Resume a recorded run from its last checkpoint, and record into the same file.

    The model and the history have the bits of an uninterrupted run. x, y, sample_weight and
    validation are the data of the run, as in `train`; they are not needed if they were small, since
    the file then holds them. Other data are refused unless `other_data` is true.

    `epochs` is the total number of epochs, at least those that are done; by default as recorded.
    `callbacks` are by default the early stopping that was recorded. A run that early stopping has
    ended is trained on only if `epochs` or `callbacks` is given: from its last epoch, with the best
    weights so far in memory and a new patience. `model`, `loss`, `optimizer` and `metrics` are
    needed only if they contain your own code, which a file does not store. `threads` changes the
    time, never a bit. L-BFGS repeats all epochs, since no checkpoint holds SciPy's state, and
    compares them with the recorded ones.

    TrainingError if data, model, loss or optimiser are not those of the run; ModelFileError if the
    file is not a run file or is damaged; OutputError if it cannot be written.
    """
    given = RunData(x, y, sample_weight, validation, model, loss, optimizer)
    stops = None if callbacks is None else as_callbacks(callbacks)
    further = epochs is not None or stops is not None
    return resume_run(
        record, given, epochs, stops, other_data, threads, further, as_metrics(metrics)
    )


def resume_run(
    record: str | Path | Recording, given: RunData, epochs: int | None,
    callbacks: Sequence[Any] | None, other_data: bool, threads: int | None, further: bool,
    metrics: Mapping[str, Any] | None = None,
) -> tuple[Module, History]:  # fmt: skip
    """As `resume`. `further`: train on even if early stopping has ended the run."""
    with _open_for_append(record) as file:
        values = _with_epochs(file, epochs)
        trainer, rows = rebuild(file, values, given, threads)
        prints = verify_data(file, values, rows, trainer, other_data)
        state = file.checkpoint(values["epochs"])
        losses, judged = file.history()
        if is_finished(values, state.epoch) and not (
            further and can_continue(values, len(losses), values["epochs"])
        ):
            put_result_into(file, trainer.task.model)
            ended = {key: values["ended"][key] for key in ("stopped", "best_epoch")}
            measured = metric_values(values, len(losses))
            done = History(losses, judged, evaluations=len(losses), metrics=measured, **ended)
            _restore_callbacks(trainer.task.model, state, done, callbacks or ())
            return trainer.task.model, done
        history = History(
            losses[: state.epoch], judged[: state.epoch], evaluations=state.epoch,
            metrics=metric_values(values, state.epoch),
        )  # fmt: skip
        others = resumed_callbacks(values, trainer, metrics or {}, callbacks)
        recorder = Recorder(file, trainer, prints, others)
        return trainer.task.model, train_on(recorder, state, values["epochs"], others, history)


def metric_values(values: Mapping[str, Any], epochs: int) -> dict[str, list[float]]:
    """Return the recorded metrics of the first `epochs` epochs."""
    known: dict[str, list[float]] = values.get("metrics") or {}
    return {name: list(column[:epochs]) for name, column in known.items()}


def resumed_callbacks(
    values: Mapping[str, Any], trainer: Trainer | FullBatchTrainer, metrics: Mapping[str, Any],
    callbacks: Sequence[Any] | None,
) -> list[Any]:  # fmt: skip
    """Return the callbacks of a resumed run: metrics, and early stopping as recorded, or the given
    `callbacks` instead."""
    task = trainer.task
    known = restore_metrics(values.get("measured") or {}, metrics)
    kept = values["callbacks"] if callbacks is None else ()
    given = [*from_data(kept, "callbacks"), *(callbacks or ())]
    return [*metric_callback(known, task.loss, task.held_out or task.rows), *given]


def _restore_callbacks(
    model: Module, state: Checkpoint, done: History, callbacks: Sequence[Any]
) -> None:
    """Give callbacks the state that they had at the end of a finished run."""
    run = Run(model, state.epoch, 0, replace(done), state.epoch)
    Restorer(state.notes, state.arrays, callbacks).train_begin(run)


def _open_for_append(record: str | Path | Recording) -> RunFile:
    recording = record if isinstance(record, Recording) else Recording(record)
    return RunFile.append(recording.path, recording.lock)


def can_continue(values: Mapping[str, Any], done: int, epochs: int) -> bool:
    """Return whether a run that has ended can be trained on up to `epochs` epochs: only one that
    early stopping ended."""
    ended = values.get("ended") or {"stopped": ""}
    return done < epochs and ended["stopped"] == "early"


def _with_epochs(file: RunFile, epochs: int | None) -> dict[str, Any]:
    """Return the settings of a run, with the given number of epochs if there is one."""
    _refuse_fit(file)
    values = begun_values(file)
    done = len(file.history()[0])
    if epochs is not None and epochs < done:
        raise GlassnetError(TOO_FEW.format(epochs, plural(done, "epoch"), file.path))
    return values if epochs is None else {**values, "epochs": epochs}


def train_on(
    recorder: Recorder,
    state: Checkpoint,
    epochs: int,
    callbacks: Sequence[Any],
    history: History,
    values: Mapping[str, Any] | None = None,
) -> History:
    """Delete what was recorded after the checkpoint, and train from there; `values` are settings
    that replace the recorded ones."""
    trainer = recorder.trainer
    with InTraining(trainer.task.model):
        if isinstance(trainer, FullBatchTrainer) and trainer.again:
            return repeat_run(recorder, epochs, callbacks)
        restore(trainer, state)
        check_stoppers(trainer, state, callbacks)
        with recorder.file.change() as database:
            settings = {"epochs": epochs, **described_metrics(callbacks), **(values or {})}
            put_continuation(database, state.epoch, settings)
        around = [*callbacks, Restorer(state.notes, state.arrays, callbacks), recorder]
        return trainer.train(epochs, around, history)


@dataclass(frozen=True)
class RunData:
    """The arguments of a caller who opens or resumes a recorded run."""

    x: Any
    y: Any
    sample_weight: Any = None
    validation: Any = None
    model: Module | None = None
    loss: Any = None
    optimizer: Any = None

    @property
    def complete(self) -> bool:
        """Whether the caller passed rows with labels."""
        return isinstance(self.x, Source | Rows) or (self.x is not None and self.y is not None)


def _data(
    file: RunFile, values: Mapping[str, Any], given: RunData, model: Module, loss: Loss
) -> tuple[Rows, Any]:
    """Return all rows and the validation data: those of the caller, completed by the file's. (The
    sample weights in a file already include class weights.)"""
    if given.complete:
        return check_data(model, loss, given.x, given.y, given.sample_weight), given.validation
    data = file.data()
    training = data.get("training")
    if training is None:
        raise TrainingError(
            f"{file.path} does not hold its data, which were too large; pass them: "
            f"{_required_arguments(values)}"
        )
    if given.x is None and "x" not in training:
        raise TrainingError(
            f"{file.path} does not hold the rows that it was trained on, which were too large; "
            "pass X as the network reads it (est.network_inputs(X)); labels are in the file"
        )
    x: Any = training["x"] if given.x is None else given.x
    x = x.toarray() if hasattr(x, "toarray") else x
    x = check_inputs(model, x)
    picked = data.get(PICKED)
    if picked is not None and len(x) == values.get("rows_given"):
        x = np.ascontiguousarray(x[picked["rows"]])
    if len(x) != values["rows"]:
        before = values.get("rows_given", values["rows"])
        raise TrainingError(
            f"{file.path} was recorded with {plural(before, 'row')}, x has {len(x)}; "
            "pass the rows of the fit in the same order"
        )
    y = training["y"].astype(model.dtype) if training["y"].dtype == bool else training["y"]
    numbers = None if picked is None else picked["rows"]
    weight, gathered = training.get("weight"), bool(values.get("gathered"))
    rows = Rows(x, y, weight, gathered=gathered, numbers=numbers)
    if numbers is not None and (numbers.shape != (len(x),) or numbers.dtype.kind not in "iu"):
        raise ModelFileError(f"{file.path} is damaged: it does not number its rows; {COPY}")
    apart = data.get("validation")
    return rows, None if apart is None else Rows(apart["x"], apart["y"], apart.get("weight"))


def _required_arguments(values: Mapping[str, Any]) -> str:
    """Return the arguments that a caller has to pass, as Python text."""
    source: dict[str, Any] = values.get("source") or {}
    streams: dict[str, dict[str, Any]] = source.get("streams") or {}
    if "training" not in streams:
        return "x, y"
    stream = streams["training"]
    files = stream["path"][0] if len(stream["path"]) == 1 else stream["path"]
    weight = f", weight={stream['weight']!r}" if stream["weight"] else ""
    apart = ", validation=gn.stream(…)" if "validation" in streams else ""
    return f"gn.stream({files!r}, target={stream['target']!r}{weight}){apart}"


def begun_values(file: RunFile) -> dict[str, Any]:
    """Return the settings of a run; TrainingError if it ended before its first step."""
    values = settings_of(file)
    if "model" not in values:
        raise TrainingError(
            f"{file.path} was ended before its first step, while the score was taken; "
            f"`glassnet resume {file.path}` begins the fit again"
        )
    _check_size(file, values["model"])
    return values


def _check_size(file: RunFile, described: Any) -> None:
    """Raise ModelFileError if the weights in the file do not fit its model, before memory for that
    model is allocated."""
    with suppress(TrainingError):  # user code; or `resolve` reports it when it builds the model
        model: Module = from_data(described)
        wanted = sum(parameter.size for parameter in layout_of(model).parameters.values())
        size = wanted * np.dtype(model.dtype).itemsize
        first = file.rows("SELECT arrays, length(content) FROM checkpoint ORDER BY epoch LIMIT 1")
        try:
            heads: Any = parse(first[0][0])["arrays"] if first else [["W", model.dtype, [wanted]]]
            fits = ["W", model.dtype, [wanted]] in heads and (not first or first[0][1] >= size)
        except (ValueError, LookupError, TypeError):
            fits = False
        if not fits:
            raise ModelFileError(
                f"{file.path} is damaged: its model has {plural(wanted, 'parameter')} of "
                f"{model.dtype}, and its first checkpoint is of another one; {COPY}"
            )


def check_not_before(file: RunFile, values: Mapping[str, Any], epoch: int) -> None:
    """Raise GlassnetError if an epoch (from 1) is in the parent run's file instead of this one."""
    parent: dict[str, Any] = values.get("parent") or {}
    if epoch <= parent.get("before", 0):
        raise GlassnetError(
            f"{file.path} goes on from {parent['run']}, which has trained its epochs 1 to "
            f"{parent['before']}, with other settings; open them there"
        )


def is_finished(values: Mapping[str, Any], epoch: int) -> bool:
    """Return whether the run has ended and no epoch is left to train."""
    ended = values.get("ended") or {"stopped": ""}
    finished = ended["stopped"] == "epochs" and epoch >= values["epochs"]
    return finished or ended["stopped"] in ("early", "converged")


def put_result_into(file: RunFile, model: Module) -> None:
    """Copy the recorded result into the model's weights, if the file has one."""
    content = file.result(model.W)
    if content is not None:
        with InTraining(model):
            model.W[...] = content.view(model.W.dtype.newbyteorder("<"))


def rebuild(
    file: RunFile, values: Mapping[str, Any], given: RunData, threads: int | None
) -> tuple[Trainer | FullBatchTrainer, Rows]:
    """Build the trainer of a recorded run from its file and data; return it and all rows."""
    model = resolve(values, given.model, "model")
    loss = as_loss(resolve(values, given.loss, "loss"))
    optimizer = resolve(values, given.optimizer, "optimizer")
    check_numerics(values)
    whole, validation = _data(file, values, given, model, loss)
    kept = values["validation"]
    if (kept == "given") != (validation is not None):
        raise TrainingError(
            "the run was recorded with validation data; pass them: validation=(x_val, y_val)"
            if kept == "given"
            else "the run was recorded without validation data of its own; pass none"
        )
    if values["weighted"] != (whole.weight is not None):
        raise TrainingError(
            f"the run was recorded {'with' if values['weighted'] else 'without'} sample_weight; "
            f"pass {'it' if values['weighted'] else 'none'}"
        )
    rows, held_out = split_validation(
        model, loss, whole, validation if kept == "given" else kept, values["seed"]
    )
    task = Task(model, loss, rows, held_out, thread_count(threads), values["seed"])
    order = _order(values, rows)
    return as_trainer(task, optimizer, order, _conventions(values, optimizer)), whole


def _order(values: Mapping[str, Any], rows: Rows) -> Order:
    if values["shuffle"] and "order_state" in values:
        size = min(values["batch_size"], len(rows))
        return ShuffledOrder(len(rows), size, None, state=values["order_state"])
    return Order.of(rows, values["batch_size"], values["seed"] if values["shuffle"] else None)


def _conventions(values: Mapping[str, Any], optimizer: Any) -> Conventions:
    """Return the conventions that decide what a step computes."""
    rates = values.get("rates")
    schedule = None if rates is None else EpochRates(optimizer.lr, tuple(rates))
    return Conventions(schedule, guarded="estimator" not in values)


def check_numerics(values: Mapping[str, Any]) -> None:
    """Raise TrainingError if this version of glassnet would compute other bits than the recorded
    run."""
    if not computes_alike(values["numerics_version"], repr(values["model"])):
        raise TrainingError(
            f"the run was recorded with numerics version {values['numerics_version']}, this "
            f"program has {numerics_version} and would compute other bits; use the glassnet that "
            f"recorded it, {values['glassnet']}"
        )


def _refuse_fit(file: RunFile) -> None:
    """Raise TrainingError if an estimator recorded the run; its own `resume` must continue it."""
    kind = settings_of(file).get("estimator")
    if kind is not None:
        raise TrainingError(GO_ON.format(str(file.path), kind))


def resolve(values: Mapping[str, Any], given: Any, what: str) -> Any:
    """Return the object that the file describes; or the caller's, if it matches the description."""
    if given is None:
        return from_data(values[what], what)
    given = as_loss(given) if what == "loss" else given
    if not contains_part(values[what], as_data(given)):
        raise TrainingError(f"{what}={given!r} is not the {what} that was recorded: {values[what]}")
    return from_data(values[what], what, given)


def reopen(file: RunFile, given: RunData) -> tuple[dict[str, Any], Trainer]:
    """Return the settings and the trainer of a recorded run; TrainingError if it has no steps
    (full-batch training)."""
    values, trainer = reopen_any(file, given)
    if isinstance(trainer, FullBatchTrainer):
        raise TrainingError(NO_STEPS.format(file.path, trainer.optimizer))
    return values, trainer


def reopen_any(file: RunFile, given: RunData) -> tuple[dict[str, Any], Trainer | FullBatchTrainer]:
    """As `reopen`, for mini-batch and full-batch training."""
    values = begun_values(file)
    trainer, rows = rebuild(file, values, given, None)
    verify_data(file, values, rows, trainer)
    return values, trainer


def verify_data(
    file: RunFile,
    values: Mapping[str, Any],
    rows: Rows,
    trainer: Trainer | FullBatchTrainer,
    other: bool = False,
) -> Fingerprint | None:
    """Raise TrainingError if the data are not those of the run.

    Return their fingerprint if it is still to be recorded: the file has none, because the run was
    interrupted before it was computed, or `other` data are allowed. Else None."""
    prints = Fingerprint(all_data(rows, trainer.task.held_out, values))
    known = values.get("sha256")
    if known is None or other:
        return prints
    for name, digest in prints.wait().items():
        if known.get(name) != digest:
            raise TrainingError(
                f"{file.path} was recorded with other {name} data (SHA-256 {known.get(name)}; "
                f"these have {digest}); pass the same rows in the same order, or other_data=True "
                "to go on with these"
            )
    return None

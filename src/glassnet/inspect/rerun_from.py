"""Train a recorded run again from one of its steps, with other settings, as a new run.

In: a run file, a step, and the settings that change from there. Out: the model and the history of
the new run, and its file, which names its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glassnet.errors import GlassnetError, TrainingError
from glassnet.inspect.replay import Replayer
from glassnet.inspect.streams import with_streams
from glassnet.nn.module import Module
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.schedule import Switched
from glassnet.outputs import FileUse, check_apart
from glassnet.rounding import computed_to_nearest
from glassnet.runs.descriptions import as_data
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint, put_data, put_values
from glassnet.runs.recorder import Recorder
from glassnet.runs.resume_run import (
    RunData,
    check_not_before,
    metric_values,
    rebuild,
    reopen,
    resumed_callbacks,
    train_on,
)
from glassnet.training.callbacks import as_callbacks
from glassnet.training.data_checks import check_counts, check_optimizer
from glassnet.training.history import History
from glassnet.training.metrics import as_metrics
from glassnet.training.trainer import Trainer
from glassnet.version import __version__, numerics_version
from glassnet.words import plural

NOTHING = (
    "rerun: nothing is to be different\n"
    "  right: gn.rerun('run.glass', from_step=9, lr=0.01, record='new.glass')"
)
OF_ESTIMATOR = (
    "{} was recorded by {}, which trains by its own settings; fit one with other settings, or "
    "train est.to_network() by gn.train"
)
BETWEEN = (
    "from_step={} is in the middle of epoch {}; with another optimiser or batch size a run goes on "
    "between epochs\n  right: from_step={} or from_step={}, or only another lr="
)


@dataclass(frozen=True)
class RerunStart:
    """The start of a new run: its settings, and the checkpoints, losses and data that it copies
    from its parent."""

    values: dict[str, Any]
    checkpoints: list[Checkpoint]
    losses: list[float]
    judged: list[float]
    data: dict[str, dict[str, Any]]


@computed_to_nearest
def rerun(
    run: str | Path, x: Any = None, y: Any = None, *,
    from_step: int, record: str | Path,
    lr: Any = None, optimizer: Optimizer | None = None, batch_size: int | None = None,
    epochs: int | None = None, callbacks: Any = None, overwrite: bool = False,
    sample_weight: Any = None, validation: Any = None, model: Module | None = None,
    loss: Any = None, metrics: Any = None, threads: int | None = None,
) -> tuple[Module, History]:  # fmt: skip
    """Train a recorded run again from step `from_step` (from 1) on, with another learning rate `lr`
    (a number or a schedule), `optimizer`, `batch_size` or number of `epochs`. The new run is
    recorded in the file `record`, which names its parent; the recorded run is not changed.

    Before that step the new run has the bits of its parent, and its steps can be opened too. With
    another optimiser or batch size it must begin between two epochs, and only the parent has the
    epochs before; an optimiser of another class starts with a new state. Early stopping is the
    parent's, or `callbacks`. The other arguments are as in `open_step`.
    """
    given = with_streams(run, RunData(x, y, sample_weight, validation, model, loss))
    if lr is None and optimizer is None and batch_size is None and epochs is None:
        raise GlassnetError(NOTHING)
    if lr is not None and optimizer is not None:
        raise GlassnetError("lr and optimizer both say a learning rate; give one of them")
    check_apart([FileUse(record, "the new run")], [FileUse(run, "the recorded run")], "record=")
    with RunFile.read(run) as parent:
        values, trainer = reopen(parent, given)
        if "estimator" in values:
            raise TrainingError(OF_ESTIMATOR.format(run, values["estimator"]))
        changes = {"optimizer": optimizer, "batch_size": batch_size, "epochs": epochs}
        start = _start(parent, values, trainer, from_step, lr, changes)
        again, _ = rebuild(parent, start.values, replace(given, optimizer=optimizer), threads)
    stops = None if callbacks is None else as_callbacks(callbacks)
    others = resumed_callbacks(start.values, again, as_metrics(metrics), stops)
    with RunFile.create(record, overwrite=overwrite) as file:
        state = _write(file, start, again)
        figured = metric_values(start.values, state.epoch)
        history = History(start.losses, start.judged, evaluations=state.epoch, metrics=figured)
        recorder = Recorder(file, again, None, others)
        return again.task.model, train_on(recorder, state, start.values["epochs"], others, history)


def _start(
    parent: RunFile, values: dict[str, Any], trainer: Trainer, step: int, lr: Any,
    changes: Mapping[str, Any],
) -> RerunStart:  # fmt: skip
    losses, judged = parent.history()
    each = trainer.order.steps
    count = len(losses) * each
    if not isinstance(step, int) or not 1 <= step <= count + 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise GlassnetError(f"from_step={step!r}: the run has {plural(count, 'step')}, from 1")
    epoch = (step - 1) // each
    check_not_before(parent, values, epoch + 1)
    known: dict[str, Any] = values.get("parent") or {}
    before: int = known.get("before", 0)
    if changes["optimizer"] is None and changes["batch_size"] is None:
        old = trainer.optimizer
        new = replace(
            old,
            lr=Switched(old.lr, step - 1, old.lr if lr is None else lr, values["epochs"] * each),
        )
        states = [parent.checkpoint(e) for e in parent.epochs() if e <= epoch]
    else:
        if (step - 1) % each:
            raise GlassnetError(
                BETWEEN.format(step, epoch + 1, epoch * each + 1, epoch * each + each + 1)
            )
        new = changes["optimizer"] or trainer.optimizer
        new = new if lr is None else replace(new, lr=lr)
        states, before = [_state_after(parent, trainer, values, epoch)], epoch
        if type(new) is not type(trainer.optimizer):  # its state has another meaning
            kept = {n: a for n, a in states[0].arrays.items() if n not in trainer.memory}
            states = [replace(states[0], arrays=kept)]
    settings = _new_settings(
        values, changes, new, {"run": str(parent.path), "step": step, "before": before}
    )
    end = states[-1].epoch
    return RerunStart(settings, states, losses[:end], judged[:end], parent.data())


def _new_settings(
    values: Mapping[str, Any], changes: Mapping[str, Any], optimizer: Any, parent: dict[str, Any]
) -> dict[str, Any]:
    """Return the settings of the new run, which is no longer a part of a `glassnet fit`."""
    check_optimizer(optimizer)
    counts = {n: changes[n] for n in ("batch_size", "epochs") if changes[n] is not None}
    check_counts(**counts)
    source: dict[str, Any] | None = values.get("source")
    if source is not None:
        source = {name: value for name, value in source.items() if name not in ("recipe", "model")}
    about = {"glassnet": __version__, "numerics_version": numerics_version}
    found = {**values, **counts, **about, "optimizer": as_data(optimizer), "source": source}
    return {**found, "parent": parent, "ended": None}


def _state_after(
    parent: RunFile, trainer: Trainer, values: Mapping[str, Any], epoch: int
) -> Checkpoint:
    """Return the parent's state after `epoch` epochs. Early stopping starts anew unless there is a
    checkpoint of that epoch."""
    state = parent.checkpoint(epoch)
    if state.epoch == epoch:
        return state
    history = History(*parent.history())
    Replayer(trainer, state, history, values["epochs"]).advance(epoch * trainer.order.steps)
    arrays = {"W": trainer.task.model.W.copy()} | {n: a.copy() for n, a in trainer.memory.items()}
    return Checkpoint(epoch, arrays, {})


def _write(file: RunFile, start: RerunStart, trainer: Any) -> Checkpoint:
    """Write the beginning of the new run file; return the checkpoint to continue from. State that
    the parent's optimiser did not have is as before the first step."""
    lines = [
        (place + 1, loss, start.judged[place] if start.judged else None)
        for place, loss in enumerate(start.losses)
    ]
    states = [*start.checkpoints]
    last = states[-1]
    arrays = {name: array.copy() for name, array in trainer.memory.items()} | last.arrays
    named = {"W", *trainer.memory}
    arrays = {n: a for n, a in arrays.items() if n in named or n.endswith(".weights")}
    states[-1] = replace(last, arrays=arrays)
    with file.begin() as database:
        put_values(database, start.values)
        for name, array in start.data.items():
            put_data(database, name, array)
        database.executemany("INSERT INTO history VALUES (?, ?, ?)", lines)
        for state in states:
            put_checkpoint(database, state)
    return states[-1]

"""Record a fit of an MLP estimator, and resume it.

In: an estimator with `record=` and its run. Out: a run file as `train` writes it, and the
estimator's own state: its parameters, its classes, the state of the RandomState that orders of rows
are drawn from, its earlier curves.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from glassnet.estimators.mlp.attributes import Attributes
from glassnet.estimators.mlp.epoch_progress import CURVES, SolverProgress
from glassnet.estimators.mlp.validation import HeldOut
from glassnet.runs import recorder as recorder_settings
from glassnet.runs.descriptions import as_data
from glassnet.runs.file import RunFile
from glassnet.runs.recorder import (
    Fingerprint,
    Recorder,
    described_run,
    fingerprint,
    restore,
)
from glassnet.runs.resume_run import can_continue, is_finished, put_result_into, train_on
from glassnet.runs.run_settings import settings_of
from glassnet.training.callbacks import Restorer
from glassnet.training.data_checks import Rows, dense
from glassnet.training.full_batch import FullBatchTrainer
from glassnet.training.history import History, Run
from glassnet.training.shuffles import ShuffledOrder, random_state, state_as_data
from glassnet.training.trainer import Trainer
from glassnet.version import computes_alike, numerics_version
from glassnet.words import plural

# parameters that may differ when a fit is resumed, since they change no bit of an epoch
FREE = ("max_iter", "time_limit", "threads", "n_jobs", "verbose", "record", "warm_start")

NO_RECORD = (
    "resume goes on with the run file that record= names, and record=None; give the one that fit "
    "wrote: record='run.glass'"
)


def to_json(value: Any) -> Any:
    """Return a parameter as JSON values: a mapping as a list of pairs, code by its name."""
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return [[to_json(key), to_json(value)] for key, value in pairs]
    return as_data(value)


@contextmanager
def open_fit_file(est: Attributes) -> Generator[FitFile | None]:
    """Within the context, the run file of a fit is open; None without `record`. ValueError if a
    resumed file is of another fit.

    A recorded fit draws from its own RandomState, so that the orders in the file are those of the
    fit even if a callback draws from the user's. The user's RandomState then ends in the state that
    it would have without a record.
    """
    if est.record is None:
        yield None
        return
    theirs = est._random_state
    begun: Mapping[str, Any] = theirs.get_state(legacy=False)
    known = None
    goes_on = "_resuming" in vars(est)
    path = Path(est.record)
    way = f"os.remove({str(path)!r})"
    with RunFile.append(path) if goes_on else RunFile.create(path, way=way) as file:
        if goes_on:
            known = settings_of(file)
            _check_same(est, known)
            begun = known["random_state"]
        est._random_state = random_state(begun)
        yield FitFile(est, file, known, state_as_data(begun))
    if known is None and state_as_data(theirs.get_state(legacy=False)) == state_as_data(begun):
        theirs.set_state(est._random_state.get_state(legacy=False))


def check_record(est: Attributes, again: bool) -> None:
    """Raise ValueError if this training cannot be recorded (partial_fit)."""
    if est.record is not None and again:
        raise ValueError(
            f"record={est.record!r}: partial_fit may see other rows at every call, and a run file "
            "is of one set of rows; record a fit (with warm_start=True it starts from the present "
            "weights, and each fit has another file), or leave record=None"
        )


def _check_same(est: Attributes, values: Mapping[str, Any]) -> None:
    """Raise ValueError if the file is of another estimator, other parameters (except FREE), or a
    version that would compute other bits."""
    path, kind = est.record, type(est).__name__
    if values.get("estimator") != kind:
        by = values.get("estimator") or "glassnet.train or `glassnet fit`"
        raise ValueError(f"{path} was recorded by {by}, not by {kind}; {kind} cannot resume it")
    if not computes_alike(values["numerics_version"], repr(values["model"])):
        raise ValueError(
            f"{path} was recorded with numerics version {values['numerics_version']}, this program "
            f"has {numerics_version} and would compute other bits; use the glassnet that recorded "
            f"it, {values['glassnet']}"
        )
    for name, value in est.get_params(deep=False).items():
        known = values["parameters"].get(name)
        if name not in FREE and to_json(value) != known:
            raise ValueError(
                f"{path} was recorded with {name}={known!r}, and this estimator has "
                f"{name}={value!r}; a fit is resumed with the parameters that it began with "
                f"({', '.join(FREE[:-2])} may differ)"
            )


class FitFile:
    """The open run file of one fit; `known` has its settings if the fit is resumed."""

    def __init__(
        self,
        est: Attributes,
        file: RunFile,
        known: dict[str, Any] | None,
        random_state: dict[str, Any],
    ) -> None:
        self.est, self.file, self.known = est, file, known
        self._random_state = random_state  # before anything was drawn
        self._order_state: Mapping[str, Any] = {}

    def order_state(self, est: Attributes) -> Mapping[str, Any]:
        """Return the state of the RandomState before the first order of rows was drawn."""
        if self.known is not None:
            return self.known["order_state"]
        return est._random_state.get_state(legacy=False)

    def start(self) -> int:
        """Return the number of epochs of the checkpoint from which the fit is resumed."""
        return self.file.checkpoint(self.est.max_iter).epoch

    def train(
        self,
        run: Trainer | FullBatchTrainer,
        epochs: int,
        progress: SolverProgress,
        held_out: HeldOut | None,
        picked: np.ndarray | None,
    ) -> History | None:
        """Train, record and return the history; None if a resumed file has all epochs already."""
        rows = run.task.rows
        if self.known is not None:
            return self._go_on(self.known, run, epochs, progress, held_out, picked)
        recorder = Recorder(self.file, run, Fingerprint({"training": rows}), [progress])
        recorder.again = f"{type(self.est).__name__}(record=…).resume(X, y)"
        values = described_run(run, rows, (), self._settings(run, epochs))
        recorder.begin({**values, **self._values(held_out, picked, rows)}, _data(rows, picked))
        return run.train(epochs, [progress, recorder])

    def _settings(self, run: Trainer | FullBatchTrainer, epochs: int) -> dict[str, Any]:
        return {
            "validation": None,
            "source": None,
            "epochs": int(epochs),
            "batch_size": run.order.size,
            "shuffle": isinstance(run.order, ShuffledOrder),
            "seed": run.task.seed,
        }

    def _values(
        self, held_out: HeldOut | None, picked: np.ndarray | None, rows: Rows
    ) -> dict[str, Any]:
        """Return the settings of the estimator, in addition to those of a run."""
        est = self.est
        apart = 0 if picked is None or held_out is None else len(held_out.target)
        state = state_as_data(est._random_state.get_state(legacy=False))
        return {
            "estimator": type(est).__name__,
            "parameters": {n: to_json(value) for n, value in est.get_params(deep=False).items()},
            "rows_given": len(rows) + apart,
            "gathered": rows.in_batches,
            "classes": self._classes(),
            "validated": _validation_digest(held_out, picked),
            "random_state": self._random_state,
            "order_state": state,
            "warm_fits": est._warm_fits,
            "before": {name: list(getattr(est, name, None) or []) for name in CURVES},
        }

    def _classes(self) -> Any:
        return to_json(getattr(self.est, "classes_", None))

    def _check_rows(self, known: dict[str, Any], rows: Rows, validated: str | None) -> Any:
        """Return the SHA-256 of the rows; ValueError if they are not those of the file."""
        sha = {"training": fingerprint(rows)}
        same = known.get("sha256", sha) == sha and known["validated"] == validated
        if not same or known["classes"] != self._classes():
            raise ValueError(
                f"{self.est.record} was recorded with other rows, labels, weights or validation "
                "rows than these; pass the same in the same order"
            )
        return sha

    def _go_on(
        self,
        known: dict[str, Any],
        run: Trainer | FullBatchTrainer,
        epochs: int,
        progress: SolverProgress,
        held_out: HeldOut | None,
        picked: np.ndarray | None,
    ) -> History | None:
        """Resume from the last checkpoint, delete what was recorded after it, and return the
        history; if all epochs are recorded, restore the estimator and return None. ValueError if
        the file has other rows, or more epochs than are asked for."""
        path, file = self.est.record, self.file
        sha = self._check_rows(known, run.task.rows, _validation_digest(held_out, picked))
        losses, judged = file.history()
        if epochs < len(losses):
            raise ValueError(
                f"max_iter={epochs} is less than the {plural(len(losses), 'epoch')} that {path} "
                "has, and trained epochs cannot be undone; ask for as many or more, or fit anew"
            )
        progress.known = known
        state = file.checkpoint(epochs)
        history = History(losses[: state.epoch], judged[: state.epoch], evaluations=state.epoch)
        # early stopping had ended it, and more epochs are asked for than then
        progress.further = epochs > known["epochs"] and can_continue(known, len(losses), epochs)
        if (
            state.epoch
            and is_finished({**known, "epochs": epochs}, state.epoch)
            and not progress.further
        ):
            restore(run, state)
            done = Run(run.task.model, epochs, epochs, history, state.epoch)
            Restorer(state.notes, state.arrays, [progress]).train_begin(done)
            put_result_into(file, run.task.model)
            return None
        recorder = Recorder(file, run, None, [progress])
        recorder.again = f"{type(self.est).__name__}(record=…).resume(X, y)"
        return train_on(recorder, state, epochs, [progress], history, {"sha256": sha})


def _data(rows: Rows, picked: np.ndarray | None) -> dict[str, dict[str, np.ndarray]]:
    """Return the data for the file: targets and weights always, inputs if they are small, and the
    indices of the training rows if some were held out."""
    binary = bool(((rows.y == 0) | (rows.y == 1)).all())
    assert rows.weight is not None
    data = {"y": rows.y.astype(bool) if binary else rows.y, "weight": rows.weight}
    if rows.x.shape[0] * rows.x.shape[1] * rows.y.itemsize <= recorder_settings.SMALL:
        data = {"x": np.ascontiguousarray(dense(rows.x), rows.y.dtype), **data}
    return {"training": data} | ({} if picked is None else {"picked": {"rows": picked}})


def _validation_digest(held_out: HeldOut | None, picked: np.ndarray | None) -> str | None:
    """Return the SHA-256 of the user's validation rows; None if there are none, or they were held
    out of the training rows."""
    if held_out is None or picked is not None:
        return None
    weight = held_out.weight
    given = np.ones(len(held_out.target)) if weight is None else weight
    return fingerprint(Rows(held_out.x, held_out.target, given))

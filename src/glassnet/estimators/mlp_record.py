"""Recording a fit of an MLP estimator while it runs, and going on with it.

In: an estimator with `record=` and its descent. Out: a run file as `train` writes them, from which
inspection opens every step, and `resume` goes on to the bits of an uninterrupted fit. The orders of
rows are those of a RandomState; the file has its state before the first epoch.
"""

# scikit-learn has no types, and an estimator's attributes are what its users set
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet.estimators.mlp_noted import noted
from glassnet.estimators.mlp_recorder import FitRecord, Unrecorded
from glassnet.estimators.mlp_searched import SearchRecord
from glassnet.rounding import to_nearest
from glassnet.training.estimator_step import random_state, state_as_data
from glassnet.training.record_file import RunFile
from glassnet.training.record_settings import settings_of
from glassnet.version import numerics_version

# what may differ when a fit goes on, since it decides no bit of an epoch
FREE = ("max_iter", "time_limit", "threads", "n_jobs", "verbose", "record", "warm_start")

NO_RECORD = (
    "resume goes on with the run file that record= names, and record=None; give the one that fit "
    "wrote: record='run.glass'"
)


@contextmanager
def recording(est: Any) -> Generator[Unrecorded]:
    """What hears of a fit; the file is open meanwhile.

    A recorded fit draws from a RandomState of its own, so that the orders in the file are those of
    the fit even where a callback draws from the same RandomState; the user's then stands where it
    would without a record.
    """
    if est.record is None:
        yield Unrecorded()
        return
    theirs = est._random_state
    begun = theirs.get_state(legacy=False)
    known = None
    if est.__dict__.get("_resuming"):
        file = RunFile.append(est.record)
    else:
        file = RunFile.create(est.record)
    with file:
        if est.__dict__.get("_resuming"):
            known = settings_of(file)
            _check_same(est, known)
            begun = known["random_state"]
        est._random_state = random_state(begun)
        kind = SearchRecord if est.solver == "lbfgs" else FitRecord
        yield kind(est, file, known, state_as_data(begun))
    if known is None and state_as_data(theirs.get_state(legacy=False)) == state_as_data(begun):
        theirs.set_state(est._random_state.get_state(legacy=False))


def check_record(est: Any, again: bool) -> None:
    """ValueError where there is nothing that could be recorded."""
    if est.record is None:
        return
    if again:
        raise ValueError(
            f"record={est.record!r}: partial_fit may see other rows at every call, and a run file "
            "is of one set of rows; record a fit (with warm_start=True it goes on from the weights "
            "that there are, each fit in a file of its own), or leave record=None"
        )


def _check_same(est: Any, values: Mapping[str, Any]) -> None:
    """ValueError where the file is of another fit."""
    path, kind = est.record, type(est).__name__
    if values.get("estimator") != kind:
        by = values.get("estimator") or "glassnet.train or `glassnet fit`"
        raise ValueError(f"{path} was recorded by {by}, not by {kind}; {kind} cannot go on with it")
    if values["numerics_version"] != numerics_version:
        raise ValueError(
            f"{path} was recorded with numerics version {values['numerics_version']}, this program "
            f"has {numerics_version} and would compute other bits; use the glassnet that recorded "
            f"it, {values['glassnet']}"
        )
    for name, value in est.get_params(deep=False).items():
        known = values["parameters"].get(name)
        if name not in FREE and noted(value) != known:
            raise ValueError(
                f"{path} was recorded with {name}={known!r}, and this estimator has "
                f"{name}={value!r}; a fit goes on with the parameters that it began with "
                f"({', '.join(FREE[:-2])} may differ)"
            )


class Recorded:
    """The part of the MLP estimators that goes on with a recorded fit."""

    record: str | os.PathLike[str] | None
    fit: Any

    def resume(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Go on with the fit that `record` holds, from its last checkpoint.

        It ends at the very bits of a fit that was not interrupted. Parameters and data are those of
        that fit; `max_iter` may be more; `time_limit`, `threads`, `n_jobs`, `verbose` may differ.
        Iterations of "lbfgs" are done again; TrainingError where one is not as in the file.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The rows of the fit, in the same order.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, where the fit had any.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to validate on, where the fit had any.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        if self.record is None:
            raise ValueError(NO_RECORD)
        self.__dict__["_resuming"] = True
        given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        try:
            return self.fit(X, y, sample_weight, **given)
        finally:
            del self.__dict__["_resuming"]

    @to_nearest
    def network_inputs(self, X: Any) -> np.ndarray:
        """Rows as the network reads them, with columns `encoded_feature_names_`.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows as `predict` takes them.

        Returns
        -------
        x : ndarray or sparse matrix of shape (n_samples, n_inputs)
            What `to_network()` takes, and `glassnet.open_step` where a run file holds no rows.
        """
        check_is_fitted(self)
        own: Any = self
        return own._checked(X)

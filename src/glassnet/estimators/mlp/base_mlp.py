"""The common part of the two MLP estimators: parameters, checks, fitting, prediction.

In: scikit-learn's parameters and data. Out: scikit-learn's fitted attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_is_fitted,
    check_X_y,
    validate_data,
)

from glassnet.estimators.mlp.call_cache import CallCache
from glassnet.estimators.mlp.column_encoder import ColumnEncoder, as_frame, with_column_hint
from glassnet.estimators.mlp.fit_callbacks import CallbackSupport, FitCallbacks
from glassnet.estimators.mlp.fit_mlp import FitData, fit_by_lbfgs, fit_by_steps, loss_and_gradient
from glassnet.estimators.mlp.fitted import FittedMLP
from glassnet.estimators.mlp.mlp_network import predict_outputs
from glassnet.estimators.mlp.parameters import CONSTRAINTS, layer_sizes, thread_count
from glassnet.estimators.mlp.record import NO_RECORD, check_record
from glassnet.estimators.mlp.validation import given_rows, row_weights
from glassnet.estimators.mlp.value_checks import is_table, is_training
from glassnet.rounding import computed_to_nearest
from glassnet.training.data_checks import Rows

SCRATCH = ("activations", "deltas", "coef_grads", "intercept_grads")  # scikit-learn's buffers


class BaseMLP(FittedMLP, CallbackSupport, TransformerMixin, BaseEstimator):
    """Fits and predicts; subclasses prepare the labels."""

    fit: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    def _store(self, given: Mapping[str, Any]) -> None:
        """Set the constructor's arguments as attributes."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the parameters' names, from a cache of the class: scikit-learn would inspect the
        signature at each call."""
        if "_names" not in cls.__dict__:
            cls._names = tuple(cast(Any, super())._get_param_names())
        return list(cls._names)

    _names: ClassVar[tuple[str, ...]]

    @computed_to_nearest
    def _fit(
        self, X: Any, y: Any, weight: Any, again: bool, validation: tuple[Any, Any, Any]
    ) -> Any:
        sizes = layer_sizes(self.hidden_layer_sizes)
        if self.early_stopping and again:
            raise ValueError("partial_fit does not support early_stopping=True")
        check_record(self, again)
        self._calls: CallCache = self.__dict__.get("_calls") or CallCache()
        first = not hasattr(self, "coefs_") or not (self.warm_start or again)
        if not first and sizes != (known := [w.shape[1] for w in self.coefs_[:-1]]):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}, but the network that is to be "
                f"trained further has {known}; set them so, or fit a new one without warm_start"
            )
        raw, watch = y, FitCallbacks(None if again else self, X, y, weight)
        X, y = self._validate_input(X, y, again, first)
        X = X.tocsr() if hasattr(X, "tocsr") else X
        weight = self._weights(X, raw, weight, again)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        self.n_outputs_ = y.shape[1]
        self._fresh_random_state(again)
        self._warm_fits += not first and not again
        if first:
            self._initialize((X.shape[1], *sizes, self.n_outputs_), X.dtype)
        target = np.ascontiguousarray(y, X.dtype)
        ones = np.ones(len(y), X.dtype) if weight is None else weight
        rows = Rows(X, target, ones, names=self._column_names())
        data = FitData(rows, given_rows(self, validation, X.dtype), weight is not None)
        watch.begin()
        if self.solver == "lbfgs":
            fit_by_lbfgs(self, data, watch)
        else:
            fit_by_steps(self, data, watch, again)
        watch.end()
        if not all(np.isfinite(w).all() for w in [*self.coefs_, *self.intercepts_]):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether it is fitted; without this, scikit-learn would search all attributes at
        each call."""
        return hasattr(self, "coefs_")

    def _fresh_random_state(self, again: bool) -> None:
        """Set `_random_state` to that of this fit. Creating one takes longer than a `partial_fit`
        of one row, so one with the same seed from which nothing was drawn is used again."""
        seed: Any = self.random_state
        if not (again and type(seed) is int and self.__dict__.get("_undrawn") == seed):
            self._random_state = check_random_state(seed)
        self._undrawn = None

    def _column_names(self) -> tuple[str, ...]:
        """Return the names of the network's inputs for a run file; empty without `record`, or if
        the columns have no names."""
        named = hasattr(self, "feature_names_in_") or "_encoder" in vars(self)
        return tuple(self.encoded_feature_names_) if named and self.record is not None else ()

    def _weights(self, X: Any, y: Any, weight: Any, again: bool) -> Any:
        return None if weight is None else row_weights(weight, X, X.dtype)

    def _initialize(self, units: tuple[int, ...], dtype: Any) -> None:
        """Draw the initial weights and biases, uniform by Glorot and Bengio, 2010, and reset the
        attributes of training."""
        self.n_iter_ = self.t_ = 0
        self._warm_fits = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._output_activation()
        self.coefs_: list[np.ndarray] = []
        self.intercepts_: list[np.ndarray] = []
        for fan_in, fan_out in pairwise(units):
            factor = 2.0 if self.activation == "logistic" else 6.0
            bound = np.sqrt(factor / (fan_in + fan_out))
            for shape, parts in (
                ((fan_in, fan_out), self.coefs_),
                (fan_out, self.intercepts_),
            ):
                drawn = self._random_state.uniform(-bound, bound, shape)
                parts.append(drawn.astype(dtype, copy=False))
        self.loss_curve_ = []
        self._no_improvement_count = 0
        self.validation_scores_ = [] if self.early_stopping else None
        self.validation_loss_curve_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _validate_input(self, X: Any, y: Any, again: bool, first: bool) -> tuple[Any, Any]:
        """Return the network's inputs and targets. `again` is true in `partial_fit` and `first` if
        new weights are drawn, so that the columns may be others than before."""
        raise NotImplementedError

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: Any, *given: Any
    ) -> tuple[float, np.ndarray]:
        """Return the loss, with its penalty, and the gradient at a point, for `solver="lbfgs"`.

        This method is private in scikit-learn too; it exists for code that checks gradients through
        it, as scikit-learn's own tests do. The estimator is not changed, while scikit-learn's takes
        the point as its weights.

        Parameters
        ----------
        packed_coef_inter : ndarray of shape (n_parameters,)
            The point: `coefs_`, then `intercepts_`, each of them flat.
        X : ndarray or sparse matrix of shape (n_samples, n_inputs)
            Rows as the network reads them.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Numbers, or classes as columns of 0 and 1.
        *given : ndarray of shape (n_samples,) or None, and four lists
            `sample_weight` (not in scikit-learn 1.6), and `activations`, `deltas`, `coef_grads`
            and `intercept_grads`, which are neither read nor filled, and may be left out.

        Returns
        -------
        loss : float
            Computed in float64, whatever X is.
        grad : ndarray of float64 of shape (n_parameters,)
            In the order of the point.
        """
        y = np.asarray(y, float).reshape(X.shape[0], -1)
        weight = given[0] if given and len(given) != len(SCRATCH) else None
        weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
        rows = Rows(X, np.ascontiguousarray(y), weight)
        return loss_and_gradient(self, packed_coef_inter, rows)

    @property
    def _threads(self) -> int | None:
        if self.n_jobs is None:
            return self.threads
        if self.threads is not None:
            raise ValueError(
                f"threads={self.threads} and n_jobs={self.n_jobs} mean the same; pass one of them"
            )
        return thread_count(self.n_jobs)

    def _read(self, X: Any, y: Any, first: bool, **how: Any) -> tuple[Any, Any]:
        """Return the rows and targets of a training, checked as scikit-learn does and encoded if
        needed. ValueError or TypeError, with the column, if a cell cannot be used."""
        how |= {"multi_output": True, "dtype": (np.float64, np.float32), "order": "C"}
        if not first and self._is_plain(X, y):
            return X, y
        X = as_frame(X)
        if self.missing is None and self.categorical_features is None:
            self.__dict__.pop("_encoder", None)
            try:
                how |= {"accept_sparse": ["csr", "csc"], "skip_check_array": is_training(X, y)}
                checked: Any = validate_data(self, X, y, reset=first, **how)
                return checked
            except (TypeError, ValueError) as error:
                raise with_column_hint(error, X) from None
        validate_data(self, X, skip_check_array=True, reset=first)
        if first:
            self._encoder = ColumnEncoder.learn(X, self.categorical_features, self.missing)
        return check_X_y(self._encoder.encode(X), y, estimator=self, **how)

    def _is_plain(self, X: Any, y: Any) -> bool:
        """Return whether rows and targets are already valid arrays with the fitted columns, so that
        checks can be skipped."""
        if not (is_training(X, y) and self.missing is None and self.categorical_features is None):
            return False
        attributes = vars(self)
        named = "_encoder" in attributes or "feature_names_in_" in attributes
        return not named and X.shape[1] == attributes.get("n_features_in_")

    def _checked(self, X: Any) -> Any:
        """Return rows to predict, checked and encoded: the inputs of the network. ValueError or
        TypeError, with the column, if a cell cannot be used."""
        encoder: ColumnEncoder | None = getattr(self, "_encoder", None)
        X = as_frame(X)
        if encoder is not None:
            validate_data(self, X, skip_check_array=True, reset=False)
            return encoder.encode(X)
        try:
            how: dict[str, Any] = {"skip_check_array": is_table(X), "reset": False}
            found: Any = validate_data(self, X, accept_sparse=["csr", "csc"], **how)
            return found.astype(float) if found.dtype.kind == "O" else found
        except (TypeError, ValueError) as error:
            raise with_column_hint(error, X) from None

    @computed_to_nearest
    def _network_outputs(self, X: Any, what: str = "output", check: bool = True) -> np.ndarray:
        calls: CallCache | None = self.__dict__.get("_calls")
        found = None if calls is None else calls.outputs(self, X, what, check)
        if found is not None:
            return found
        if check:
            check_is_fitted(self)
            X = self._checked(X)
        rows: Any = X.tocsr() if hasattr(X, "tocsr") else X
        return predict_outputs(self, rows, what)

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        return True

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
        """Resume the fit that the file `record` holds, from its last checkpoint.

        The result has the bits of a fit that was not interrupted. Parameters and data must be those
        of that fit; `max_iter`, `time_limit`, `threads`, `n_jobs`, `verbose` may differ. ValueError
        without `record`, or if the file is of others. Solver "lbfgs" repeats all iterations;
        TrainingError if one differs from the file.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            The rows of the fit, in the same order.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, if the fit had any.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation data, if the fit had any.

        Returns
        -------
        self : estimator
            The fitted estimator."""
        if self.record is None:
            raise ValueError(NO_RECORD)
        self.__dict__["_resuming"] = True
        given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        try:
            return self.fit(X, y, sample_weight, **given)
        finally:
            del self.__dict__["_resuming"]

    @computed_to_nearest
    def network_inputs(self, X: Any) -> np.ndarray:
        """Return encoded rows, the inputs of the network, with columns `encoded_feature_names_`.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows as `predict` takes them.

        Returns
        -------
        x : ndarray or sparse matrix of shape (n_samples, n_inputs)
            Inputs for `to_network()`, and for `glassnet.open_step` if a run file holds no rows.
        """
        check_is_fitted(self)
        found: np.ndarray = self._checked(X)
        return found

    def __sklearn_tags__(self) -> Any:
        tags: Any = cast(Any, super()).__sklearn_tags__()
        tags.input_tags.sparse = self.missing is None and self.categorical_features is None
        tags.input_tags.allow_nan = self.missing == "indicator"
        tags.input_tags.categorical = self.categorical_features is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

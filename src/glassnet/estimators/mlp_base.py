"""What the two MLP estimators share: parameters, checks, fitting, prediction.

In: scikit-learn's parameters and data. Out: scikit-learn's fitted attributes.
"""

# scikit-learn has no types, and an estimator's attributes are what its users set
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false, reportConstantRedefinition=false

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_is_fitted,
    check_X_y,
    validate_data,
)

from glassnet.estimators.mlp_checks import is_table, is_training
from glassnet.estimators.mlp_columns import ColumnEncoder, framed, hinted
from glassnet.estimators.mlp_descend import Descent, memory_of
from glassnet.estimators.mlp_graph import Network
from glassnet.estimators.mlp_lbfgs import Course, LossGradient, Objective, lbfgs
from glassnet.estimators.mlp_opened import Opened
from glassnet.estimators.mlp_parameters import (
    CONSTRAINTS,
    activation_layer,
    layer_sizes,
    thread_count,
)
from glassnet.estimators.mlp_ready import Ready
from glassnet.estimators.mlp_record import Recorded, check_record, recording
from glassnet.estimators.mlp_solve import Rows, predicted, views
from glassnet.estimators.mlp_validate import HeldOut, divided, given_rows, row_weights
from glassnet.estimators.mlp_watch import CallbackSupport, Watch
from glassnet.rounding import to_nearest


class BaseMLP(Opened, Recorded, LossGradient, CallbackSupport, TransformerMixin, BaseEstimator):
    """Fitting and predicting; subclasses prepare the labels."""

    hidden_layer_sizes: Any
    activation: Any
    solver: str
    alpha: float
    max_iter: int
    max_fun: int
    tol: float
    early_stopping: bool
    warm_start: bool
    random_state: Any
    validation_fraction: float
    dropout: float
    scoring: Any
    threads: int | None
    n_jobs: int | None
    missing: str | None
    categorical_features: Any
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    best_loss_: float | None
    _metric: Any  # scores the held-out rows: (truth, found, sample_weight=)

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    def _store(self, given: Mapping[str, Any]) -> None:
        """Set the constructor's arguments as attributes."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """As scikit-learn finds them in the signature, which it would read at every call."""
        if "_names" not in cls.__dict__:
            cls._names = tuple(super()._get_param_names())
        return list(cls._names)

    _names: ClassVar[tuple[str, ...]]

    @to_nearest
    def _fit(
        self, X: Any, y: Any, weight: Any, again: bool, validation: tuple[Any, Any, Any]
    ) -> Any:
        sizes = layer_sizes(self.hidden_layer_sizes)
        if self.early_stopping and again:
            raise ValueError("partial_fit does not support early_stopping=True")
        check_record(self, again)
        self._ready: Ready = self.__dict__.get("_ready") or Ready()
        first = not hasattr(self, "coefs_") or not (self.warm_start or again)
        if not first and sizes != (known := [w.shape[1] for w in self.coefs_[:-1]]):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}, but the network that is to be "
                f"trained further has {known}; set them so, or fit a new one without warm_start"
            )
        raw = y
        watch = Watch(None if again else self, X, y, weight)
        X, y = self._validate_input(X, y, again, first)
        X = X.tocsr() if hasattr(X, "tocsr") else X
        weight = self._weights(X, raw, weight, again)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        self.n_outputs_ = y.shape[1]
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize((X.shape[1], *sizes, self.n_outputs_), X.dtype)
        target = np.ascontiguousarray(y, X.dtype)
        rows = Rows(X, target, np.ones(len(y), X.dtype) if weight is None else weight)
        held_out = given_rows(self, validation, X.dtype)
        watch.begin()
        if self.solver == "lbfgs":
            self._solve(rows, held_out, watch)
        else:
            self._descend(rows, held_out, watch, again, weight is not None)
        watch.end()
        if not all(np.isfinite(w).all() for w in [*self.coefs_, *self.intercepts_]):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _weights(self, X: Any, y: Any, weight: Any, again: bool) -> Any:
        return None if weight is None else row_weights(weight, X, X.dtype)

    def _initialize(self, units: tuple[int, ...], dtype: Any) -> None:
        """First weights, uniform by Glorot and Bengio, 2010; an empty record."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._out()
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

    def _out(self) -> str:
        """The output's activation."""
        raise NotImplementedError

    def _validate_input(self, X: Any, y: Any, again: bool, first: bool) -> tuple[Any, Any]:
        """Rows and targets as arrays; `first` is whether the columns are new."""
        raise NotImplementedError

    def _validation_target(self, y: Any) -> np.ndarray:
        """What the loss compares with, [rows, outputs], of labels to validate on."""
        raise NotImplementedError

    def _answers(self, output: np.ndarray) -> np.ndarray:
        """Predictions from outputs of the network."""
        raise NotImplementedError

    def _loss(self) -> Any:
        """A loss in place of the one that goes with the output's activation."""
        return None

    def _network(self, dtype: Any, seed: int = 0) -> Network:
        sizes = (self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_))
        hidden = len(sizes) - 2
        given = self.activation
        each = list(given) if isinstance(given, (list, tuple)) else [given] * hidden
        if len(each) != hidden:
            raise ValueError(
                f"activation={given!r} has {len(each)} entries and hidden_layer_sizes {hidden}; "
                "a list has one activation for each hidden layer"
            )
        layers = tuple(activation_layer(own) for own in each)
        name, dropout = np.dtype(dtype).name, float(self.dropout)
        return Network(sizes, layers, self.out_activation_, self._loss(), name, dropout, seed)

    def _block(self, dtype: Any) -> np.ndarray:
        """All parameters in one vector."""
        parts = [np.ravel(w) for w in [*self.coefs_, *self.intercepts_]]
        return np.concatenate(parts).astype(dtype, copy=False)

    def _take(self, network: Network, block: np.ndarray) -> None:
        parts = views(network, block)
        self.coefs_ = parts[: len(network.sizes) - 1]
        self.intercepts_ = parts[len(network.sizes) - 1 :]

    def _solve(self, rows: Rows, held_out: HeldOut | None, watch: Watch) -> None:
        """L-BFGS, in float64 whatever the data are."""
        network = self._network(np.float64)
        x = rows.x if hasattr(rows.x, "toarray") else rows.x.astype(float, copy=False)
        wide = Rows(x, rows.y.astype(float), rows.weight.astype(float))
        self._judged_from_now(held_out)
        objective = Objective(network, wide, float(self.alpha), self._threads)
        with recording(self) as record:
            found = lbfgs(Course(self, objective, held_out, watch, record))
        self._take(network, found.astype(rows.y.dtype))

    def _descend(
        self, rows: Rows, held_out: HeldOut | None, watch: Watch, again: bool, weighted: bool
    ) -> None:
        with recording(self) as record:
            seed = int(self._random_state.randint(2**31 - 1)) if self.dropout else 0
            network = self._network(rows.y.dtype, seed)
            block = self._block(rows.y.dtype)
            self._optimizer = memory_of(self, block, again)
            if self.early_stopping and held_out is None:
                rows, held_out = divided(self, rows, weighted)
            self._judged_from_now(held_out)
            self._take(network, block)
            Descent(self, network, block, rows, held_out, watch, record).run(once=again)

    def _judged_from_now(self, held_out: HeldOut | None) -> None:
        if held_out is not None and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf
            self.validation_loss_curve_ = []
        if self.best_loss_ is None and not self.early_stopping:
            self.best_loss_ = np.inf  # the fit before stopped early, and did not keep it

    @property
    def _threads(self) -> int | None:
        if self.n_jobs is None:
            return self.threads
        if self.threads is not None:
            raise ValueError(
                f"threads={self.threads} and n_jobs={self.n_jobs} say the same thing; give one"
            )
        return thread_count(self.n_jobs)

    def _decoded(self, y: Any) -> Any:
        return y

    def _read(self, X: Any, y: Any, first: bool, **how: Any) -> tuple[Any, Any]:
        """Rows and targets of training, checked as scikit-learn does and perhaps encoded."""
        how |= {"multi_output": True, "dtype": (np.float64, np.float32), "order": "C"}
        X = framed(X)
        if self.missing is None and self.categorical_features is None:
            self.__dict__.pop("_encoder", None)
            try:
                how |= {"accept_sparse": ["csr", "csc"], "skip_check_array": is_training(X, y)}
                checked: Any = validate_data(self, X, y, reset=first, **how)
                return checked
            except (TypeError, ValueError) as error:
                raise hinted(error, X) from None
        validate_data(self, X, skip_check_array=True, reset=first)
        if first:
            self._encoder = ColumnEncoder.learn(X, self.categorical_features, self.missing)
        return check_X_y(self._encoder.encode(X), y, estimator=self, **how)

    def _checked(self, X: Any) -> Any:
        """Rows to predict, as the network reads them."""
        encoder: ColumnEncoder | None = getattr(self, "_encoder", None)
        X = framed(X)
        if encoder is not None:
            validate_data(self, X, skip_check_array=True, reset=False)
            return encoder.encode(X)
        try:
            how: dict[str, Any] = {"skip_check_array": is_table(X), "reset": False}
            found: Any = validate_data(self, X, accept_sparse=["csr", "csc"], **how)
            return found.astype(float) if found.dtype.kind == "O" else found
        except (TypeError, ValueError) as error:
            raise hinted(error, X) from None

    @to_nearest
    def _forward(self, X: Any, what: str = "output", check: bool = True) -> np.ndarray:
        ready: Ready | None = self.__dict__.get("_ready")
        found = None if ready is None else ready.outputs(self, X, what, check)
        if found is not None:
            return found
        if check:
            check_is_fitted(self)
            X = self._checked(X)
        rows: Any = X.tocsr() if hasattr(X, "tocsr") else X
        dtype = np.result_type(self.coefs_[0], *([rows.dtype] if rows.dtype.kind == "f" else []))
        parts = [np.ascontiguousarray(w, dtype) for w in [*self.coefs_, *self.intercepts_]]
        return predicted(self._network(dtype), parts, rows, what)

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.missing is None and self.categorical_features is None
        tags.input_tags.allow_nan = self.missing == "indicator"
        tags.input_tags.categorical = self.categorical_features is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

"""`MLPRegressor` with scikit-learn's interface, compiled.

In: rows and numbers. Out: a fitted estimator with scikit-learn's attributes.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from glassnet.arguments import with_foreign_names
from glassnet.estimators.mlp.base_mlp import BaseMLP
from glassnet.estimators.mlp.fit_callbacks import with_callbacks
from glassnet.estimators.mlp.value_checks import refuse_no_numbers
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.losses import MAE, Huber, Quantile
from glassnet.rounding import computed_to_nearest
from glassnet.training.exclusive import InTraining
from glassnet.words import plural

LOSSES: dict[str, Loss] = {"absolute_error": MAE(), "huber": Huber(), "quantile": Quantile()}


class MLPRegressor(RegressorMixin, BaseMLP):
    """A feed-forward network that predicts numbers.

    Parameters and attributes are those of scikit-learn's MLPRegressor. For the same `random_state`
    it draws the same initial weights and orders of rows, so that the training is the same up to
    rounding. The loss is the sum over outputs of the mean over rows, and the gradient is its
    gradient; scikit-learn reports the mean over outputs, and uses the gradient of the sum.

    Parameters
    ----------
    loss : str, loss or callable, default="squared_error"
        "squared_error" (half of it), "poisson" (half the deviance, the output being exp z),
        "absolute_error", "huber", "quantile", one of `glassnet.losses`, or a function of
        predictions and labels that returns one number per row, written with `glassnet.ops`.
    quantile : float or list of float, default=0.5
        The quantile that `loss="quantile"` predicts. For a list, one network predicts all of them,
        as columns of `predict`; each row is sorted, so that quantiles do not cross. `n_outputs_` is
        then their number.
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Neurons of each hidden layer.
    activation : str, layer, callable or list of these, default="relu"
        Activation of the hidden layers; a list has one for each layer. Names: "identity",
        "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus".
        A callable is a function written with `glassnet.ops`.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        The optimiser.
    alpha : float, default=0.0001
        Strength of the L2 penalty: half the sum of squared weights, divided by the sum of the
        sample weights.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is 200, or all rows if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of the learning rate, for solver "sgd".
    learning_rate_init : float, default=0.001
        Initial learning rate.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Maximum number of epochs ("sgd", "adam") or iterations ("lbfgs").
    shuffle : bool, default=True
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of rows and the held-out rows.
    tol : float, default=1e-4
        Smallest decrease of the loss (increase of the score) that counts as an improvement; for
        "lbfgs", the largest element of the gradient at which it stops.
    verbose : bool, default=False
        Whether to print the loss after each epoch.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous fit.
    momentum : float, default=0.9
        Momentum, for solver "sgd".
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the score of held-out rows does not improve, with the best weights.
    validation_fraction : float, default=0.1
        Fraction of rows to hold out for early stopping.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Settings of "adam".
    n_iter_no_change : int or inf, default=10
        Epochs without improvement before the training stops.
    max_fun : int, default=15000
        Maximum number of loss evaluations, for solver "lbfgs".
    dropout : float, default=0.0
        Dropout probability of hidden neurons, for solvers "sgd" and "adam".
    scoring : str, callable or None, default=None
        Score of the held-out rows; None is R².
    time_limit : float or None, default=None
        Time limit in seconds: no epoch begins after it.
    threads : int or None, default=None
        Number of threads; None uses all available ones. It never changes a bit of the result.
    n_jobs : int or None, default=None
        The same by scikit-learn's convention: -1 means all processors, -2 all but one.
    missing : {"indicator"} or None, default=None
        Whether X may contain NaN: "indicator" replaces it by the column's mean, and adds an
        indicator column of 0 and 1 for each column with missing values in training.
    categorical_features : "from_dtype", array-like of bool, int or str, or None, default=None
        Categorical columns, as a mask, by index or by name; "from_dtype" selects the columns of a
        data frame whose dtype is categorical or text. They are one-hot encoded; a value unknown in
        training is 0 in all columns.
    record : str, path or None, default=None
        Run file that `fit` writes (an existing run file is replaced): `resume` continues it, and
        `glassnet.open_step` opens each step of solver "sgd" or "adam".

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights (fan_in, fan_out) and biases of each layer.
    loss_, best_loss_ : float
        Loss of the last epoch, and the smallest loss (None with early stopping).
    loss_curve_ : list of float
        Loss of each epoch.
    validation_scores_, best_validation_score_ : list of float, float
        Scores of the held-out rows after each epoch, and the best; None without such rows.
    validation_loss_curve_ : list of float
        Their loss after each epoch, without the penalty; None without such rows.
    n_iter_, t_ : int
        Epochs of the last fit; total number of rows seen.
    n_layers_, n_outputs_, n_features_in_ : int
        Sizes.
    feature_names_in_, encoded_feature_names_ : ndarray of str
        Column names, if X has any, and names of the network's inputs.
    out_activation_ : str
        Activation of the output layer.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from glassnet import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> MLPRegressor(solver="lbfgs", max_iter=1000, random_state=0).fit(X, y).score(X, y) > 0.5
    True
    """

    loss: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", *LOSSES}), Loss, callable],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }

    @with_foreign_names
    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        scoring: Any = None,
        time_limit: float | None = None,
        threads: int | None = None,
        n_jobs: int | None = None,
        missing: str | None = None,
        categorical_features: Any = None,
        record: Any = None,
        quantile: Any = 0.5,
    ) -> None:
        self._store(locals())

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Train on rows X with numbers y.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Float32 is computed in float32, everything else in float64. Sparse rows are converted
            to dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation data. With `early_stopping` they replace the held-out rows; without it they
            only determine `validation_scores_` and `validation_loss_curve_`.

        Returns
        -------
        self : MLPRegressor
            The fitted estimator.
        """
        with InTraining(self):
            return self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))

    @available_if(lambda est: est._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on these rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : MLPRegressor
            The estimator, trained further.
        """
        with InTraining(self):
            return self._fit(X, y, sample_weight, True, (None, None, None))

    def _validate_input(self, X: Any, y: Any, again: bool, first: bool) -> tuple[Any, Any]:
        refuse_no_numbers(y)
        X, y = self._read(X, y, first, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._refuse_negative(y, "y")
        return X, self._repeat_for_quantiles(y, "y")

    def _levels(self) -> tuple[float, ...]:
        """Return the quantiles to predict, if several; empty for one prediction per output.
        ValueError if `quantile` is not between 0 and 1, or does not suit the loss."""
        if "quantile" not in vars(self) or isinstance(self.quantile, Real):  # of earlier versions
            levels: tuple[float, ...] = ()
        else:
            levels = tuple(float(level) for level in self.quantile)
            if not levels or not all(0.0 < level < 1.0 for level in levels):
                raise ValueError(f"quantile={self.quantile!r}: use numbers between 0 and 1")
        asked = isinstance(self.loss, str) and self.loss == "quantile"
        if not asked and (levels or vars(self).get("quantile", 0.5) != 0.5):
            raise ValueError(
                f"quantile={self.quantile!r} goes with loss='quantile'; loss is {self.loss!r}"
            )
        return levels if len(levels) > 1 else ()

    def _repeat_for_quantiles(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return the targets repeated for each quantile, [rows, quantiles]; unchanged unless there
        are several quantiles. ValueError if y has several columns."""
        levels = self._levels()
        if not levels:
            return y
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(
                f"{name} has {plural(y.shape[1], 'column')}, and several quantiles are predicted "
                "of one\n  right: sklearn.multioutput.MultiOutputRegressor(est), or one estimator "
                "for each"
            )
        return np.repeat(y.reshape(-1, 1), len(levels), axis=1)

    def _metric(self, y: Any, found: Any, sample_weight: Any = None) -> float:
        """Return R²; for several quantiles, the mean of their D² with the pinball loss."""
        levels = self._levels()
        if not levels:
            return r2_score(y, found, sample_weight=sample_weight)
        y = np.asarray(y).reshape(len(found), -1)
        scores = [
            d2_pinball_score(y[:, min(i, y.shape[1] - 1)], found[:, i],
                             sample_weight=sample_weight, alpha=level)
            for i, level in enumerate(levels)
        ]  # fmt: skip
        return float(np.mean(scores))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² of the predictions; for several quantiles, the mean of their D² with pinball
        loss (`sklearn.metrics.d2_pinball_score`). The best value is 1.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            R², or D².
        """
        return self._metric(y, self.predict(X), sample_weight)

    def _refuse_negative(self, y: np.ndarray, name: str) -> None:
        if isinstance(self.loss, str) and self.loss == "poisson" and (y < 0).any():
            least = f"the smallest {name} is {np.min(y):g}"
            raise ValueError(f"loss='poisson' takes {name} >= 0; {least}")

    def _output_activation(self) -> str:
        poisson = isinstance(self.loss, str) and self.loss == "poisson"
        return "exp" if poisson else "identity"

    def _loss(self) -> Loss | None:
        if isinstance(self.loss, str):
            if self.loss == "quantile":
                return Quantile(self._levels() or np.ravel(self.quantile)[0].item())
            return LOSSES.get(self.loss)
        chosen = as_loss(self.loss)
        if chosen.skips_missing or not chosen.by_row:
            raise ValueError(
                f"loss={chosen!r}: an estimator takes a loss of rows, whose labels are all there\n"
                "  right: gn.train(model, X, y, loss=…, optimizer=…), which takes every loss"
            )
        return chosen

    def _answers(self, output: np.ndarray) -> np.ndarray:
        levels = self._levels()
        if levels:  # sorting makes no loss larger: Chernozhukov and others, 2010
            ordered = np.empty_like(output)
            ordered[:, np.argsort(levels)] = np.sort(output, axis=1)
            return ordered
        return output.ravel() if output.shape[1] == 1 else output

    def _validation_target(self, y: Any) -> np.ndarray:
        refuse_no_numbers(y, "y_val")
        target = np.asarray(y, float)
        if not np.isfinite(target).all():
            row = int(np.argwhere(~np.isfinite(target))[0][0])
            raise ValueError(f"y_val is not finite in row {row} (counted from 0)")
        self._refuse_negative(target, "y_val")
        target = self._repeat_for_quantiles(
            target.reshape(-1, 1) if target.ndim == 1 else target, "y_val"
        )
        if target.shape[1:] != (self.n_outputs_,):
            raise ValueError(
                f"y_val has shape {np.shape(y)}; wanted {plural(self.n_outputs_, 'number')} a "
                "row, as y"
            )
        return target

    @computed_to_nearest
    def predict(self, X: Any) -> np.ndarray:
        """Predict the numbers of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Numbers; for several quantiles, a column each.
        """
        return self._answers(self._network_outputs(X))

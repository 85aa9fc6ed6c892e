"""`MLPClassifier` with scikit-learn's interface, compiled.

In: rows and classes. Out: a fitted estimator with scikit-learn's attributes.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)

from glassnet.arguments import with_foreign_names
from glassnet.estimators.mlp.base_mlp import BaseMLP
from glassnet.estimators.mlp.fit_callbacks import with_callbacks
from glassnet.estimators.mlp.labels import (
    binarize,
    class_weights,
    known_columns,
    probabilities,
    same_labels,
)
from glassnet.estimators.mlp.parameters import check_class_weight
from glassnet.estimators.mlp.validation import row_weights
from glassnet.estimators.mlp.value_checks import refuse_long, refuse_mixed
from glassnet.rounding import computed_to_nearest
from glassnet.training.exclusive import InTraining
from glassnet.words import plural


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A feed-forward network that classifies, trained on the logistic loss.

    Parameters and attributes are those of scikit-learn's MLPClassifier. For the same
    `random_state` it draws the same initial weights and orders of rows, so that the training is the
    same up to rounding.

    Parameters
    ----------
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
        Score of the held-out rows; None is the accuracy.
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
    class_weight : dict, "balanced" or None, default=None
        Class weights, multiplied with the sample weights.

    Attributes
    ----------
    classes_ : ndarray
        Classes, sorted.
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
    >>> from sklearn.datasets import load_iris
    >>> from glassnet import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier(solver="lbfgs", random_state=0).fit(X, y).predict(X[:2]).tolist()
    [0, 0]
    """

    class_weight: Any
    _label_binarizer: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }
    _metric = staticmethod(accuracy_score)

    @with_foreign_names
    def __init__(
        self,
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
        class_weight: Any = None,
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
        """Train on rows X with classes y.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Float32 is computed in float32, everything else in float64. Sparse rows are converted
            to dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes; a multi-label indicator matrix of 0 and 1; or probabilities of the classes
            0, 1, … as floats, with row sums of 1 and not all 0 or 1. A score uses the most probable
            class.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation data. With `early_stopping` they replace the held-out rows; without it they
            only determine `validation_scores_` and `validation_loss_curve_`.

        Returns
        -------
        self : MLPClassifier
            The fitted estimator.
        """
        with InTraining(self):
            return self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))

    @available_if(lambda est: est._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one epoch on these rows; the first call must name all classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        classes : array-like, default=None
            All classes that occur in any call.

        Returns
        -------
        self : MLPClassifier
            The estimator, trained further.
        """
        refuse_mixed(y)
        refuse_long(classes, "classes")
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        with InTraining(self):
            return self._fit(X, y, sample_weight, True, (None, None, None))

    @computed_to_nearest
    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable class of each row, or the labels with a probability above 0.5.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Classes or labels.
        """
        return self._answers(self._network_outputs(X))

    @computed_to_nearest
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose predicted class, or set of labels, is the true one.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Accuracy of `predict(X)`.
        """
        found = self.predict(X)
        if sample_weight is None and same_labels(y, found):
            return float((y == found).mean())
        soft = probabilities(y, self._labels_are_probabilities) if found.ndim == 1 else None
        y = y if soft is None else soft.argmax(1)
        refuse_mixed(y)
        return float(accuracy_score(y, found, sample_weight=sample_weight))

    @property
    def _binary(self) -> bool:
        return self.n_outputs_ == 1

    @computed_to_nearest
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities; with several labels per row, of each label. Float32 if weights and rows
            are float32, else float64.
        """
        found = self._network_outputs(X)
        return np.concatenate([1 - found, found], 1) if self._binary else found

    @computed_to_nearest
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of `predict_proba`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities.
        """
        found = self.predict_proba(X)
        return np.log(found, out=found)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return raw scores: the network's outputs before the softmax or the sigmoid.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Scores; for two classes, above 0 for the second.
        """
        found = self._network_outputs(X, "raw")
        return found.ravel() if self._binary else found

    def _validate_input(self, X: Any, y: Any, again: bool, first: bool) -> tuple[Any, Any]:
        refuse_mixed(y)
        soft = probabilities(y, known=again and self._labels_are_probabilities)
        X, y = self._read(X, y if soft is None else soft, first)
        if soft is not None:
            return X, self._probability_target(y, again)
        self.__dict__.pop("_soft_labels", None)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or again):
            self._label_binarizer, target = binarize(y)
            self.classes_ = self._label_binarizer.classes_
            return X, target
        known = None
        if not self.warm_start:  # which refuses fewer classes than there were
            known = known_columns(y, self._label_binarizer, self.classes_)
        if known is not None:
            return X, known
        self._check_classes(unique_labels(y))
        return X, self._label_binarizer.transform(y).astype(bool)

    @property
    def _labels_are_probabilities(self) -> bool:
        """Whether the labels of the last fit were probabilities."""
        return bool(vars(self).get("_soft_labels"))

    def _probability_target(self, soft: np.ndarray, again: bool) -> np.ndarray:
        """Return probabilities as targets of the network (for two classes, only the second's), and
        set `classes_` to 0, 1, …; ValueError if training continues with other classes."""
        count = int(soft.shape[1])
        if hasattr(self, "classes_") and (self.warm_start or again):
            known: list[Any] = self.classes_.tolist()
            if known != list(range(count)):
                raise ValueError(
                    f"y has probabilities of {plural(count, 'class')}, called 0 to {count - 1}; "
                    f"the classes of the call before are {known}"
                )
        else:
            self._label_binarizer = LabelBinarizer().fit(np.arange(count))
            self.classes_ = self._label_binarizer.classes_
        self._soft_labels = True
        return soft[:, 1:] if count == 2 else soft

    def _check_classes(self, classes: Any) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    def _weights(self, X: Any, y: Any, weight: Any, again: bool) -> Any:
        given = super()._weights(X, y, weight, again)
        if self.class_weight is None:
            return given
        if again and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees a part; "
                "give the weights as a dict: compute_class_weight('balanced', classes=..., y=...)"
            )
        check_class_weight(self.class_weight)
        soft = (
            probabilities(y, known=self._labels_are_probabilities)
            if self._labels_are_probabilities
            else None
        )
        if soft is None:
            classes = compute_sample_weight(self.class_weight, y)
        else:
            classes = class_weights(self.class_weight, soft)
        return row_weights(classes if given is None else given * classes, X, X.dtype)

    def _output_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _decode(self, y: Any) -> Any:
        return self._label_binarizer.inverse_transform(y)

    def _answers(self, output: np.ndarray) -> np.ndarray:
        known = self._label_binarizer
        if known.y_type_ == "multiclass" and not known.sparse_input_:
            return known.classes_.take(output.argmax(axis=1), mode="clip")
        if known.y_type_ == "binary" and len(known.classes_) == 2 and not known.sparse_input_:
            return known.classes_[(output.ravel() > 0.5).astype(int)]
        labels: Any = known.inverse_transform(output.ravel() if self._binary else output)
        return labels

    def _validation_target(self, y: Any) -> np.ndarray:
        refuse_mixed(y, "y_val")
        soft = probabilities(y, known=True) if self._labels_are_probabilities else None
        if soft is not None and soft.shape[1] == len(self.classes_):
            return soft[:, 1:] if soft.shape[1] == 2 else soft
        shape: tuple[int, ...] = y.shape if hasattr(y, "shape") else np.shape(y)
        wide = self._label_binarizer.y_type_.startswith("multilabel")
        columns = shape[1] if len(shape) == 2 else 1
        if columns != (self.n_outputs_ if wide else 1):
            wanted = f"[rows, {self.n_outputs_}]" if wide else "one label a row"
            raise ValueError(f"y_val has shape {shape}; wanted {wanted}, as y")
        y = y if wide else column_or_1d(y)
        found = unique_labels(y)
        unknown = np.setdiff1d(found, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y_val has the label {unknown.tolist()[0]!r}, which is not a class of y; its "
                f"classes are {self.classes_}"
            )
        return self._label_binarizer.transform(y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

"""`TabularClassifier` and `TabularRegressor`: `glassnet fit` as scikit-learn estimators.

In: raw rows and a target. Out: fitted estimators that predict classes, or numbers in the unit of y.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Literal, cast

import numpy as np
from sklearn.base import (
    ClassifierMixin,
    RegressorMixin,
    _fit_context,  # pyright: ignore[reportPrivateUsage]
)
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, StrOptions

from glassnet.arguments import with_foreign_names
from glassnet.errors import GlassnetError, ModelFileError, TableError
from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.base_tabular import Target, test_pair
from glassnet.estimators.tabular.class_order import OfClasses, class_label, target_kind
from glassnet.estimators.tabular.each_target import fit_each, forget_others, several_columns
from glassnet.estimators.tabular.explainable import ExplainableTabular
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.estimators.tabular.target_labels import as_python_types, check_labels, target_column
from glassnet.rounding import computed_to_nearest
from glassnet.tables.decide import SCALES
from glassnet.tables.frames import FrameColumn
from glassnet.tables.weights import BALANCED
from glassnet.training.exclusive import InTraining


class TabularClassifier(ClassifierMixin, ExplainableTabular):
    """A network that classifies the rows of a raw table.

    `fit` does what `glassnet fit` does: it infers the type of each column (number, category,
    boolean, date; identifiers and constants are left out), fills in missing values, chooses a
    network (an ensemble of small ones that are trained together), trains it with early stopping,
    and scores it on rows that training did not use. The same rows, names and seed give the same
    model, bit by bit.

    Parameters
    ----------
    time_limit : float or None, default=None
        Time limit of `fit` in seconds. In the remaining time it trains more networks, and the
        prediction is their weighted mean. None trains once, by the default recipe.
    max_epochs : int or None, default=None
        Maximum number of epochs; None: by the recipe.
    kinds : dict or None, default=None
        Types of columns by name, to override the inferred ones: "number", "category", "boolean",
        "date", "text" or "drop". The columns of an array are called "x0", "x1", …; a column of a
        categorical dtype is a category.
    missing_values : list of str, default=()
        Texts that mean missing, such as "NA", in addition to None, NaN and the empty text.
    metric : str or None, default=None
        Metric of `score_`: "accuracy" (None), "balanced_accuracy", "f1", "auc",
        "average_precision", "log_loss" or "brier"; for ordered classes also "mae_classes" and
        "quadratic_kappa", with which `predict` returns the median or the mean class. The network is
        trained with the log-loss in any case. "f1" and "balanced_accuracy" imply
        `threshold="auto"`.
    threshold : float, "auto" or None, default=None
        The second of two classes is predicted if its probability is at least this. "auto" finds the
        best threshold for the metric on out-of-fold predictions; with more classes, a factor for
        each, by which probabilities are multiplied before the largest is chosen. None predicts the
        most probable class, but see `metric`.
    class_weight : dict, "balanced" or None, default=None
        Class weights in training, by label; 1 for labels that are not given. "balanced" is
        n_samples / (n_classes · rows of the class). Predicted probabilities are those for such
        class shares; the score counts each row once.
    class_order : sequence, False or None, default=None
        The classes from lowest to highest, if they are ordered; the metrics "mae_classes" and
        "quadratic_kappa" need such an order. None takes the order of an ordered categorical of
        pandas, False no order.
    random_state : int, RandomState instance or None, default=0
        Seed of the initial weights, the order of rows and the held-out rows.
    n_jobs : int or None, default=None
        Number of threads, -1 for all processors; None uses all available ones. It never changes a
        bit of the result.
    verbose : bool, default=False
        Whether to print the types of the columns, and the progress of training.

    Attributes
    ----------
    classes_ : ndarray
        Classes, sorted.
    model_ : TableModel
        The model: schema, network and a summary of its training.
    score_ : Score
        The score: `value` is the accuracy, or the `metric`, `error` its standard error, `constant`
        the score of always predicting `constant_answer`; `figures` has all metrics by name,
        `confusion` the counts by true and predicted class. Each row is predicted by networks that
        were trained without it.
    columns_ : dict
        The type of each column of X by name; not after `load`.
    explain_ : Explainer
        `explain_(X, y)` is `explain`, `explain_.row(X, row)` is `explain_row`, and
        `explain_.nearest(…)` is `nearest_rows`.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Column names, if X has any.

    Examples
    --------
    >>> from glassnet import TabularClassifier
    >>> X = {"size": [1.5, 2.0, None, 8.0, 9.5] * 8, "colour": ["red", "red", "blue", "blue", None] * 8}
    >>> y = ["small", "small", "small", "large", "large"] * 8
    >>> est = TabularClassifier(max_epochs=100).fit(X, y)
    >>> est.predict({"colour": ["red", "blue"], "size": [1.0, 9.0]}).tolist()
    ['small', 'large']
    """  # noqa: E501

    classes_: np.ndarray
    _order: np.ndarray
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ExplainableTabular._parameter_constraints,
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"}), None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "class_order": [list, tuple, np.ndarray, "boolean", None],
    }

    @with_foreign_names
    def __init__(
        self,
        *,
        time_limit: float | None = None,
        max_epochs: int | None = None,
        kinds: Mapping[str, str] | None = None,
        missing_values: Sequence[str] = (),
        metric: str | None = None,
        threshold: float | Literal["auto"] | None = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        class_order: OfClasses = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            time_limit=time_limit, max_epochs=max_epochs, kinds=kinds, metric=metric,
            missing_values=missing_values, random_state=random_state, n_jobs=n_jobs,
            verbose=verbose,
        )  # fmt: skip
        self.threshold = threshold
        self.class_weight = class_weight
        self.class_order = class_order

    def _class_weights(self) -> dict[str, float] | Literal["balanced"] | None:
        asked: Any = self.class_weight
        if not isinstance(asked, dict):
            return BALANCED if asked else None
        asked = cast("dict[Any, Any]", asked)
        return {class_label(label): float(weight) for label, weight in asked.items()}

    def _scoring(self) -> Scoring:
        return replace(super()._scoring(), threshold=self.threshold)

    @_fit_context(prefer_skip_nested_validation=True)
    @computed_to_nearest
    def fit(
        self, X: Any, y: Any, groups: Any = None, order: Any = None, test: Any = None,
        sample_weight: Any = None,
    ) -> TabularClassifier:  # fmt: skip
        """Train on rows X with classes y.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Numbers, texts, booleans, dates and missing values; else a TableError names the column.
        y : array-like of shape (n_samples,)
            Classes. Rows without one (None, NaN) are left out, with a warning.
        groups : str or array-like of shape (n_samples,), default=None
            The group of each row, or a column of X: rows of a group are never split between
            training and scoring.
        order : str or array-like of shape (n_samples,), default=None
            A number or a date per row, or a column of X: the last rows in this order are held out.
        test : tuple (X_test, y_test), default=None
            Rows to score on; no rows of X are held out then.
        sample_weight : str or array-like of shape (n_samples,), default=None
            Weights of the rows in training, or a column of X. The score counts each row once.

        Returns
        -------
        self : TabularClassifier
            The fitted estimator. TableError if the rows are too few or a parameter does not suit
            the table, TypeError if y mixes texts and numbers, ValueError if it is not classes, if
            lengths differ or a parameter is wrong.
        """
        (labels, target), pair = check_labels(y), test_pair(test)
        tested = None if pair is None else (pair[0], check_labels(pair[1])[1])
        sides = {"groups": groups, "order": order, "weight": sample_weight}
        kind = target_kind(self.class_order, y)
        codes = self._train(X, target, kind, sides, tested).truth
        first = [np.argmax(codes == one) for one in range(len(self.model_.schema.target.classes))]
        self._take_classes(as_python_types(labels[first]))
        return self

    @computed_to_nearest
    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable class of each row, or the class by the threshold, by the
        factors of the classes, or by the metric of ordered classes.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes, in the dtype of `classes_`.
        """
        found = self.predict_proba(X)
        if not self.model_.rules.decides:
            return self.classes_[found.argmax(axis=1)]
        places = np.argsort(self._order)  # the place of each class of the model among the user's
        return self.classes_[places[self.model_.rules.decided(found[:, places])]]

    @computed_to_nearest
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes), float32
            Probabilities.
        """
        found = self._predicted(X).probabilities
        assert found is not None
        return found[:, self._order]

    def _take_classes(self, labels: np.ndarray) -> None:
        """Set `classes_` to the sorted labels; `labels` are in the order of the model's classes."""
        self._order = np.argsort(labels, kind="stable")
        self.classes_ = labels[self._order]

    @classmethod
    def _of_model(cls, model: TableModel, label: str) -> TabularClassifier:
        target = model.schema.target
        if not target.classes:
            raise ModelFileError(
                f"{label} predicts the number {target.name!r}; use TabularRegressor"
            )
        self = cls()
        numbers = np.array(target.classes, float) if target.numeric else None
        whole = numbers is not None and bool((numbers == np.floor(numbers)).all())
        if numbers is None:
            self._take_classes(np.array(target.classes, object))
        else:
            self._take_classes(numbers.astype(np.int64) if whole else numbers)
        return self


class TabularRegressor(RegressorMixin, ExplainableTabular):
    """A network that predicts a number for the rows of a raw table.

    `fit` does what `glassnet fit` does: it infers the type of each column (number, category,
    boolean, date; identifiers and constants are left out), fills in missing values, chooses a
    network (an ensemble of small ones that are trained together), trains it with early stopping,
    and scores it on rows that training did not use. The same rows, names and seed give the same
    model, bit by bit. Each of several targets has its own network.

    Parameters
    ----------
    time_limit : float or None, default=None
        Time limit of `fit` in seconds. In the remaining time it trains more networks, and the
        prediction is their weighted mean. None trains once, by the default recipe.
    max_epochs : int or None, default=None
        Maximum number of epochs; None: by the recipe.
    kinds : dict or None, default=None
        Types of columns by name, to override the inferred ones: "number", "category", "boolean",
        "date", "text" or "drop". The columns of an array are called "x0", "x1", …; a column of a
        categorical dtype is a category.
    missing_values : list of str, default=()
        Texts that mean missing, such as "NA", in addition to None, NaN and the empty text.
    target_scale : {"log", "plain"} or None, default=None
        Whether the network predicts the logarithm of y, or y itself. None decides: the logarithm if
        y has no negative values and spans two orders of magnitude or more, with most values at the
        low end. Predictions and the score are in the unit of y in both cases.
    metric : str or None, default=None
        Metric of `score_`: "rmse" (None), "mae", "median_error", "r2", "rmsle" or "pinball". The
        network is trained with the squared error in any case. With "pinball:0.9", or another
        quantile, `predict` returns that quantile instead of the mean.
    interval : float or None, default=None
        Nominal coverage of the intervals of `predict_interval`, such as 0.9. They are calibrated on
        the errors of out-of-fold predictions; `score_.coverage` is their measured coverage.
    random_state : int, RandomState instance or None, default=0
        Seed of the initial weights, the order of rows and the held-out rows.
    n_jobs : int or None, default=None
        Number of threads, -1 for all processors; None uses all available ones. It never changes a
        bit of the result.
    verbose : bool, default=False
        Whether to print the types of the columns, and the progress of training.

    Attributes
    ----------
    model_ : TableModel
        The model: schema, network and a summary of its training.
    estimators_ : list of TabularRegressor
        If y has several columns: an estimator per target, each with its `model_` and `score_`.
    score_ : Score
        The score: `value` is the root mean squared error, or the `metric`, `error` its standard
        error, `constant` the score of always predicting `constant_answer`; `figures` has all
        metrics by name, `coverage` the coverage of the intervals. Each row is predicted by networks
        that were trained without it.
    columns_ : dict
        The type of each column of X by name; not after `load`.
    explain_ : Explainer
        `explain_(X, y)` is `explain`, `explain_.row(X, row)` is `explain_row`, and
        `explain_.nearest(…)` is `nearest_rows`.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Column names, if X has any.

    Examples
    --------
    >>> import numpy as np
    >>> from glassnet import TabularRegressor
    >>> X = {"side": np.arange(1.0, 9.0).tolist() * 8, "kind": ["square", "circle"] * 32}
    >>> y = [side**2 * (1.0 if kind == "square" else 3.14) for side, kind in zip(*X.values())]
    >>> TabularRegressor().fit(X, y).score(X, y) > 0.99
    True
    """

    estimators_: list[TabularRegressor]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ExplainableTabular._parameter_constraints,
        "target_scale": [StrOptions({*SCALES}), None],
        "interval": [Interval(Real, 0, 1, closed="neither"), None],
    }

    @with_foreign_names
    def __init__(
        self,
        *,
        time_limit: float | None = None,
        max_epochs: int | None = None,
        kinds: Mapping[str, str] | None = None,
        missing_values: Sequence[str] = (),
        target_scale: str | None = None,
        metric: str | None = None,
        interval: float | None = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            time_limit=time_limit, max_epochs=max_epochs, kinds=kinds, metric=metric,
            missing_values=missing_values, random_state=random_state, n_jobs=n_jobs,
            verbose=verbose,
        )  # fmt: skip
        self.target_scale = target_scale
        self.interval = interval

    def _scoring(self) -> Scoring:
        return replace(super()._scoring(), interval=self.interval)

    @_fit_context(prefer_skip_nested_validation=True)
    @computed_to_nearest
    def fit(
        self, X: Any, y: Any, groups: Any = None, order: Any = None, test: Any = None,
        sample_weight: Any = None,
    ) -> TabularRegressor:  # fmt: skip
        """Train on rows X with numbers y.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Numbers, texts, booleans, dates and missing values; else a TableError names the column.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or data frame
            Numbers (else TableError; ValueError if infinite). Rows without one (None, NaN) are left
            out, with a warning; with several targets only for the target that is missing.
        groups : str or array-like of shape (n_samples,), default=None
            The group of each row, or a column of X: rows of a group are never split between
            training and scoring.
        order : str or array-like of shape (n_samples,), default=None
            A number or a date per row, or a column of X: the last rows in this order are held out.
        test : tuple (X_test, y_test), default=None
            Rows to score on; no rows of X are held out then.
        sample_weight : str or array-like of shape (n_samples,), default=None
            Weights of the rows in training, or a column of X. The score counts each row once.

        Returns
        -------
        self : TabularRegressor
            The fitted estimator.
        """
        pair, sides = test_pair(test), {"groups": groups, "order": order, "weight": sample_weight}
        several = several_columns(y)
        if several is None:
            tested = None if pair is None else (pair[0], target_column(pair[1]))
            self._fit_target(X, target_column(y), sides, tested)
        else:
            taken = {column.name for column in self._columns(X, first=True)} | sides.keys()
            with InTraining(self):
                self.estimators_ = fit_each(self, X, several, sides, pair, taken)
            self.columns_ = self.estimators_[0].columns_
        forget_others(self, several is not None)
        return self

    def _fit_target(
        self, X: Any, target: FrameColumn, sides: dict[str, Any], tested: Target | None
    ) -> None:
        """Train on one target, of numbers; `tested` has the test rows and their targets, if any."""
        if target.kind == "date":
            raise TableError(
                f"y has type {target.type}, and a regressor predicts numbers; turn it into some, "
                "such as days since a first date"
            )
        if target.kind == "number":
            assert_all_finite(target.values, allow_nan=True, input_name="y")
        kind = "number" if self.target_scale is None else f"number:{self.target_scale}"
        self._train(X, target, kind, sides, tested)

    @computed_to_nearest
    def predict(self, X: Any) -> np.ndarray:
        """Predict a number for each row: the mean, or the quantile Q with the metric "pinball:Q".

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), float64
            Numbers.
        """
        if hasattr(self, "estimators_"):
            return np.column_stack([one.predict(X) for one in self.estimators_])
        return self._predicted(X).values

    @computed_to_nearest
    def predict_interval(self, X: Any) -> np.ndarray:
        """Predict an interval for each row, for an estimator with `interval`.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ends : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2), float64
            Lower and upper end for each row, in the unit of y. GlassnetError if the estimator was
            fitted without `interval`.
        """
        if hasattr(self, "estimators_"):
            return np.stack([one.predict_interval(X) for one in self.estimators_], axis=1)
        ends = self._predicted(X).ends
        if ends is None:
            raise GlassnetError(
                "this estimator was fitted without intervals; fit it as "
                "TabularRegressor(interval=0.9)"
            )
        return ends

    @classmethod
    def _of_model(cls, model: TableModel, label: str) -> TabularRegressor:
        target = model.schema.target
        if target.classes:
            raise ModelFileError(f"{label} predicts classes of {target.name!r}; use "
                                 "TabularClassifier")  # fmt: skip
        return cls()

    @classmethod
    def _of_models(cls, models: Sequence[TableModel], label: str) -> TabularRegressor:
        each = [cls.from_model(model, label) for model in models]
        self = cls(**each[0].get_params())
        self.estimators_ = each
        names = dict.fromkeys(name for model in models for name in model.schema.names)
        self.n_features_in_, self.feature_names_in_ = len(names), np.array([*names], object)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

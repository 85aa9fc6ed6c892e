"""`TabularClassifier` and `TabularRegressor`: what `glassnet fit` does, behind scikit-learn's face.

In: messy rows and a target. Out: fitted estimators that answer in the target's own terms.
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
from glassnet.estimators.tabular.class_order import OfClasses, target_kind
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
    """A network that classifies the rows of a table as it comes.

    `fit` does what `glassnet fit` does: it finds out what each column is (number, category, truth
    value, date; identifiers and constants are left out), fills gaps, chooses a network (a pack
    of small ones that learn together), trains it until rows that it has not seen get no better, and
    takes an honest score from such rows. The same rows, names and seed give the same model, bit by
    bit.

    Parameters
    ----------
    time_limit : float or None, default=None
        Seconds that `fit` has for everything. As long as there is time it trains further networks,
        and the prediction is their weighted mean. None trains once, by the default recipe.
    max_epochs : int or None, default=None
        Epochs to train at most; None leaves it to the recipe.
    kinds : dict or None, default=None
        What columns are, by name: "number", "category", "boolean", "date" or "drop". The columns
        of an array are called "x0", "x1", …; a column of a categorical type is a category.
    missing_values : list of str, default=()
        Texts that mean missing, such as "NA", besides None, NaN and the empty text.
    metric : str or None, default=None
        What `score_` is: "accuracy" (None), "balanced_accuracy", "f1", "auc",
        "average_precision", "log_loss" or "brier". The network is trained for the least log-loss
        all the same. "f1" and "balanced_accuracy" find a threshold, as with `threshold="auto"`.
    threshold : float, "auto" or None, default=None
        The probability of the second of two classes from which on it is predicted. "auto" finds
        the best one for the metric, in predictions for rows that the predicting networks have not
        seen; with more classes a factor for each, by which probabilities are multiplied before the
        largest is taken. None predicts the most probable class, but see `metric`.
    class_weight : dict, "balanced" or None, default=None
        How much classes count in the training, by their labels; 1 where nothing is said.
        "balanced" is n_samples / (n_classes · rows of the class). Probabilities are those of
        classes with such shares; the score counts every row once.
    class_order : sequence, False or None, default=None
        The classes from the lowest to the highest, where they have an order; the metrics
        "mae_classes" and "quadratic_kappa" are of such classes. None takes the order of an ordered
        categorical of pandas, False none.
    random_state : int, RandomState instance or None, default=0
        Decides first weights, orders and held-out rows.
    n_jobs : int or None, default=None
        Threads, -1 for all processors; None takes what the machine grants. Never changes a bit.
    verbose : bool, default=False
        Whether to print what each column is taken for, and how the training goes.

    Attributes
    ----------
    classes_ : ndarray
        Classes, sorted.
    model_ : TableModel
        The model: schema, network and what its training was like.
    score_ : Score
        The honest score: `value` is the accuracy, or the `metric`, `error` its standard error,
        `constant` that of always guessing `constant_answer`; `figures` has every metric by name,
        `confusion` counts rows by true and predicted class. Each row is predicted by networks
        that were trained without it.
    columns_ : dict
        What each column was taken for.
    explain_ : Explainer
        Why it predicts as it does: `explain_(X, y)` is what `explain` gives, `explain_.row(X, row)`
        what `explain_row` gives, `explain_.nearest(…)` what `nearest_rows` gives.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X had any.

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
        return {str(label): float(weight) for label, weight in asked.items()}

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
            Numbers, texts, truth values, dates and gaps; else a TableError names the column.
        y : array-like of shape (n_samples,)
            Classes. Rows without one (None, NaN) are left out, with a warning.
        groups : str or array-like of shape (n_samples,), default=None
            Whom or what each row is of, or a column of X that says so: a group stays together.
        order : str or array-like of shape (n_samples,), default=None
            A number or a date a row, or the name of a column of X: the last rows are held out.
        test : tuple (X_test, y_test), default=None
            Rows that the score is taken from; no others are held out then.
        sample_weight : str or array-like of shape (n_samples,), default=None
            How much each row counts in the training, or a column of X that says so. The score
            counts every row once.

        Returns
        -------
        self : TabularClassifier
            The fitted estimator.
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
        """The most probable class of every row, or that which a threshold decides for.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        found = self.predict_proba(X)
        if not self.model_.rules.decides:
            return self.classes_[found.argmax(axis=1)]
        places = np.argsort(self._order)  # the place of each class of the model among the user's
        return self.classes_[places[self.model_.rules.decided(found[:, places])]]

    @computed_to_nearest
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, in the order of `classes_`.

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
        """The user's label for each class of the model, which may have another order."""
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
    """A network that predicts a number for the rows of a table as it comes.

    `fit` does what `glassnet fit` does: it finds out what each column is (number, category, truth
    value, date; identifiers and constants are left out), fills gaps, chooses a network (a pack
    of small ones that learn together), trains it until rows that it has not seen get no better, and
    takes an honest score from such rows. The same rows, names and seed give the same model, bit by
    bit. Of several targets each has a network of its own.

    Parameters
    ----------
    time_limit : float or None, default=None
        Seconds that `fit` has for everything. As long as there is time it trains further networks,
        and the prediction is their weighted mean. None trains once, by the default recipe.
    max_epochs : int or None, default=None
        Epochs to train at most; None leaves it to the recipe.
    kinds : dict or None, default=None
        What columns are, by name: "number", "category", "boolean", "date" or "drop". The columns
        of an array are called "x0", "x1", …; a column of a categorical type is a category.
    missing_values : list of str, default=()
        Texts that mean missing, such as "NA", besides None, NaN and the empty text.
    target_scale : {"log", "plain"} or None, default=None
        Whether the logarithm of y is learnt, or y as it stands; None decides by the numbers: the
        logarithm where none is below zero and they lie over two magnitudes or more, most of them
        at the low end. Predictions and the score are in the unit of y either way.
    metric : str or None, default=None
        What `score_` is: "rmse" (None), "mae", "median_error", "r2", "rmsle" or "pinball". The
        network is trained for the least squared error all the same. With "pinball:0.9", or another
        quantile, `predict` gives that quantile rather than the mean.
    interval : float or None, default=None
        The share of true numbers that the intervals of `predict_interval` are to hold, such as
        0.9. They are learnt from the errors of predictions for rows that the predicting networks
        have not seen; `score_.coverage` says how often they hold the truth.
    random_state : int, RandomState instance or None, default=0
        Decides first weights, orders and held-out rows.
    n_jobs : int or None, default=None
        Threads, -1 for all processors; None takes what the machine grants. Never changes a bit.
    verbose : bool, default=False
        Whether to print what each column is taken for, and how the training goes.

    Attributes
    ----------
    model_ : TableModel
        The model: schema, network and what its training was like.
    estimators_ : list of TabularRegressor
        In place of `model_` and `score_`, which each of them has, where y has several columns.
    score_ : Score
        The honest score: `value` is the root mean squared error, or the `metric`, `error` its
        standard error, `constant` that of always guessing `constant_answer`; `figures` has every
        metric by name, `coverage` how often intervals hold the truth. Each row is predicted by
        networks that were trained without it.
    columns_ : dict
        What each column was taken for.
    explain_ : Explainer
        Why it predicts as it does: `explain_(X, y)` is what `explain` gives, `explain_.row(X, row)`
        what `explain_row` gives, `explain_.nearest(…)` what `nearest_rows` gives.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X had any.

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
            Numbers, texts, truth values, dates and gaps; else a TableError names the column.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or data frame
            Numbers. Rows without one (None, NaN) are left out, with a warning; of several targets
            a row that lacks one is trained on for the others.
        groups : str or array-like of shape (n_samples,), default=None
            Whom or what each row is of, or a column of X that says so: a group stays together.
        order : str or array-like of shape (n_samples,), default=None
            A number or a date a row, or the name of a column of X: the last rows are held out.
        test : tuple (X_test, y_test), default=None
            Rows that the score is taken from; no others are held out then.
        sample_weight : str or array-like of shape (n_samples,), default=None
            How much each row counts in the training, or a column of X that says so. The score
            counts every row once.

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
        """Train on one target; `tested` has the rows that its score is of, and their targets."""
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
        """The number of every row: the mean of what such rows have, or with the metric "pinball:Q"
        their quantile Q.

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
        """The interval around the number of every row, for an estimator with `interval`.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ends : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2), float64
            A lower and an upper number a row, in the unit of y. GlassnetError where the estimator
            was fitted without `interval`.
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

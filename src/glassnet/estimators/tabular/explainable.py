"""Why an estimator of tables predicts as it does: importance, curves, contributions, nearest rows.

In: a fitted estimator and rows as its users have them. Out: what `explanation` and `neighbours`
find for its model. `explain_` has all of it under one name, which only fitted estimators have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from glassnet.estimators.tabular.base_tabular import BaseTabular
from glassnet.estimators.tabular.class_order import class_label
from glassnet.estimators.tabular.each_target import check_single
from glassnet.estimators.tabular.explanation import (
    Explanation,
    RowExplanation,
    explain,
    explain_row,
)
from glassnet.estimators.tabular.neighbours import NEAREST, NearestRows, nearest_rows
from glassnet.rounding import computed_to_nearest
from glassnet.tables.frames import single_column
from glassnet.tables.from_memory import row_count, table_of

if TYPE_CHECKING:
    from glassnet.tables.table import Table


class ExplainableTabular(BaseTabular):
    """An estimator of tables that explains its predictions."""

    @property
    def explain_(self) -> Explainer:
        """The explanations of the fitted estimator, as an `Explainer`.

        AttributeError before `fit`, and for an estimator of several targets.
        """
        if not hasattr(self, "model_"):
            name = type(self).__name__
            if hasattr(self, "estimators_"):
                raise AttributeError(
                    f"this {name} has several targets; ask one of its estimators_, such as "
                    "estimators_[0].explain_"
                )
            raise AttributeError(f"this {name} is not fitted yet; call fit before explain_")
        return Explainer(self)

    @computed_to_nearest
    def explain(self, X: Any, y: Any, *, metric: str | None = None) -> Explanation:
        """Return feature importances, and curves of the most important columns.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows, preferably not used in training; of many rows a random part is used, of 200 to
            2,000 rows.
        y : array-like of shape (n_samples,)
            Their true values; rows without one are left out.
        metric : str or None, default=None
            Metric of the importances. None is "log_loss" for classes; for numbers "rmse", or the
            quantile loss if the estimator predicts a quantile.

        Returns
        -------
        explanation : Explanation
            `importances` (how much the metric gets worse when a column is shuffled, with a standard
            error; largest first) and `curves` (the centred mean prediction by the values of a
            column) of the six most important columns. `print` shows a table; `as_json()` returns
            JSON values.

        Raises
        ------
        NotFittedError
            Before `fit`.
        GlassnetError
            If the estimator has several targets.
        TableError
            If a column is missing, or the target has no such metric.
        ValueError
            If X and y differ in length.
        """
        check_is_fitted(self)
        check_single(self, "explain")
        return explain(self.model_, self._table_with_target(X, y, "X"), metric=metric)

    @computed_to_nearest
    def explain_row(self, X: Any, row: int, *, of: Any = None) -> RowExplanation:
        """Return the contribution of each column to the prediction for one row: Shapley values.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows. At most 100 of them, chosen at random, are the background that the row is compared
            with.
        row : int
            Index of the row in X, from 0.
        of : class label or None, default=None
            The class whose probability is explained; None: the predicted class.

        Returns
        -------
        explanation : RowExplanation
            `base`, the mean prediction of the background rows, `answer`, the prediction for this
            row, and `ranked()`: columns, contributions and their standard errors, by decreasing
            absolute value. The contributions add up to answer − base.

        Raises
        ------
        NotFittedError
            Before `fit`.
        GlassnetError
            If the estimator has several targets.
        TableError
            If X has no such row, a column is missing, or there is no such class.
        """
        check_is_fitted(self)
        check_single(self, "explain_row")
        found = None if of is None else class_label(of)
        return explain_row(self.model_, self._table(X), int(row), of=found)

    @computed_to_nearest
    def nearest_rows(
        self, X: Any, row: int, X_train: Any, y_train: Any, *, count: int = NEAREST
    ) -> NearestRows:
        """Return the training rows that are nearest to a row, in the inputs of the network.

        Parameters
        ----------
        X : data frame, dict of columns or array-like of shape (n_samples, n_features)
            Rows.
        row : int
            Index of the row in X, from 0.
        X_train, y_train : as for `fit`
            The training rows and their targets, which the model does not store; rows without a
            target are left out.
        count : int, default=5
            Number of rows to return, 1 or more; all if there are fewer.

        Returns
        -------
        nearest : NearestRows
            `rows`, nearest first, with their indices in X_train, Euclidean distances of the encoded
            inputs, and targets and cells as texts.

        Raises
        ------
        GlassnetError
            If the estimator has several targets.
        TableError
            If X has no such row, a column is missing, or `count` is less than 1.
        ValueError
            If the training rows and their targets differ in length.
        """
        check_is_fitted(self)
        check_single(self, "nearest_rows")
        training = self._table_with_target(X_train, y_train, "X_train")
        return nearest_rows(self.model_, self._table(X), int(row), training, count)

    def _table_with_target(self, X: Any, y: Any, label: str) -> Table:
        """Return X and y as one table named `label`; y replaces a column of the target's name.
        ValueError if X and y differ in length."""
        name = self.model_.schema.target.name
        columns = [column for column in self._place_columns(X) if column.name != name]
        goal = single_column(name, y)
        check_consistent_length(range(row_count(columns)), goal.values)
        return table_of([*columns, goal], label)


@dataclass(frozen=True)
class Explainer:
    """The explanations of a fitted estimator. A call is `explain`.

    Parameters
    ----------
    estimator : TabularClassifier or TabularRegressor
        The fitted estimator, whose `explain`, `explain_row` and `nearest_rows` are used.
    """

    estimator: ExplainableTabular

    def __call__(self, X: Any, y: Any, *, metric: str | None = None) -> Explanation:
        """Return importances and curves: the estimator's `explain`."""
        return self.estimator.explain(X, y, metric=metric)

    def row(self, X: Any, row: int, *, of: Any = None) -> RowExplanation:
        """Return the contributions to the prediction for one row: the estimator's `explain_row`."""
        return self.estimator.explain_row(X, row, of=of)

    def nearest(
        self, X: Any, row: int, X_train: Any, y_train: Any, *, count: int = NEAREST
    ) -> NearestRows:
        """Return the training rows nearest to a row: the estimator's `nearest_rows`."""
        return self.estimator.nearest_rows(X, row, X_train, y_train, count=count)

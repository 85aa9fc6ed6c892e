"""The common part of the two estimators of tables: from rows to a `Table` and its model.

In: frames, mappings of columns or arrays, as users of scikit-learn have them. Out: a `TableModel`,
trained as by `glassnet fit`, and tables to predict.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from glassnet.arguments import with_foreign_names
from glassnet.errors import TableError, TableWarning, warn_user
from glassnet.estimators.mlp.parameters import thread_count
from glassnet.estimators.tabular.answer_rules import Scoring, check_scoring
from glassnet.estimators.tabular.examine import ExaminedTable, examine
from glassnet.estimators.tabular.fit_table import choose_recipe, fit
from glassnet.estimators.tabular.score import Score
from glassnet.estimators.tabular.table_metrics import main_metric
from glassnet.estimators.tabular.table_model import Prediction, TableModel
from glassnet.estimators.tabular.target_models import TargetModels
from glassnet.estimators.tabular.verbose_report import VerboseReport
from glassnet.rounding import computed_to_nearest
from glassnet.tables.direct import direct_cells
from glassnet.tables.divide import SplitOptions
from glassnet.tables.frames import (
    FrameColumn,
    array_columns,
    collect_frame,
    collected_columns,
    is_frame,
    mapping_columns,
    single_column,
)
from glassnet.tables.from_memory import row_count, table_of
from glassnet.tables.split import FEWEST_ROWS
from glassnet.tables.table import Table
from glassnet.tables.weights import WeightOptions
from glassnet.training.exclusive import InTraining
from glassnet.words import plural

Target = tuple[Any, FrameColumn]  # rows, and their targets
Sides = dict[str, Any]  # groups, order and weights of rows, in this order


class BaseTabular(BaseEstimator):
    """Fits, predicts, and writes model files; subclasses prepare the target."""

    model_: TableModel
    score_: Score
    columns_: dict[str, str]
    n_features_in_: int
    feature_names_in_: Any

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "time_limit": [Interval(Real, 0, None, closed="neither"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "kinds": [Mapping, None],
        "missing_values": [list, tuple],
        "metric": [str, None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
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
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.time_limit = time_limit
        self.max_epochs = max_epochs
        self.kinds = kinds
        self.missing_values = missing_values
        self.metric = metric
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _train(
        self, X: Any, target: FrameColumn, kind: str, sides: Sides, test: Target | None
    ) -> ExaminedTable:
        """Train on the rows that have a target; return the examined table. Sets `model_`, `score_`
        and `columns_`.

        `kind` is the type of the target, such as "category", `sides` has the groups, the order and
        the weights of the rows, `test` the test rows. Warns of remarks on columns (TableWarning),
        and if Ctrl+C ended the training early.
        """
        threads = None if self.n_jobs is None else thread_count(self.n_jobs)
        report, start = VerboseReport(bool(self.verbose)), time.monotonic()
        with InTraining(self):
            examined = self._examine(X, target, kind, sides, test)
            scoring = check_scoring(self._scoring(), examined.target, examined.truth[examined.rows])
            report.columns(examined)
            for note in examined.notes:
                if note.doubt:
                    warn_user(f"X: {note}", TableWarning)
            recipe, limit = choose_recipe(examined, epochs=self.max_epochs), self.time_limit
            fitted = fit(
                examined,
                recipe,
                seconds=None if limit is None else limit - (time.monotonic() - start),
                threads=threads,
                callbacks=[report],
                stage=report.stage,
                scoring=scoring,
            )
        if fitted.course.stopped == "interrupted":
            warn_user("Training interrupted by user.")
        report.score(fitted.score)
        self.model_, self.score_ = fitted.model, fitted.score
        kinds = {column.name: column.kind for column in examined.columns}
        self.columns_ = dict(list(kinds.items())[: self.n_features_in_])
        return examined

    def _examine(
        self, X: Any, target: FrameColumn, kind: str, sides: Sides, test: Target | None
    ) -> ExaminedTable:
        """Return rows and target as one examined table; warn if rows have no target. Sets
        `n_features_in_` and `feature_names_in_`."""
        columns = self._columns(X, first=True)
        check_rows(columns, target)
        given = {column.name: column for column in columns}
        group, time, weight = (_side_column(what, values, given) for what, values in sides.items())
        weights = WeightOptions(weight, self._class_weights())
        options = SplitOptions(group, time, weights=weights)
        name = _free_name(target.name, given)
        kinds = {c.name: "category" for c in columns if c.kind == "category"}
        kinds = {**kinds, **(self.kinds or {}), name: kind}
        kinds |= dict.fromkeys(given.keys() - {c.name for c in columns}, "drop")
        whole = [*given.values(), replace(target, name=name)]
        table = table_of(whole, "X", self._missing())
        examined = examine(
            table, name, kinds=kinds, seed=self._seed(), options=options,
            test=None if test is None else self._test_table(*test, name),
        )  # fmt: skip
        if examined.without_target:
            have, are = ("has", "is") if examined.without_target == 1 else ("have", "are")
            warn_user(
                f"{name}: {examined.without_target} of {table.rows:,} rows {have} no value and "
                f"{are} left out; fill them in, or drop those rows, if that is not what you want"
            )
        return examined

    def _test_table(self, X: Any, y: FrameColumn, name: str) -> Table:
        """Return the table of test rows with their targets, in a column `name`; ValueError if they
        differ in length."""
        columns = self._columns(X, first=False)
        check_consistent_length(range(row_count(columns)), y.values)
        return table_of([*columns, replace(y, name=name)], "the test rows", self._missing())

    def _predicted(self, X: Any) -> Prediction:
        """Return the model's predictions for all rows. NotFittedError before `fit`; TableWarning if
        cells have values that training did not."""
        check_is_fitted(self)
        columns = self._place_columns(X)
        cells = direct_cells(self.model_.schema, columns)
        if cells is None:
            found = self.model_.predict(table_of(columns, "X"))
        else:
            found = self.model_.answers(self.model_.schema.encode(cells))
        if found.strange:
            warn_user(f"X: {found.strange}", TableWarning)
        return found

    def _table(self, X: Any) -> Table:
        """Return the rows to predict as a table."""
        return table_of(self._place_columns(X), "X")

    def _place_columns(self, X: Any) -> list[FrameColumn]:
        """Return the columns of rows to predict: by name in a mapping, and in a frame for a model
        from a file; after `fit`, a frame must have the columns of training, as in scikit-learn; an
        array has them by position. TableError if the number of its columns is another."""
        columns = self._columns(X, first=False)
        if is_mapping(X):
            return columns
        if hasattr(self, "columns_"):
            names: Sequence[str] = list(self.columns_)
        else:
            names = self.model_.schema.names
            if is_frame(X) or {column.name for column in columns} >= set(names):
                return columns
        if len(columns) != len(names):
            raise TableError(
                f"X has {plural(len(columns), 'column')} without names, and the model uses "
                f"{', '.join(names[:12])}{', …' if len(names) > 12 else ''}; pass these "
                f"{len(names)} in that order, or a frame or a mapping with their names"
            )
        pairs = zip(columns, names, strict=True)
        return [c if c.name == name else replace(c, name=name) for c, name in pairs]

    def _columns(self, X: Any, first: bool) -> list[FrameColumn]:
        """Check the columns of X as scikit-learn does, and return them. In `fit`, `first` is true,
        and `n_features_in_` and `feature_names_in_` are set."""
        from_file = not first and not hasattr(self, "columns_")
        if is_mapping(X):
            columns = mapping_columns(X)
            if first:
                self.n_features_in_ = len(columns)
                self.feature_names_in_ = np.array([column.name for column in columns], object)
            return columns
        if is_frame(X):
            X = collect_frame(X)
            if not from_file and (first or not self._has_names(X)):
                validate_data(self, X, skip_check_array=True, reset=first)
            return collected_columns(X)
        known: Any = getattr(X, "dtype", None)
        X = X if hasattr(X, "toarray") or known is not None else np.asarray(X, object)
        how: dict[str, Any] = {"dtype": None, "ensure_all_finite": False}
        if from_file:
            checked: Any = check_array(X, estimator=self, **how)
        else:
            checked = validate_data(self, X, reset=first, **how)
        return array_columns(checked)

    def _has_names(self, frame: Any) -> bool:
        """Return whether a frame has the columns of training, in their order."""
        known: Any = getattr(self, "feature_names_in_", None)
        names: Any = getattr(frame, "columns", None)
        return known is not None and names is not None and known.tolist() == list(names)

    def _missing(self) -> tuple[str, ...]:
        """Return `missing_values`; ValueError if one is not a text."""
        given: Sequence[Any] = self.missing_values
        wrong = [text for text in given if not isinstance(text, str)]
        if wrong:
            raise ValueError(
                f"missing_values={self.missing_values!r} has {wrong[0]!r}; it is a list of texts, "
                "such as ['NA', '-999']; None and NaN are always missing"
            )
        return tuple(self.missing_values)

    def _class_weights(self) -> dict[str, float] | Literal["balanced"] | None:
        """Return the class weights by name; None: all classes count alike."""
        return None

    def _scoring(self) -> Scoring:
        """Return the options for the score, the threshold and intervals."""
        asked: Any = self.metric
        return Scoring(asked)

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    @computed_to_nearest
    def save(self, path: str | Path) -> None:
        """Write the model file, as `glassnet fit -o` does (safetensors, never pickle).

        Parameters
        ----------
        path : str or path
            The model file; an existing file is replaced. With several targets it has a model for
            each.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OutputError
            If the file cannot be written.
        """
        check_is_fitted(self)
        each: list[BaseTabular] = getattr(self, "estimators_", [self])
        TargetModels(tuple(one.model_ for one in each)).save(path)

    @classmethod
    def load(cls, path: str | Path, target: str | None = None) -> Any:
        """Load a model file that `save` or `glassnet fit` wrote.

        Parameters
        ----------
        path : str or path
            The model file.
        target : str or None, default=None
            The target, for a file with models of several targets. By default a TabularRegressor
            predicts all of them, if they are numbers; a TabularClassifier needs one.

        Returns
        -------
        self : TabularClassifier or TabularRegressor
            A fitted estimator. It finds the columns that the network uses by name, and ignores
            others. It has no `columns_`, and its `score_` no metrics but the first one.

        Raises
        ------
        ModelFileError
            If the file is not a model file, is damaged, does not have the target, or the target is
            not of the type that this class predicts.
        """
        models = TargetModels.load(path).only(target, str(path)).models
        if len(models) == 1:
            return cls.from_model(models[0], str(path))
        return cls._of_models(models, str(path))

    @classmethod
    @computed_to_nearest
    def from_model(cls, model: TableModel, label: str = "the model") -> Any:
        """Return the fitted estimator of a `TableModel`; ModelFileError if its target is not of the
        type that this class predicts. `label` is the name of the model in messages."""
        self = cls._of_model(model, label)
        self.set_params(
            random_state=model.training["seed"],
            missing_values=model.schema.missing,
            **_parameters_of(model),
        )
        self.model_, self.score_ = model, model.recorded_score()
        self.n_features_in_ = len(model.schema.names)
        self.feature_names_in_ = np.array(model.schema.names, object)
        return self

    @classmethod
    def _of_model(cls, model: TableModel, label: str) -> Any:
        raise NotImplementedError

    @classmethod
    def _of_models(cls, models: Sequence[TableModel], label: str) -> Any:
        return cls.from_model(TargetModels(tuple(models)).of(None, label), label)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _parameters_of(model: TableModel) -> dict[str, Any]:
    """Return the parameters of an estimator that follow from a model: `metric`, `threshold`,
    `class_order` and `interval`, unless they are the default."""
    metric, rules = model.training["score"]["metric"], model.rules
    usual = metric == main_metric(bool(model.schema.target.classes))
    found: dict[str, Any] = {} if usual else {"metric": metric}
    if rules.threshold is not None:
        found["threshold"] = rules.threshold
    if rules.factors is not None:
        found["threshold"] = "auto"
    if model.schema.target.ordered:
        found["class_order"] = list(model.schema.target.classes)
    if rules.interval is not None:
        found["interval"] = rules.interval.level
    return found


def test_pair(test: Any) -> tuple[Any, Any] | None:
    """Return the rows and targets of `test`, or None; ValueError if it is not a pair."""
    if test is None:
        return None
    pair: Any = test
    if not isinstance(test, (tuple, list)) or len(pair) != 2:
        raise ValueError("test is a pair (X_test, y_test) of rows and their targets, or None")
    return pair[0], pair[1]


def _side_column(what: str, values: Any, given: dict[str, FrameColumn]) -> str | None:
    """Return the name of the column of groups, order or weights. A text is a column of X; other
    values are added to `given` as a new column. ValueError if X has no such column, or the values
    are not as many as its rows."""
    if values is None:
        return None
    if isinstance(values, str):
        if values not in given:
            raise ValueError(f"{what}={values!r} is not a column of X; its columns are "
                             f"{', '.join(list(given)[:12])}")  # fmt: skip
        return values
    rows = row_count(list(given.values()))
    name = _free_name(what, given)
    column = single_column(name, values)
    check_consistent_length(range(rows), column.values)
    given[name] = column
    return name


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    """Return the name, with underscores appended until it is not taken."""
    while name in taken:
        name += "_"
    return name


def check_rows(columns: Sequence[FrameColumn], target: FrameColumn) -> None:
    """Raise TableError if there are no columns, too few rows, or targets of another type than
    number, text, boolean or date; ValueError if there are not as many rows as targets. No rows at
    all are refused later, with the table."""
    if not columns:
        raise TableError("X has no columns; pass at least one")
    rows = row_count(columns)
    if target.kind == "other":
        raise TableError(
            f"y has type {target.type}, which is not a number, text, truth value or date; turn it "
            "into one of these"
        )
    if rows:
        check_consistent_length(range(rows), target.values)
    if 0 < rows < FEWEST_ROWS:
        raise TableError(
            f"X has n_samples = {rows}, and {FEWEST_ROWS} are the fewest that a "
            "network can be trained, stopped and scored with; add rows"
        )


def is_mapping(X: Any) -> bool:
    """Return whether X maps names to columns; a sparse matrix can be a mapping too."""
    return isinstance(X, Mapping) and getattr(cast(Any, X), "toarray", None) is None

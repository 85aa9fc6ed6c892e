"""A trained model of a table, which predicts, scores and is saved as one self-contained file.

In: a table with the columns that it was trained with. Out: predictions in the target's unit, and
their score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import numpy as np

from glassnet import model_file
from glassnet.errors import ModelFileError
from glassnet.estimators.tabular.answer_rules import PLAIN_RULES, AnswerRules
from glassnet.estimators.tabular.blend import mixed
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.halving import Trial
from glassnet.estimators.tabular.packs import (
    TrainedPack,
    check_fits,
    main_tensors,
    packs_tensors,
    packs_text,
    read_packs,
)
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.score import Score, score
from glassnet.estimators.tabular.table_format import (
    BLEND_VERSION,
    FIRST_VERSION,
    FORMAT,
    FORMAT_VERSION,
    FORMAT_VERSIONS,
    ORDERED_VERSION,
    PACK_VERSION,
    QUANTILE_VERSION,
    RULES_VERSION,
    check_format,
)
from glassnet.estimators.tabular.table_metrics import MetricName, main_metric, metric_named
from glassnet.estimators.tabular.table_network import (
    Architecture,
    restore_network,
    with_fold_column,
)
from glassnet.nn import Sequential
from glassnet.ops.math_exp import exp_code, exponential
from glassnet.ops.onnumpy import Number, NumpyBuilder
from glassnet.rounding import computed_to_nearest
from glassnet.serialize import (
    LATER,
    Count,
    Name,
    Total,
    Within,
    from_plain,
    parse,
    read_value,
)
from glassnet.tables.notes import Note
from glassnet.tables.repeats import SeenRows, target_keys
from glassnet.tables.table import Table
from glassnet.tables.table_schema import Design, Schema
from glassnet.tables.target_column import UNKNOWN_CLASS
from glassnet.tables.weights import WeightOptions
from glassnet.version import numerics_version
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 256  # rows that are predicted together
FEWEST_NEW = 10  # new rows that are scored separately
FEW = 32  # raw scores for which Python is faster than NumPy
Version = Annotated[int, Within(1, 1 << 20)]


class Stored(TypedDict):
    """The metadata of a model file."""

    network: str
    schema: str
    training: str
    numerics_version: str


@dataclass(frozen=True)
class RowCounts:
    """The number of rows in each part."""

    train: Count
    validation: Total
    held_out: Total


@dataclass(frozen=True)
class StoredScore:
    """The score of a fit, in a model file."""

    folds: Total
    metric: MetricName
    value: float | None
    standard_error: float | None
    constant: float | None
    rows: Total = field(default=0, metadata=LATER)


@dataclass(frozen=True)
class RowDivision:
    """The options of the split, if it was not only random."""

    group: Name | None = field(default=None, metadata=LATER)
    order: Name | None = field(default=None, metadata=LATER)
    equal_rows: Literal["together"] | None = field(default=None, metadata=LATER)
    test: Name | None = field(default=None, metadata=LATER)
    weight: Name | None = field(default=None, metadata=LATER)
    class_weight: dict[str, float] | Literal["balanced"] | None = field(
        default=None, metadata=LATER
    )


@dataclass(frozen=True)
class Rung:
    """One training of a fit with a time limit, and the weight of its network in the mean."""

    recipe: Recipe
    seed: Total
    epochs: Count
    best_epoch: Total
    weight: Annotated[float, Within(0.0, 1.0)]
    cut: bool = False  # whether the time limit ended it in the middle of an epoch
    trial: Trial | None = field(default=None, metadata=LATER)  # its position in a bracket, if any


@dataclass(frozen=True)
class Training:
    """The training summary in a model file."""

    glassnet: str
    table: str
    seed: int
    rows: RowCounts
    recipe: Recipe
    epochs: Count
    best_epoch: Total
    score: StoredScore
    division: RowDivision | None = field(default=None, metadata=LATER)
    rungs: tuple[Rung, ...] = field(default=(), metadata=LATER)  # in the order of their training


@dataclass(frozen=True)
class Prediction:
    """Predictions for all rows: class names or numbers, and for classes the probability of each."""

    target: str
    values: NDArray[Any]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32] | None
    missing: dict[str, int]  # cells that were missing, by column
    unknown: dict[str, int]  # cells with a value that training did not have, or too rarely
    decimals: int | None = 0  # to print numbers with; None: 7 digits

    @property
    def strange(self) -> str:
        """A sentence on cells with values that were unknown in training; "" without any."""
        what = "a value that training had not, or too rarely"
        return cells_text(self.unknown, "held", "held", what)

    ends: NDArray[np.float64] | None = None  # lower and upper end of intervals, [rows, 2]
    quantile: float | None = None  # the quantile that the numbers are; None: means


def cells_text(counts: Mapping[str, int], verb: str, verbs: str, what: str) -> str:
    """Return a clause on the numbers of cells by column; "" without columns."""
    if not counts:
        return ""
    cells = sum(counts.values())
    columns = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{plural(cells, 'cell')} {verb if cells == 1 else verbs} {what} ({columns})"


@dataclass(frozen=True)
class Assessment:
    """The score on a table, its predictions, and the number of its rows that were in training."""

    score: Score
    prediction: Prediction
    answers: Evaluation
    seen: int = 0
    exact: bool = True  # else `seen` is estimated from a part of the rows
    new: Score | None = None  # on rows that were not in training, where some were

    def remarks(self) -> tuple[Note, ...]:
        """Return a note on rows that were in training; none if there are no such rows."""
        if not self.seen:
            return ()
        rows = self.score.rows
        about = "" if self.exact else "about "
        whole = f"all {plural(rows, 'row')} were" if self.seen == rows > 1 else (
            f"{about}{self.seen:,} of {plural(rows, 'row')} {'was' if self.seen == 1 else 'were'}"
        )  # fmt: skip
        text = f"{whole} in the training table; a score on them says little about new rows"
        return (Note("seen rows", text, "", "take other rows for an honest score", True),)


@dataclass(frozen=True)
class TableModel:
    """A schema, a network, and a summary of its training. With `others`, which have the same inputs
    and target, predictions are the weighted mean of all."""

    schema: Schema
    architecture: Architecture
    network: Sequential
    training: dict[str, Any]
    numerics: int = numerics_version  # the arithmetic it was trained with
    seen: SeenRows | None = None  # the rows of its training, where they can be told apart
    rules: AnswerRules = PLAIN_RULES
    weight: float = 1.0  # of this network among the others
    others: tuple[TableModel, ...] = ()

    @property
    def parts(self) -> tuple[TableModel, ...]:
        """The model with only its main network, and the others."""
        return (replace(self, others=()), *self.others)

    @computed_to_nearest
    def predict(self, table: Table) -> Prediction:
        """Return predictions for all rows of the table; TableError if a column is missing."""
        return self.answers(self.schema.encode(self.schema.load(table)))

    @computed_to_nearest
    def evaluate(self, table: Table, weight: str | None = None) -> tuple[Score, Prediction]:
        """Return the score on the rows that have a target, and their predictions. `weight` is a
        column of weights for the score; None: all rows count alike."""
        found = self.assess(table, weight)
        return found.score, found.prediction

    @computed_to_nearest
    def assess(self, table: Table, weight: str | None = None) -> Assessment:
        """Return the score on the rows that have a target, and that on the rows that were not in
        training, if some were. TableError if a column is missing, or no row has a target."""
        design, truth, keys = self.schema.labelled(table)
        prediction = self.answers(design)
        strange = int((truth == UNKNOWN_CLASS).sum()) if prediction.classes else 0
        if strange:
            unknown = {**prediction.unknown, prediction.target: strange}
            prediction = replace(prediction, unknown=unknown)
        answers = self.compared(truth, prediction)
        if weight is None:
            return self._assess(answers, prediction, keys)
        rows = np.flatnonzero(~self.schema.target.read(self.schema.opened(table))[1])
        weights = WeightOptions(weight).of(table, rows, truth, ())
        found = self._assess(replace(answers, weight=weights), prediction, keys)
        new = None if found.new is None else replace(found.new, weight=weight)
        return replace(found, score=replace(found.score, weight=weight), new=new)

    def remarks(
        self, answers: Evaluation, prediction: Prediction, keys: NDArray[np.uint64] | None
    ) -> tuple[Note, ...]:
        """Return notes on a score of rows with these keys, some of which may have been in
        training."""
        return () if keys is None else self._assess(answers, prediction, keys).remarks()

    def _assess(
        self, answers: Evaluation, prediction: Prediction, keys: NDArray[np.uint64]
    ) -> Assessment:
        truth, found = answers.truth, Assessment(self._score(answers), prediction, answers)
        if self.seen is None:
            return found
        known, seen = self.seen.asked(target_keys(keys, truth, prediction.classes))
        if not seen.any():
            return found
        share = float(seen.sum() / known.sum())
        new = np.flatnonzero(known & ~seen)
        apart = answers.of(new)
        counts = apart.weight is None or apart.weight.any()
        others = self._score(apart) if len(new) >= FEWEST_NEW and counts else None
        exact = bool(known.all())
        return replace(found, seen=round(share * len(truth)), exact=exact, new=others)

    def _score(self, answers: Evaluation) -> Score:
        """Return the score by the metric of the fit; by the default one if that is undefined."""
        asked: str | None = self.training.get("score", {}).get("metric")
        interval, classes = self.rules.interval, self.schema.target.classes
        if asked is None or metric_named(asked).measure(answers) is None:
            asked = main_metric(bool(classes))
        level = None if interval is None else interval.level
        return score(answers, classes, asked, level, self.rules)

    def compared(self, truth: NDArray[Any], prediction: Prediction) -> Evaluation:
        """Return true values, predictions with the rules applied, and a constant predictor's."""
        probabilities = prediction.probabilities
        if probabilities is not None:
            return self.rules.applied(self.with_constant(truth, probabilities))
        return replace(self.with_constant(truth, prediction.values), ends=prediction.ends)

    def with_constant(self, truth: NDArray[Any], given: NDArray[Any]) -> Evaluation:
        """Return true values, probabilities or numbers, and those of a constant predictor."""
        target = self.schema.target
        constant = target.common if target.classes else target.mean
        if self.rules.quantile is not None:
            constant = self.rules.quantile.constant
        return Evaluation(truth, given, np.full(len(truth), constant), ordered=target.ordered)

    def given(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return class probabilities, or numbers in the target's unit, from raw outputs."""
        if not self.schema.target.classes:
            return self.schema.target.restore(outputs[:, 0])
        return softmax(outputs, self.architecture.temperature)

    @computed_to_nearest
    def answers(self, design: Design) -> Prediction:
        """Return predictions for encoded rows, with the rules applied."""
        target = self.schema.target
        found, filled = self.before_rules(design.x), (design.missing, design.unknown)
        if not target.classes:
            interval, given = self.rules.interval, self.rules.answered(found)
            ends, level = None if interval is None else interval.ends(found), self.rules.level
            return Prediction(target.name, given, (), None, *filled, target.decimals, ends, level)
        names = np.array(target.classes, object)[self.rules.decided(found)]
        return Prediction(target.name, names, target.classes, found, *filled)

    @computed_to_nearest
    def outputs(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return for encoded rows the numbers [rows], or probabilities [rows, classes]."""
        return self.rules.answered(self.before_rules(x))

    def before_rules(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """As `outputs`, but for numbers always the mean, even if the model predicts a quantile."""
        if not self.others:
            return self._outputs(x)
        parts = self.parts
        return mixed([part._outputs(x) for part in parts], [part.weight for part in parts])

    def _outputs(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the predictions of the main network before rules. Rows are predicted a few hundred
        at a time, so that the activations of many networks stay in the cache."""
        rows = with_fold_column(self.architecture, x)
        parts = [
            np.asarray(self.network(rows[start : start + AT_ONCE]))
            for start in range(0, max(len(rows), 1), AT_ONCE)
        ]
        return self.given(np.concatenate(parts))

    def recorded_score(self) -> Score:
        """Return the score of its fit as a model file stores it: only the main metric."""
        target, kept, rows = self.schema.target, self.training["score"], self.training["rows"]
        number = target.mean if self.rules.quantile is None else self.rules.quantile.constant
        constant = target.classes[target.common] if target.classes else f"{number:.6g}"
        constant = "the middle class" if self.rules.central else constant
        value, error, guess = (
            math.nan if kept[name] is None else float(kept[name])
            for name in ("value", "standard_error", "constant")
        )
        count = kept.get("rows") or (sum(rows.values()) if kept["folds"] else rows["held_out"])
        return Score(kept["metric"], value, error, guess, constant, count, {})

    @computed_to_nearest
    def save(self, path: str | Path, option: str = "") -> int:
        """Write the model file, completely or not at all; return its size in bytes. `option` is the
        option that names another path, for the message of an OutputError."""
        return model_file.save(path, *self.contents(), option)

    def contents(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Return the tensors and the metadata of the model file."""
        texts = {
            "format": FORMAT,
            "format_version": self._version(),
            "numerics_version": str(self.numerics),
            "network": json.dumps(self.architecture.to_plain()),
            "schema": json.dumps(self.schema.to_plain()),
            "training": json.dumps(self.training),
        }
        if self.seen is not None:
            texts["seen"] = self.seen.to_text()
        if self.rules:
            texts["rules"] = json.dumps(self.rules.to_plain())
        tensors, packs = dict(self.network.parameters()), self._packs()
        if packs:
            texts["packs"] = packs_text(self.weight, packs)
        return {**tensors, **packs_tensors(packs)}, texts

    def _packs(self) -> list[TrainedPack]:
        """Return the other networks as a file stores them."""
        return [
            TrainedPack(one.architecture, one.network, one.weight, one.schema.target.factor)
            for one in self.others
        ]

    def _version(self) -> str:
        """Return the oldest format that can store the model, so that earlier versions can open
        it."""
        if self.schema.has_text:
            return FORMAT_VERSION
        if self.schema.target.ordered:
            return ORDERED_VERSION
        smooth = any(part.architecture.activation == "silu" for part in self.parts)
        if smooth or self.rules.quantile is not None or self.rules.factors is not None:
            return QUANTILE_VERSION
        if self.others:
            return BLEND_VERSION
        if self.rules:
            return RULES_VERSION
        return PACK_VERSION if self.architecture.members else FIRST_VERSION

    @staticmethod
    @computed_to_nearest
    def load(path: str | Path) -> TableModel:
        """Read a model file; ModelFileError if anything is wrong with it."""
        return TableModel.from_contents(*model_file.load(path), str(path))

    @staticmethod
    def from_contents(
        named: dict[str, NDArray[Any]], texts: dict[str, str], label: str
    ) -> TableModel:
        """Return the model of these tensors and metadata; `label` names their file in a
        ModelFileError."""
        check_format(texts, FORMAT_VERSIONS, label)
        try:
            return _assemble(named, texts)
        except ValueError as error:
            raise ModelFileError(
                f"{label} cannot be used: {error}; train the model again"
            ) from None


def _assemble(named: dict[str, NDArray[Any]], texts: dict[str, str]) -> TableModel:
    stored = read_value(Stored, texts, "its metadata")
    architecture = from_plain(Architecture, parse(stored["network"]), "network")
    schema = Schema.from_plain(parse(stored["schema"]))
    check_fits(architecture, schema)
    packs = texts.get("packs")
    network = restore_network(architecture, main_tensors(named, packs))
    training: Any = parse(stored["training"])
    found = from_plain(Training, training, "training")
    if metric_named(found.score.metric).classes != bool(schema.target.classes):
        raise ValueError(f"training.score.metric is {found.score.metric!r}, of the other kind")
    numerics = read_value(Version, parse(stored["numerics_version"]), "numerics_version")
    seen = SeenRows.from_text(texts["seen"]) if "seen" in texts else None
    rules = PLAIN_RULES
    if "rules" in texts:
        rules = from_plain(AnswerRules, parse(texts["rules"]), "rules")
        rules.check_target(schema.target)
    model = TableModel(schema, architecture, network, training, numerics, seen, rules)
    if packs is None:
        return model
    weight, others = read_packs(packs, named, schema)
    return replace(model, weight=weight, others=tuple(_with_pack(model, one) for one in others))


def _with_pack(model: TableModel, pack: TrainedPack) -> TableModel:
    """Return the model with another network, its weight and its target factor."""
    schema = replace(model.schema, target=replace(model.schema.target, factor=pack.factor))
    return replace(
        model, schema=schema, architecture=pack.architecture, network=pack.network, training={},
        weight=pack.weight,
    )  # fmt: skip


def softmax(scores: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return probabilities [rows, classes] of raw scores, computed in float64 with this package's
    exp, which has the same bits on all machines, unlike NumPy's."""
    wide = scores.astype(np.float64) / temperature
    if wide.size <= FEW and np.isfinite(wide).all():
        return np.array([_chances(row) for row in wide.tolist()], np.float32)
    shifted = Number(wide - wide.max(axis=1, keepdims=True))
    powers: NDArray[np.float64] = exp_code(NumpyBuilder(), shifted).array
    total = np.zeros(len(powers))
    for column in powers.T:  # one class after the other, so that the order of the sum is fixed
        total += column
    return (powers / total[:, None]).astype(np.float32)


def _chances(scores: list[float]) -> list[float]:
    """As `softmax` for one row of scaled scores, in plain Python: faster for few of them."""
    most, total = max(scores), 0.0
    powers = [exponential(row - most) for row in scores]
    for row in powers:
        total += row
    return [row / total for row in powers]


TEMPERATURES = tuple(2.0 ** (place / 8) for place in range(-8, 13))


def temperature_losses(scores: NDArray[Any], truth: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield the log-loss of each row, [rows], for each of `TEMPERATURES`."""
    rows, least = np.arange(len(truth)), np.finfo(np.float32).tiny
    for temperature in TEMPERATURES:
        chosen = softmax(scores, temperature)[rows, truth].astype(np.float64)
        yield -np.log(np.maximum(chosen, least))

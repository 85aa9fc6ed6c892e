"""A trained model of a table: it predicts, scores and is saved as one file that needs nothing else.

In: a table with the columns it was trained with. Out: predictions in the target's own terms, and
their score.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import numpy as np

from glassnet import model_file
from glassnet.errors import ModelFileError, TableError
from glassnet.estimators.tabular.network import Architecture, restored
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.score import Evaluation, Score, score
from glassnet.nn import Sequential
from glassnet.ops.math_exp import exp_code
from glassnet.ops.onnumpy import Number, NumpyBuilder
from glassnet.rounding import to_nearest
from glassnet.serialize import Count, Total, Within, from_plain, parse, read, to_plain
from glassnet.tables.schema import Design, Schema
from glassnet.tables.table import Table
from glassnet.tables.target import UNKNOWN_CLASS
from glassnet.version import numerics_version

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "glassnet table model"
FORMAT_VERSION = "1"
Version = Annotated[int, Within(1, 1 << 20)]


class Stored(TypedDict):
    """The texts of a model file."""

    network: str
    schema: str
    training: str
    numerics_version: str


@dataclass(frozen=True)
class Divided:
    """How many rows were for what."""

    train: Count
    validation: Total
    held_out: Total


@dataclass(frozen=True)
class Scored:
    """The score of a fit."""

    folds: Total
    metric: Literal["accuracy", "rmse"]
    value: float | None
    standard_error: float | None
    constant: float | None


@dataclass(frozen=True)
class Training:
    """What a model file says of its training."""

    glassnet: str
    table: str
    seed: int
    rows: Divided
    recipe: Recipe
    epochs: Count
    best_epoch: Total
    score: Scored


@dataclass(frozen=True)
class Prediction:
    """Answers for every row: class names or numbers, and for classes the probability of each."""

    target: str
    values: NDArray[Any]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32] | None
    missing: dict[str, int]  # cells that were missing, by column
    unknown: dict[str, int]  # cells with a value that training had not, or too rarely
    decimals: int = 0  # of a number: more would be invented


@dataclass(frozen=True)
class TableModel:
    """A schema, a network, and a record of how it was trained."""

    schema: Schema
    architecture: Architecture
    network: Sequential
    training: dict[str, Any]
    numerics: int = numerics_version  # the arithmetic it was trained with

    @to_nearest
    def predict(self, table: Table) -> Prediction:
        """Answers for every row of the table."""
        return self.answers(self.schema.encode(self.schema.load(table)))

    @to_nearest
    def evaluate(self, table: Table) -> tuple[Score, Prediction]:
        """The score on the rows that have a target."""
        truth, missing = self.schema.target.read(self.schema.opened(table))
        rows = np.flatnonzero(~missing)
        if not len(rows):
            raise TableError(
                f"{table.label}: the target {self.schema.target.name!r} has no value in any row; "
                "a score needs the true answers"
            )
        prediction = self.answers(self.schema.encode(self.schema.load(table), rows))
        strange = int((truth[rows] == UNKNOWN_CLASS).sum()) if prediction.classes else 0
        if strange:
            unknown = {**prediction.unknown, prediction.target: strange}
            prediction = replace(prediction, unknown=unknown)
        return score(self.compared(truth[rows], prediction), prediction.classes), prediction

    def compared(self, truth: NDArray[Any], prediction: Prediction) -> Evaluation:
        """The truth beside the predictions and beside those of a constant predictor."""
        target = self.schema.target
        if prediction.probabilities is None:
            return Evaluation(truth, prediction.values, np.full(len(truth), target.mean))
        return Evaluation(truth, prediction.probabilities, np.full(len(truth), target.common))

    @to_nearest
    def answers(self, design: Design) -> Prediction:
        """Answers for rows that are encoded already."""
        target = self.schema.target
        outputs = np.asarray(self.network(design.x))
        if not target.classes:
            values = target.restore(outputs[:, 0])
            filled = design.missing, design.unknown
            return Prediction(target.name, values, (), None, *filled, target.decimals)
        probabilities = softmax(outputs)
        names = np.array(target.classes, object)[probabilities.argmax(axis=1)]
        return Prediction(
            target.name, names, target.classes, probabilities, design.missing, design.unknown
        )

    def recorded_score(self) -> Score:
        """The score that its fit took, as far as the model file keeps it: without `others`."""
        target, kept, rows = self.schema.target, self.training["score"], self.training["rows"]
        constant = target.classes[target.common] if target.classes else f"{target.mean:.6g}"
        value, error, guess = (
            math.nan if kept[name] is None else float(kept[name])
            for name in ("value", "standard_error", "constant")
        )
        count = sum(rows.values()) if kept["folds"] else rows["held_out"]
        return Score(kept["metric"], value, error, guess, constant, count, {})

    @to_nearest
    def save(self, path: str | Path) -> int:
        """Write the model file, whole or not at all; the number of bytes."""
        texts = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "numerics_version": str(self.numerics),
            "network": json.dumps(to_plain(self.architecture)),
            "schema": json.dumps(self.schema.to_plain()),
            "training": json.dumps(self.training),
        }
        return model_file.save(path, self.network.parameters(), texts)

    @staticmethod
    @to_nearest
    def load(path: str | Path) -> TableModel:
        """Read a model file; anything wrong with it is a `ModelFileError`."""
        named, texts = model_file.load(path)
        if texts.get("format") != FORMAT:
            raise ModelFileError(
                f"{path} is no table model; name a file that `glassnet fit` has written"
            )
        if texts.get("format_version") != FORMAT_VERSION:
            raise ModelFileError(
                f"{path} has format {texts.get('format_version')}, this program reads "
                f"{FORMAT_VERSION}; update glassnet or train again"
            )
        try:
            return _assemble(named, texts)
        except ValueError as error:
            raise ModelFileError(f"{path} cannot be used: {error}; train the model again") from None


def _assemble(named: dict[str, NDArray[Any]], texts: dict[str, str]) -> TableModel:
    stored = read(Stored, texts, "its metadata")
    architecture = from_plain(Architecture, parse(stored["network"]), "network")
    schema = Schema.from_plain(parse(stored["schema"]))
    if len(schema.inputs) != architecture.inputs or schema.target.outputs != architecture.outputs:
        raise ValueError("the network does not fit the columns")
    network = restored(architecture, named)
    training: Any = parse(stored["training"])
    found = from_plain(Training, training, "training")
    if (found.score.metric == "accuracy") != bool(schema.target.classes):
        raise ValueError(f"training.score.metric is {found.score.metric!r}, of the other kind")
    numerics = read(Version, parse(stored["numerics_version"]), "numerics_version")
    return TableModel(schema, architecture, network, training, numerics)


def softmax(scores: NDArray[Any]) -> NDArray[np.float32]:
    """Probabilities from raw scores, in float64 with the package's own exp: the same bits on every
    machine, which NumPy's exp does not promise."""
    wide = scores.astype(np.float64)
    shifted = Number(wide - wide.max(axis=1, keepdims=True))
    powers: NDArray[np.float64] = exp_code(NumpyBuilder(), shifted).array
    total = np.zeros(len(powers))
    for column in powers.T:  # one class after the other, so that the order of the sum is fixed
        total += column
    return (powers / total[:, None]).astype(np.float32)

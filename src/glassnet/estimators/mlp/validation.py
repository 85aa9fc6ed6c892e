"""Validation rows of an MLP estimator: given ones, or a held-out fraction.

In: an estimator in training and rows that it is not trained on. Out: their score and their loss:
the weighted mean over rows without the penalty that `loss_` includes.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, _num_samples

from glassnet.estimators.mlp.attributes import Attributes
from glassnet.estimators.mlp.mlp_network import LAST
from glassnet.estimators.mlp.value_checks import refuse_too_large
from glassnet.graph.build import GraphBuilder
from glassnet.graph.types import Dim, Type
from glassnet.nn.penalised import PenalisedLoss
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.data_checks import Rows
from glassnet.training.programs import shared
from glassnet.words import plural


@dataclass(frozen=True)
class HeldOut:
    """Encoded validation rows; `y` has labels or numbers for the scorer, `target` [rows, outputs]
    the network's targets for the loss; `weight` is None if all rows have equal weights."""

    x: Any
    y: Any
    target: np.ndarray
    weight: np.ndarray | None


def given_rows(est: Attributes, validation: tuple[Any, Any, Any], dtype: Any) -> HeldOut | None:
    """Return the rows passed as X_val, y_val and sample_weight_val; None if all three are None.
    ValueError or TypeError if one of the first two is missing, or they do not match."""
    X, y, weight = validation
    if X is None and y is None and weight is None:
        return None
    if X is None or y is None:
        missing = "X_val" if X is None else "y_val"
        raise ValueError(f"X_val and y_val go together; {missing} is missing")
    try:
        x = est._checked(X)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X_val: {error}") from None
    if _num_samples(y) != x.shape[0]:
        raise ValueError(
            f"X_val has {plural(x.shape[0], 'row')} and y_val has {_num_samples(y)}; wanted one "
            "each"
        )
    target = est._validation_target(y)
    if vars(est).get("_soft_labels") and np.ndim(y) == 2:
        y = np.argmax(y, 1)
    weight = None if weight is None else row_weights(weight, x, dtype, "sample_weight_val")
    return HeldOut(x, np.asarray(y), np.ascontiguousarray(target, dtype), weight)


def row_weights(weight: Any, X: Any, dtype: Any, name: str = "sample_weight") -> np.ndarray:
    """Return sample weights as an array of this dtype, checked as scikit-learn does; ValueError,
    with the argument's `name`, if one is negative or not finite, or they are not one per row."""
    how: dict[str, Any] = {"dtype": dtype, "ensure_non_negative": True}
    refuse_too_large(weight, name, "scale the weights")
    try:
        return _check_sample_weight(weight, X, **how)
    except ValueError as error:
        text = str(error).replace("sample_weight", name)
        raise ValueError(text if name in text else f"{name}: {text}") from None


def validation_split(
    est: Attributes, rows: Rows, weighted: bool
) -> tuple[Rows, HeldOut, np.ndarray]:
    """Return training rows, validation rows (`validation_fraction` of them, drawn by the
    estimator's RandomState), and the indices of the first. Two classes are stratified, more are
    not, as in scikit-learn. ValueError if fewer than two rows are for validation."""
    if not est.validation_fraction:
        raise ValueError(
            f"validation_fraction={est.validation_fraction!r} holds out no rows, and "
            "early_stopping=True needs some; use a fraction above 0, or pass X_val and y_val"
        )
    hard = is_classifier(est) and not vars(est).get("_soft_labels")
    labels = rows.y.astype(bool) if hard else rows.y
    stratify = labels if hard and est.n_outputs_ == 1 else None
    parts: Any = train_test_split(
        rows.x,
        labels,
        rows.weight,
        np.arange(len(rows)),
        random_state=est._random_state,
        test_size=est.validation_fraction,
        stratify=stratify,
    )
    x, x_val, y, y_val, weight, weight_val, picked, _ = parts
    if x_val.shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of "
            "your dataset."
        )
    part = Rows(x, np.ascontiguousarray(y, rows.y.dtype), weight, names=rows.names)
    target = np.ascontiguousarray(y_val, rows.y.dtype)
    held_out = HeldOut(x_val, est._decode(y_val), target, weight_val if weighted else None)
    return part, held_out, picked


class ValidationScorer:
    """Scores the validation rows with the estimator's present weights: a call returns their loss
    and sets `score`, which without `scoring` is NaN if outputs are not finite."""

    def __init__(self, est: Attributes, held_out: HeldOut, loss: PenalisedLoss) -> None:
        self.est, self.held_out, self.loss = est, held_out, loss
        self.score = math.nan

    def __call__(self) -> float:
        z = self.est._network_outputs(self.held_out.x, "raw", check=False)
        held_out, weight = self.held_out, self.held_out.weight
        weight = np.ones(len(z), z.dtype) if weight is None else weight
        target = held_out.target.astype(z.dtype, copy=False)
        given = {"z": np.ascontiguousarray(z), "y": target, "weight": weight.astype(z.dtype)}
        program = scoring_program(z.shape[1], self.loss, z.dtype.name)
        output, cost = program.run(given)
        self.score = _score(self.est, held_out, output)
        total = float(weight.astype(float).sum())
        return float(cost.astype(float).sum()) / total if total else 0.0


def _score(est: Attributes, held_out: HeldOut, output: np.ndarray) -> float:
    if est.scoring is not None:
        scorer: Any = check_scoring(est, est.scoring)
        weight = {} if held_out.weight is None else {"sample_weight": held_out.weight}
        return float(scorer(without_encoder(est), held_out.x, held_out.y, **weight))
    if not np.isfinite(output).all():
        return float("nan")
    found = est._answers(output)
    return float(est._metric(held_out.y, found, sample_weight=held_out.weight))


def without_encoder(est: Attributes) -> Any:
    """Return a shallow copy of the estimator for rows that are encoded already and have no column
    names."""
    other: Any = copy.copy(est)
    other.n_features_in_ = est.coefs_[0].shape[0]
    other.__dict__.pop("feature_names_in_", None)
    other.__dict__.pop("_encoder", None)
    other.missing = other.categorical_features = None
    return other


def scoring_program(outputs: int, loss: PenalisedLoss, dtype: str) -> Program:
    """Return a program that computes, from raw outputs z, targets y and weights, the outputs and
    each row's weighted loss."""

    def make() -> Program:
        builder = GraphBuilder()
        z, y = (builder.input(name, Type(dtype, (Dim("n"), outputs))) for name in ("z", "y"))
        weight = builder.input("weight", Type(dtype, (Dim("n"),)))
        last = LAST.get(loss.out)
        output = z * 1.0 if last is None else last(z)
        return compile_graph(builder.finish([output, loss.rows(z, y) * weight]))

    found: Program = shared(("judge", outputs, loss.compile_key(), dtype), make)
    return found

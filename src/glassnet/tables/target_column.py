"""The target column: classes or a number, and its encoding.

In: a table and the target's name. Out: the target's values, and the `TargetSchema` that encodes and
decodes them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.serialize import LATER, Name, Within
from glassnet.tables.decide import base_kind, order_of, scale_of
from glassnet.tables.kinds import (
    NO_NUMBER,
    brief,
    check_finite,
    known_spelling,
    lost_digits,
    spelling_key,
    spelling_note,
    spellings,
)
from glassnet.tables.notes import Note
from glassnet.tables.table import Numbers, Table
from glassnet.tables.target_scale import (
    asks_for_logarithm,
    decades,
    exponential,
    has_logarithm,
    logarithm,
    mean_factor,
    scale_in_words,
    shift_of,
)
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEW_NUMBERS = 50  # so many different whole numbers could be classes
_MOST_WHOLE_NUMBERS = 20  # more different whole numbers than this are a quantity, not classes
_LARGEST = 1e100  # the sum of squares of such numbers is finite
_NARROWEST = 1e-100  # the square of such a difference is above zero
UNKNOWN_CLASS = -1


@dataclass(frozen=True)
class TargetSchema:
    """The encoding of the target. `classes` is empty for a numeric target."""

    name: Name
    classes: tuple[Name, ...] = ()
    numeric: bool = False  # the classes are written as numbers
    mean: float = 0.0
    scale: Annotated[float, Within(0.0, above=True)] = 1.0
    common: int = 0  # the class that most training rows have
    # Of a number whose logarithm is learnt: what is added first, the scale of the logarithms in
    # place of `centre`, and what makes means of predicted medians.
    log: bool = field(default=False, metadata=LATER)
    shift: Annotated[float, Within(0.0)] = field(default=0.0, metadata=LATER)
    centre: float = field(default=0.0, metadata=LATER)
    factor: Annotated[float, Within(0.0, above=True)] = field(default=1.0, metadata=LATER)
    ordered: bool = field(default=False, metadata=LATER)  # the classes stand in their order

    def check(self) -> None:
        """Raise ValueError if the fields do not match each other."""
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            raise ValueError("its classes are none, or two or more that differ")
        if not 0 <= self.common < max(1, len(self.classes)):
            classes = plural(len(self.classes), "class")
            raise ValueError(f"common is {self.common}, and it has {classes}")
        if self.ordered and not self.classes:
            raise ValueError("it is ordered, and has no classes")
        if self.log and self.classes:
            raise ValueError("classes have no logarithm")

    @property
    def outputs(self) -> int:
        """The number of outputs of the network."""
        return len(self.classes) or 1

    def read(self, table: Table) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return a class code (int32; -1 for a missing or unknown class) or a float64 value (NaN if
        missing) per row, and the mask of missing ones. TableError if the table lacks the column, or
        a number is not valid (see `check_numbers`)."""
        table.require(self.name)
        if not self.classes:
            numbers = table.numbers([self.name])[self.name]
            check_numbers(table.label, self.name, numbers)
            return numbers.values, numbers.missing
        labels, missing = _labels(table, self.name, numeric=self.numeric)
        codes = {label: code for code, label in enumerate(self.classes)}
        if not self.numeric:
            for label in set(labels) - codes.keys():
                if label is not None:
                    codes[label] = codes.get(known_spelling(label, self.classes), UNKNOWN_CLASS)
        return np.array([codes.get(label, UNKNOWN_CLASS) for label in labels], np.int32), missing

    @property
    def decimals(self) -> int | None:
        """Return the number of decimals (may be negative) that a float32 prediction can resolve;
        None if each prediction has its own."""
        if self.log:
            return None
        return math.ceil(24 * math.log10(2) - math.log10(self.scale))

    def standardise(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values standardised for the network; NaN for those without a logarithm."""
        if self.log:
            return (logarithm(values, self.shift) - self.centre) / self.scale
        return (values - self.mean) / self.scale

    def restore(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the network's outputs in the unit of the target; for a logarithm, as means."""
        scaled = outputs.astype(np.float64) * self.scale
        if self.log:
            return exponential(scaled + self.centre, self.shift, self.factor)
        return scaled + self.mean

    def truth(self, goals: NDArray[Any]) -> NDArray[np.float64]:
        """Return the original values of standardised ones: the inverse of `standardise`, so that no
        factor for means is applied."""
        return replace(self, factor=1.0).restore(goals)

    def calibrated(self, outputs: NDArray[Any], goals: NDArray[Any]) -> TargetSchema:
        """Return the target with the factor that makes predictions means, if its logarithm is
        predicted; else unchanged. `outputs` are of rows that the network was not trained on,
        `goals` their true standardised values."""
        if not self.log:
            return self
        errors = (goals.astype(np.float64) - outputs.astype(np.float64)) * self.scale
        return replace(self, factor=mean_factor(errors))

    def fitted(self, values: NDArray[Any]) -> TargetSchema:
        """Return the target with mean and scale, or the commonest class, of the training rows.
        `values` are class codes or numbers; sums are exactly rounded."""
        if self.classes:
            common = int(np.argmax(np.bincount(values, minlength=len(self.classes))))
            return replace(self, common=common)
        mean = math.fsum(values) / len(values)
        if self.log:
            logs = logarithm(values, self.shift)
            centre, scale = _spread(logs)
            return replace(self, mean=mean, centre=centre, scale=scale)
        return replace(self, mean=mean, scale=_spread(values)[1])


def _spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation, 1 instead of 0."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((values - mean) ** 2) / len(values)) or 1.0


def infer_target(table: Table, name: str, fixed: str | None = None) -> TargetSchema:
    """Return the target as classes or a number, by cells or `fixed`; TableError if it is none."""
    table.require(name)
    if table.columns[name].family == "nested":
        raise TableError(
            f"{table.label}: the target {name!r} holds values of type {table.columns[name].type}, "
            "not single values",
            hint("choose another target").otherwise("take a part of it with ", Option("sql")),
        )
    exact, order = fixed == "category:exact", order_of(fixed)
    scale, fixed = scale_of(fixed), base_kind(fixed)
    numbers = table.numbers([name])[name]
    if fixed != "number" and len(lost_digits(table, name, numbers)) == 2:
        numbers = Numbers(np.full(table.rows, np.nan), numbers.missing)  # classes, by their text
    if numbers.missing.all():
        raise TableError(
            f"{table.label}: the target {name!r} has no value in any row; nothing can be learnt"
        )
    unreadable = numbers.unreadable
    if fixed == "number" or (fixed is None and not unreadable.any()):
        check_numbers(table.label, name, numbers)
        values = np.unique(numbers.values[~numbers.missing])
        few = len(values) <= _MOST_WHOLE_NUMBERS and bool((values == np.floor(values)).all())
        if fixed == "number" or not few:
            _refuse_single(table, name, [f"{value:.12g}" for value in values])
            _refuse_narrow(table, name, float(values[-1] - values[0]))
            return _number(table, name, numbers.values[~numbers.missing], scale)
    numeric = not unreadable.any()
    labels, missing = _labels(table, name, numeric=numeric)
    counts = Counter(label for label in labels if label is not None)
    other = {} if numeric or exact else spellings(counts)
    classes = sorted(counts.keys() - other.keys(), key=float if numeric else str)
    _refuse_single(table, name, classes)
    present = int((~missing).sum())
    if len(classes) * 2 > present and len(classes) > 2:
        raise TableError(
            f"{table.label}: the target {name!r} has {plural(len(classes), 'different text')} in "
            f"{present} rows, too many to be classes; choose another target"
        )
    return _of_classes(table, name, classes, order, numeric)


def _of_classes(
    table: Table, name: str, classes: Sequence[str], order: Sequence[str] | None, numeric: bool
) -> TargetSchema:
    """Return a target of these classes, in the given order if there is one; TableError if the order
    lacks one of them. Classes that only the order has are left out."""
    if order is None:
        return TargetSchema(name, tuple(classes), numeric)
    known = {class_key(own, numeric): own for own in classes}
    found = [known.pop(class_key(own, numeric), None) for own in order]
    if known:
        given = " < ".join(order)
        raise TableError(
            f"{table.label}: the target {name!r} has the class {next(iter(known.values()))!r}, "
            f"which is not in the order {given}",
            hint("name all classes, from the lowest to the highest"),
        )
    present = tuple(own for own in found if own is not None)
    return TargetSchema(name, present, numeric, ordered=True)


def class_key(label: str, numeric: bool) -> str:
    """Return a key that is equal for all spellings of a class; of a number, by value."""
    plain = spelling_key(label)
    try:
        return number_label(float(plain)) if numeric else plain
    except ValueError:
        return plain


def _number(
    table: Table, name: str, values: NDArray[np.float64], scale: str | None
) -> TargetSchema:
    """Return a numeric target, whose logarithm is predicted if `scale` or its values ask for it;
    TableError if there is none."""
    if scale == "log" and not has_logarithm(values):
        raise TableError(
            f"{table.label}: the target {name!r} has numbers below zero, which have no logarithm",
            hint("pass ", Option("target-scale", "plain")),
        )
    if scale == "plain" or (scale is None and not asks_for_logarithm(values)):
        return TargetSchema(name)
    return TargetSchema(name, log=True, shift=shift_of(values))


def target_notes(
    table: Table, target: TargetSchema, truth: NDArray[Any], fixed: str | None
) -> list[Note]:
    """Return notes on the decisions about a target, and how to override them. `truth` is what
    `target.read` returned, `fixed` the type that the user set."""
    if not target.classes:
        return _number_notes(target, truth, fixed)
    name, notes = target.name, list[Note]()
    if target.ordered:
        text = f"has ordered classes, {' < '.join(map(brief, target.classes[:12]))}"
        text += ", …" if len(target.classes) > 12 else ""
        notes.append(Note("ordered classes", text, name))
    counts = np.bincount(truth[truth >= 0], minlength=len(target.classes))
    if target.numeric and len(target.classes) > 2 and fixed is None:
        way = hint("to predict a number instead pass ", Option("kind", "number", name))
        text = f"is read as {plural(len(target.classes), 'class')}, which are whole numbers"
        notes.append(Note("number or class", text, name, way))
    if not target.numeric:
        texts = Counter(text for text in table.texts([name])[name].tolist() if text is not None)
        other = {
            text: known_spelling(text, target.classes)
            for text in texts
            if text not in target.classes
        }
        if other:
            notes.append(spelling_note(name, other))
    single: list[int] = np.flatnonzero(counts == 1).tolist()
    if single:
        shown = ", ".join(repr(brief(target.classes[code])) for code in single[:3])
        more = ", …" if len(single) > 3 else ""
        verb = "occurs" if len(single) == 1 else "occur"
        text = (
            f"has {plural(len(single), 'class')} that {verb} in one row only ({shown}{more}), "
            "too few to learn and to score"
        )
        way = hint("join rare classes").otherwise("leave their rows out with ", Option("sql"))
        notes.append(Note("rare class", text, name, way, True))
    return notes


def _number_notes(target: TargetSchema, truth: NDArray[Any], fixed: str | None) -> list[Note]:
    name, notes = target.name, list[Note]()
    whole = truth[~np.isnan(truth)]
    few = len(np.unique(whole)) <= _FEW_NUMBERS and bool((whole == np.floor(whole)).all())
    if few and fixed is None:
        way = hint("to predict classes instead pass ", Option("kind", "category", name))
        text = f"is read as a number, of which {len(np.unique(whole))} whole values occur"
        notes.append(Note("number or class", text, name, way))
    if target.log:
        text = (
            f"is a number over {decades(whole, target.shift)} magnitudes; "
            f"{scale_in_words(target.shift)} is learnt, predictions and score are in its own unit"
        )
        way = hint("to learn it as it stands pass ", Option("target-scale", "plain"))
        notes.append(Note("logarithm", text, name, way))
    return notes


def target_summary(target: TargetSchema, truth: NDArray[Any]) -> str:
    """Return a text with the most frequent classes and their counts, or the range of a number."""
    if not target.classes:
        present = truth[~np.isnan(truth)]
        return f"a number, {present.min():.6g} … {present.max():.6g}, mean {present.mean():.6g}"
    counts = np.bincount(truth[truth >= 0], minlength=len(target.classes))
    ranked: list[int] = np.argsort(-counts, kind="stable").tolist()
    shown = ", ".join(f"{brief(target.classes[code])} {counts[code]}" for code in ranked[:6])
    return f"{plural(len(counts), 'class')}: {shown}" + (", …" if len(counts) > 6 else "")


def check_numbers(label: str, name: str, numbers: Numbers) -> None:
    """Raise TableError unless each cell is missing or a number of at most 1e100 in magnitude."""
    check_finite(label, name, numbers)
    huge = np.flatnonzero(np.abs(numbers.values) > _LARGEST)
    if len(huge):
        raise TableError(
            f"{label}: row {huge[0] + 1} of the target {name!r} is beyond {_LARGEST:g}; "
            "correct it, or write the target in a larger unit"
        )
    wrong = np.flatnonzero(numbers.unreadable)
    if len(wrong):
        raise TableError(
            f"{label}: row {wrong[0] + 1} of the target {name!r} holds no number", NO_NUMBER
        )


def _labels(table: Table, name: str, *, numeric: bool) -> tuple[Sequence[Any], NDArray[np.bool_]]:
    if not numeric:
        texts = table.texts([name])[name]
        return list(texts), np.array([text is None for text in texts], np.bool_)
    numbers = table.numbers([name])[name]
    values, place = np.unique(numbers.values, return_inverse=True)
    labels = np.array([number_label(value) for value in values.tolist()], np.object_)[place]
    labels[numbers.missing] = None
    return labels.tolist(), numbers.missing


def number_label(value: float) -> str:
    """Return the label of a class that is a number: 1, 1.0 and 1e0 are the same class."""
    whole = math.isfinite(value) and value == math.floor(value) and abs(value) < 1e15
    return str(int(value)) if whole else repr(value)


def _refuse_single(table: Table, name: str, values: Sequence[str]) -> None:
    if len(values) == 1:
        raise TableError(
            f"{table.label}: the target {name!r} is {brief(values[0])!r} in every row; "
            "at least two different classes or numbers are needed to learn from"
        )


def _refuse_narrow(table: Table, name: str, span: float) -> None:
    if span < _NARROWEST:
        raise TableError(
            f"{table.label}: the values of the target {name!r} lie within {span:.3g} of each "
            f"other, less than {_NARROWEST:g}; write the target in a smaller unit"
        )

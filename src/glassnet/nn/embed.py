"""Embeddings: vectors that represent a category or a number.

In: columns. Out: a vector for each column, concatenated in the order of the columns.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.nn.initializers import Initializer, initializer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.setting_checks import check_numbers, check_sizes
from glassnet.nn.storage import Slot, declared_slots
from glassnet.ops import philox
from glassnet.words import plural

_EDGES = "\n  right: PiecewiseLinear([[0, 1, 3], [10, 20]]) for two features, of 2 bins and 1"


@dataclass(eq=False)
class Embedding(Module):
    """Maps each category number to a learnt vector of `width` numbers.

    `categories` is the number of categories of the column, or a sequence of them for several
    columns. x [rows, columns] has category numbers from 0; other values raise ShapeError. With
    `unknown` they share an additional vector, the last row of the weight: categories that were not
    in the training data, and NaN.
    """

    categories: int | Sequence[int]
    width: int
    initializer: str | Initializer = "lecun_normal"
    unknown: bool = False

    def __post_init__(self) -> None:
        given = self.categories
        self.sizes = tuple(given) if isinstance(given, Sequence | np.ndarray) else (given,)
        right = "Embedding(7, 3) for a column of 7 categories, Embedding((7, 4), 3) for two"
        check_sizes(self, right, width=self.width)
        for size in self.sizes or (given,):
            check_sizes(self, right, categories=size)
        initializer(self.initializer)

    def input_width(self) -> int | None:
        return len(self.sizes)

    def output_width(self, width: int | None) -> int | None:
        return len(self.sizes) * self.width

    def parameter_specs(self) -> dict[str, Parameter]:
        names = ["weight"] if len(self.sizes) == 1 else [f"weight{i}" for i in self._numbers()]
        shapes = [(size + self.unknown, self.width) for size in self.sizes]
        return {n: Parameter(s, self.initializer) for n, s in zip(names, shapes, strict=True)}

    def build(self, x: Value, parameters: Scope) -> Value:
        columns: list[Any] = []
        for i, (name, size) in enumerate(zip(self.parameter_specs(), self.sizes, strict=True)):
            column = x[:, i]
            valid = ops.logical_and(ops.greater_equal(column, 0.0), ops.less(column, float(size)))
            place = ops.cast(ops.where(valid, column, float(size if self.unknown else 0)), "int32")
            row = ops.take(parameters[name], place)
            seen = ops.reshape(valid, (x.shape[0], 1))
            # NaN for invalid category numbers that a network computes itself
            columns.append(row if self.unknown else ops.where(seen, row, math.nan))
        return columns[0] if len(columns) == 1 else ops.concatenate(columns, 1)

    def categorical_columns(self, columns: Sequence[int]) -> dict[int, int]:
        return {} if self.unknown else dict(zip(columns, self.sizes, strict=True))

    def _numbers(self) -> range:
        return range(1, len(self.sizes) + 1)


@dataclass(eq=False)
class Periodic(Module):
    """Maps each of `features` numbers x to sin(2πcx) and cos(2πcx) for `frequencies` learnt
    frequencies c, which are initialised from N(0, sigma²). Gorishniy and others, 2022."""

    features: int
    frequencies: int = 16
    sigma: float = 1.0

    def __post_init__(self) -> None:
        sizes = {"features": self.features, "frequencies": self.frequencies}
        check_sizes(self, "Periodic(4, frequencies=16)", **sizes)
        check_numbers(self, "Periodic(4, sigma=1.0)", 0.0, sigma=self.sigma)

    def input_width(self) -> int | None:
        return self.features

    def output_width(self, width: int | None) -> int | None:
        return 2 * self.features * self.frequencies

    def parameter_specs(self) -> dict[str, Parameter]:
        def first(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
            return self.sigma * philox.normal(math.prod(shape), seed, stream).reshape(shape)

        return {"frequency": Parameter((self.features, self.frequencies), first)}

    def build(self, x: Value, parameters: Scope) -> Value:
        rows = x.shape[0]
        angle = ops.reshape(x, (rows, self.features, 1)) * (
            parameters["frequency"] * (2.0 * math.pi)
        )
        waves = ops.concatenate([ops.sin(angle), ops.cos(angle)], 2)
        return ops.reshape(waves, (rows, 2 * self.features * self.frequencies))


class PiecewiseLinear(Module):
    """Piecewise linear encoding: maps each number to one number per bin, which rises linearly from
    0 to 1 within the bin and is 0 below and 1 above it. In the first bin it continues linearly
    below, in the last above. Gorishniy and others, 2022.

    `edges` has the ascending bin edges of every feature. `PiecewiseLinear.of(x, bins)` takes
    quantiles of data.
    """

    def __init__(self, edges: Sequence[Sequence[float]]) -> None:
        given: list[Any] = list(edges)
        if not given or not all(isinstance(column, Sequence | np.ndarray) for column in given):
            raise ShapeError(f"PiecewiseLinear({edges!r}): wanted edges of every feature{_EDGES}")
        self.edges = tuple(tuple(float(edge) for edge in column) for column in given)
        for place, column in enumerate(self.edges):
            rising = all(a < b for a, b in itertools.pairwise(column))
            if len(column) < 2 or not rising or not np.isfinite(column).all():
                raise ShapeError(
                    f"PiecewiseLinear: the edges of feature {place} are {column}; wanted two or "
                    f"more, finite and ascending{_EDGES}"
                )
        self.bins = tuple(len(column) - 1 for column in self.edges)

    def get_config(self) -> dict[str, Any]:
        return {"edges": self.edges}

    @classmethod
    def of(cls, x: Any, bins: int = 8) -> PiecewiseLinear:
        """Make a layer with quantile bins: each has about as many rows of x [rows, features]. Equal
        quantiles are merged, so that there are at most `bins` per feature."""
        return cls(quantile_edges(x, bins, "PiecewiseLinear"))

    def input_width(self) -> int | None:
        return len(self.edges)

    def output_width(self, width: int | None) -> int | None:
        return sum(self.bins)

    def build(self, x: Value, parameters: Scope) -> Value:
        rows = x.shape[0]
        wide = [ops.broadcast(x[:, i : i + 1], (rows, count)) for i, count in enumerate(self.bins)]
        low, size, first, last = (np.array(part, x.dtype) for part in self._bins())
        way = (ops.concatenate(wide, 1) - low) / size
        way = ops.where(ops.logical_or(ops.greater_equal(way, 0.0), first > 0.0), way, 0.0)
        return ops.where(ops.logical_or(ops.less(way, 1.0), last > 0.0), way, 1.0)

    def _bins(self) -> tuple[list[float], list[float], list[float], list[float]]:
        """Return for every bin its lower edge, its width, and 1.0 where it is the first, and the
        last, of a feature."""
        low = [a for column in self.edges for a in column[:-1]]
        size = [b - a for column in self.edges for a, b in itertools.pairwise(column)]
        first = [float(i == 0) for count in self.bins for i in range(count)]
        last = [float(i == count - 1) for count in self.bins for i in range(count)]
        return low, size, first, last

    def __repr__(self) -> str:
        features, bins = plural(len(self.edges), "feature"), plural(sum(self.bins), "bin")
        return f"PiecewiseLinear({features}, {bins})"


def quantile_edges(x: Any, bins: int, owner: str) -> list[list[float]]:
    """Return the quantile edges of every column of x, at most bins + 1; equal ones are merged.

    Raises ShapeError unless x is finite and [rows, columns]."""
    table = np.asarray(x)
    if table.ndim != 2 or not len(table) or table.dtype.kind not in "fiub":
        raise ShapeError(
            f"{owner}.of: x has shape {table.shape} and dtype {table.dtype}; wanted "
            f"numbers [rows, columns]\n  right: {owner}.of(x_train, bins=8)"
        )
    if not np.isfinite(table).all() or bins < 1:
        raise ShapeError(
            f"{owner}.of(x, bins={bins}): x is finite, and bins 1 or more\n"
            f"  right: {owner}.of(x_train[numpy.isfinite(x_train).all(1)], bins=8)"
        )
    ranks = np.arange(bins + 1) * (len(table) - 1) // bins
    edges = [np.unique(np.sort(column)[ranks]).tolist() for column in table.T]
    return [column if len(column) > 1 else [column[0], column[0] + 1.0] for column in edges]


def embedding_edges(x: Any, bins: int) -> list[list[float]]:
    """Return bin edges of every column of x, for at most `bins` bins.

    A value that is more frequent than 1/bins is an edge, and so are the next smaller and larger
    values, so that the function can jump there. The other edges are quantiles of the other rows."""
    quantile_edges(x[:1], bins, "PiecewiseEmbedding")  # raises an error for a wrong x
    if not np.isfinite(x).all():
        quantile_edges(x, bins, "PiecewiseEmbedding")
    return [_edges(np.sort(column), bins) for column in np.asarray(x).T]


def _edges(column: np.ndarray, bins: int) -> list[float]:
    """Return the bin edges of one sorted column."""
    values, counts = np.unique(column, return_counts=True)
    if len(values) <= bins + 1:
        return values.tolist() if len(values) > 1 else [float(values[0]), float(values[0]) + 1.0]
    often = np.flatnonzero(counts * bins > len(column))
    often = often[np.argsort(-counts[often], kind="stable")][: bins // 4]
    near = np.unique(np.clip(np.concatenate([often - 1, often, often + 1]), 0, len(values) - 1))
    rest = column[~np.isin(column, values[often])]
    ranks = np.arange(bins + 1 - len(near)) * (len(rest) - 1) // max(bins - len(near), 1)
    return np.unique(np.concatenate([values[near], rest[ranks], values[[0, -1]]])).tolist()


class NumberEmbedding(Module, in_files=False):
    """Base class of embeddings of numbers: maps each of the first `features` numbers of a row to a
    vector of `width` numbers.

    The next `others` columns are passed on unchanged, behind the vectors. With `groups` there are
    as many independent embeddings, concatenated; a row can then end with `per_group` numbers for
    each group, group after group, which only that group gets."""

    features: int
    width: int
    others: int
    groups: int
    per_group: int

    def input_width(self) -> int | None:
        return self.features + self.others + self.groups * self.per_group

    def output_width(self, width: int | None) -> int | None:
        return self.groups * (self.features * self.width + self.others + self.per_group)

    def of_one_group(self) -> NumberEmbedding:
        """Return a layer for one group, with its own parameters."""
        raise NotImplementedError

    def part_of(self, name: str, values: np.ndarray, group: int) -> np.ndarray:
        """Return a group's part of the values of a parameter."""
        return values[group : group + 1]

    def _joined(self, embedded: Value, x: Value) -> Value:
        """Concatenate embedded numbers [rows, groups, features · width] with the other columns of
        the rows x."""
        behind = with_group_inputs(x[:, self.features :], self.others, self.per_group, self.groups)
        if behind is not None:
            embedded = ops.concatenate([embedded, behind], 2)
        each = self.features * self.width + self.others + self.per_group
        return ops.reshape(embedded, (x.shape[0], self.groups * each))


@dataclass(eq=False)
class PiecewiseEmbedding(NumberEmbedding):
    """Maps each of the first `features` numbers to a vector of `width` numbers, each a learnt
    continuous function of it that is linear within each of `bins` bins, and outside of them:

        e = x·a + b + Σᵢ tᵢ Wᵢ, where tᵢ is the fraction of bin i that is below x, 0 to 1.

    W is initialised with 0, so that the functions are linear at first ("version B" of Gorishniy and
    others, 2024). The bin edges are a parameter without a gradient, `edges` [features, bins + 1];
    bins between equal edges are ignored. `PiecewiseEmbedding.of(x, width)` takes quantiles of data.

    The next `others` columns are passed on unchanged, behind the vectors. With `groups` there are
    as many independent embeddings, concatenated; a row can then end with `per_group` numbers for
    each group, group after group, which only that group gets.
    """

    features: int
    width: int
    bins: int = 16
    others: int = 0
    groups: int = 1
    per_group: int = 0

    def __post_init__(self) -> None:
        sizes = {"features": self.features, "width": self.width, "bins": self.bins}
        right = "PiecewiseEmbedding(4, 8, bins=16)"
        check_sizes(self, right, **sizes, groups=self.groups)
        check_numbers(self, f"{right[:-1]}, others=2)", 0, others=self.others)
        check_numbers(self, f"{right[:-1]}, groups=5, per_group=2)", 0, per_group=self.per_group)

    @classmethod
    def of(cls, x: Any, width: int, bins: int = 16) -> PiecewiseEmbedding:
        """Make a layer with quantile bins: each has about as many rows of x [rows, features]. Equal
        quantiles are merged, so that there are at most `bins` per feature."""
        edges = embedding_edges(np.asarray(x), bins)
        return cls(len(edges), width, max(map(len, edges)) - 1).with_edges(edges)

    def with_edges(self, edges: Sequence[Sequence[float]]) -> PiecewiseEmbedding:
        """Return a copy of this layer with these ascending bin edges of every feature."""
        given = PiecewiseLinear(edges)  # raises an error for wrong edges
        if len(given.bins) != self.features or max(given.bins) > self.bins:
            raise ShapeError(
                f"{self!r}: edges of {plural(len(given.bins), 'feature')} with up to "
                f"{plural(max(given.bins), 'bin')}; wanted {self.features} and {self.bins}"
            )
        wide = [[*column, *[column[-1]] * (self.bins + 1 - len(column))] for column in given.edges]
        other = copy.copy(self)
        for name in ("_layout", "_drew"):
            vars(other).pop(name, None)
        vars(other).update(
            _ends=np.array(wide), _slots={name: Slot() for name in declared_slots(self)}
        )
        return other

    def of_one_group(self) -> PiecewiseEmbedding:
        return PiecewiseEmbedding(
            self.features, self.width, self.bins, self.others + self.per_group
        )

    def part_of(self, name: str, values: np.ndarray, group: int) -> np.ndarray:
        if name == "edges":
            return values
        if name == "weight":
            return values[:, :, group * self.width : (group + 1) * self.width]
        return super().part_of(name, values, group)

    def parameter_specs(self) -> dict[str, Parameter]:
        shape = (self.groups, self.features, self.width)
        return {
            "edges": Parameter((self.features, self.bins + 1), self._first_edges, trained=False),
            "slope": Parameter(shape, _unit_uniform),
            "bias": Parameter(shape, _unit_uniform),
            "weight": Parameter((self.features, self.bins, self.groups * self.width)),
        }

    def _first_edges(self, shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
        """Return the edges passed to `with_edges`, else those of equal bins from −1 to 1."""
        ends: np.ndarray | None = vars(self).get("_ends")
        return np.tile(np.linspace(-1.0, 1.0, shape[1]), (shape[0], 1)) if ends is None else ends

    def build(self, x: Value, parameters: Scope) -> Value:
        rows, groups = x.shape[0], self.groups
        edges: Any = parameters["edges"]
        low, size = edges[:, :-1], edges[:, 1:] - edges[:, :-1]
        there = ops.greater(size, 0.0)
        inverse = ops.where(there, 1.0 / ops.where(there, size, 1.0), 0.0)
        each = ops.reshape(x[:, : self.features], (rows, self.features, 1))
        way = ops.minimum(ops.maximum((each - low) * inverse, 0.0), 1.0)
        bent = ops.transpose(way, (1, 0, 2)) @ parameters["weight"]
        bent = ops.reshape(bent, (self.features, rows, groups, self.width))
        straight = ops.reshape(each, (rows, 1, self.features, 1)) * parameters["slope"]
        e = ops.transpose(bent, (1, 2, 0, 3)) + straight + parameters["bias"]
        e = ops.reshape(e, (rows, groups, self.features * self.width))
        return self._joined(e, x)


@dataclass(eq=False)
class PeriodicEmbedding(NumberEmbedding):
    """Maps each of the first `features` numbers x to a vector of `width` numbers: `width` − 1
    learnt sums of waves, and x itself:

        e = (Σᵢ cos(2π(cᵢx + pᵢ)) Wᵢ + b, x)

    The `waves` frequencies c are initialised from N(0, sigma²), the phases p from U(0, 1). Small
    frequencies make smooth functions. Gorishniy and others, 2022; with phases and the number
    itself: Holzmüller and others, 2024.

    The next `others` columns are passed on unchanged, behind the vectors. With `groups` there are
    as many independent embeddings, concatenated; a row can then end with `per_group` numbers for
    each group, group after group, which only that group gets.
    """

    features: int
    width: int
    waves: int = 16
    others: int = 0
    groups: int = 1
    per_group: int = 0
    sigma: float = 0.3

    def __post_init__(self) -> None:
        sizes = {"features": self.features, "width": self.width, "waves": self.waves}
        right = "PeriodicEmbedding(4, 8, waves=16)"
        check_sizes(self, right, **sizes, groups=self.groups)
        check_numbers(self, right, 2, width=self.width)
        check_numbers(self, f"{right[:-1]}, others=2)", 0, others=self.others)
        check_numbers(self, f"{right[:-1]}, groups=5, per_group=2)", 0, per_group=self.per_group)
        check_numbers(self, f"{right[:-1]}, sigma=0.3)", 0.0, sigma=self.sigma)

    def of_one_group(self) -> PeriodicEmbedding:
        others = self.others + self.per_group
        return PeriodicEmbedding(self.features, self.width, self.waves, others, sigma=self.sigma)

    def parameter_specs(self) -> dict[str, Parameter]:
        each = (self.groups, self.features, self.waves)
        return {
            "frequency": Parameter(each, self._first_frequencies),
            "phase": Parameter(each, _first_phases),
            "weight": Parameter((*each, self.width - 1), self._first_weights),
            "bias": Parameter((self.groups, self.features, self.width - 1)),
        }

    def _first_frequencies(self, shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
        return self.sigma * philox.normal(math.prod(shape), seed, stream).reshape(shape)

    def _first_weights(self, shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
        """Return weights of variance 1/`waves`, so that sums of waves are of order 1."""
        return _unit_uniform(shape, seed, stream) * math.sqrt(3.0 / self.waves)

    def build(self, x: Value, parameters: Scope) -> Value:
        rows, groups, features = x.shape[0], self.groups, self.features
        each = ops.reshape(x[:, :features], (rows, 1, features, 1))
        turns = each * parameters["frequency"] + parameters["phase"]
        waves = ops.cos(turns * (2.0 * math.pi))
        waves = ops.reshape(
            ops.transpose(waves, (1, 2, 0, 3)), (groups * features, rows, self.waves)
        )
        weight = ops.reshape(parameters["weight"], (groups * features, self.waves, self.width - 1))
        sums = ops.reshape(waves @ weight, (groups, features, rows, self.width - 1))
        sums = ops.transpose(sums, (2, 0, 1, 3)) + parameters["bias"]
        same = ops.broadcast(each, (rows, groups, features, 1))
        e = ops.concatenate([sums, same], 3)
        return self._joined(ops.reshape(e, (rows, groups, features * self.width)), x)


@dataclass(eq=False)
class GroupInputs(Module):
    """Distributes the columns of a row to groups of ensemble members.

    A row has `common` numbers for all groups, then `per_group` numbers for the first group, for the
    second, and so on. The result has, for each group, the common numbers and those of the group. A
    following `Repeat(members, groups)` repeats these for the members of each group.
    """

    common: int
    per_group: int
    groups: int

    def __post_init__(self) -> None:
        right = "GroupInputs(8, per_group=2, groups=5)"
        check_sizes(self, right, groups=self.groups)
        check_numbers(self, right, 0, common=self.common, per_group=self.per_group)
        if not self.common + self.per_group:
            raise ShapeError(f"{self!r} leaves no number\n  right: {right}")

    def input_width(self) -> int | None:
        return self.common + self.groups * self.per_group

    def output_width(self, width: int | None) -> int | None:
        return self.groups * (self.common + self.per_group)

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.reshape(
            with_group_inputs(x, self.common, self.per_group, self.groups),
            (x.shape[0], self.groups * (self.common + self.per_group)),
        )


def own_rows(layer: Module, x: np.ndarray, group: int) -> np.ndarray:
    """Return the columns of rows x that a group gets, if the layer distributes columns to groups;
    else x."""
    if not isinstance(layer, NumberEmbedding | GroupInputs) or not layer.per_group:
        return x
    first = x.shape[1] - layer.per_group * layer.groups
    group_columns = x[:, first + group * layer.per_group : first + (group + 1) * layer.per_group]
    return np.concatenate([x[:, :first], group_columns], axis=1)


def with_group_inputs(x: Any, shared: int, per_group: int, groups: int) -> Any:
    """Distribute rows [rows, shared + groups · per_group] to groups: [rows, groups, shared +
    per_group]; None where that has no column."""
    rows, parts = x.shape[0], list[Any]()
    if shared:
        same = ops.reshape(x[:, :shared], (rows, 1, shared))
        parts.append(ops.broadcast(same, (rows, groups, shared)))
    if per_group:
        parts.append(ops.reshape(x[:, shared:], (rows, groups, per_group)))
    return ops.concatenate(parts, 2) if len(parts) > 1 else parts[0] if parts else None


def _first_phases(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """Return initial phases from U(0, 1)."""
    return philox.uniform(math.prod(shape), seed, stream).reshape(shape)


def _unit_uniform(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """Return initial values from U(−1, 1)."""
    drawn: Any = philox.uniform(math.prod(shape), seed, stream)
    return (2.0 * drawn - 1.0).reshape(shape)

"""Checks training data.

In: the x, y and weights that a user passed. Out: arrays that the compiled step reads, or an error
that says what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import Any, cast

import numpy as np

from glassnet.arguments import plain, value_text
from glassnet.errors import ShapeError, TrainingError, warn_user
from glassnet.foreign import OPTIMIZERS
from glassnet.nn.activations import Identity
from glassnet.nn.loss import Loss, multiply_weights
from glassnet.nn.module import Module
from glassnet.nn.normalise import BatchNorm, Dropout
from glassnet.nn.predictor import as_rows, check_categories
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.search import WholeData
from glassnet.training.memmap import MappedRows, MappedWriter
from glassnet.training.row_source import Arrays, Source, check_no_labels, write_source
from glassnet.training.step_graph import outputs_of
from glassnet.words import plural

LARGEST = 2**31 - 1  # row numbers are int32
PART = 1 << 16  # number of rows that are copied at once


@dataclass(frozen=True)
class Rows:
    """Data in the dtypes of a step: x [n, width], y, and weights of rows [n] or of labels
    [n, columns], or None; in memory, or `mapped` from a file.

    x may be a sparse matrix: each mini-batch is then converted to a dense array, and the step
    indexes rows within the mini-batch, as it does if `gathered`. `numbers` are the user's row
    numbers, if these rows are a part of the user's, and `names` the user's column names, if any."""

    x: Any
    y: np.ndarray
    weight: np.ndarray | None = None
    mapped: MappedRows | None = None
    gathered: bool = False
    numbers: np.ndarray | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, arrays: Arrays, mapped: MappedRows | None = None, **more: Any) -> Rows:
        """Make rows of arrays by the names of the step's inputs."""
        return cls(arrays["x"], arrays["y"], arrays.get("weight"), mapped, **more)

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def weighting(self) -> int:
        """Whether there are no weights (0), one for every row (1), or one for every label (2)."""
        return 0 if self.weight is None else self.weight.ndim

    @property
    def sparse(self) -> bool:
        return hasattr(self.x, "toarray")

    @property
    def in_batches(self) -> bool:
        """Whether a step gets only the rows of its mini-batch, rather than all rows and indices."""
        return self.gathered or self.sparse

    def row_numbers(self, places: Any) -> np.ndarray:
        """Return the user's row numbers."""
        return places if self.numbers is None else self.numbers[places]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by the names of the step's inputs."""
        named = {"x": self.x, "y": self.y}
        return named if self.weight is None else named | {"weight": self.weight}

    def batch(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of a step over the rows at `places`: all arrays and `rows`, or only
        those of the mini-batch."""
        if not self.in_batches:
            return {**self.arrays(), "rows": places.astype(np.int32)}
        batch = {name: dense(array[places]) for name, array in self.arrays().items()}
        return {**batch, "rows": np.arange(len(places), dtype=np.int32)}

    def part(self, places: Any) -> Rows:
        return Rows(
            self.x[places] if self.sparse else np.ascontiguousarray(self.x[places]),
            np.ascontiguousarray(self.y[places]),
            None if self.weight is None else np.ascontiguousarray(self.weight[places]),
            numbers=self.row_numbers(np.arange(len(self))[places]),
            names=self.names,
        )

    def masked(self, mask: np.ndarray) -> Rows:
        """Return the rows where a mask is true; rows on disk are copied to another file."""
        if self.mapped is None:
            return self.part(mask)
        with MappedWriter(self.mapped.folder, int(np.count_nonzero(mask))) as scratch:
            for first in range(0, len(self), PART):
                part = slice(first, first + PART)
                scratch.append({name: a[part][mask[part]] for name, a in self.arrays().items()})
            arrays, mapped = scratch.mapped()
        mapped = replace(mapped, names=self.mapped.names)
        numbers = self.row_numbers(np.flatnonzero(mask))
        return Rows.of(arrays, mapped, numbers=numbers, names=self.names)


def dense(x: Any) -> np.ndarray:
    """Return a part of the rows as a dense array."""
    return x.toarray() if hasattr(x, "toarray") else x


def warn_of_double_activation(model: Module, loss: Loss) -> None:
    """Warn where the last layer is the activation that the loss itself applies."""
    last: Module = model
    while (parts := list(last.chain().values())) and parts[-1] is not last:
        last = next(
            (p for p in reversed(parts) if not isinstance(p, Identity | Dropout)), parts[-1]
        )
    if loss.applies and type(last).__name__ == loss.applies:
        warn_user(
            f"{type(loss).__name__} applies {loss.applies} to the scores itself, and the network "
            f"ends with {loss.applies}(): applied twice it learns slowly and its probabilities are "
            f"wrong; leave the last {loss.applies}() out"
        )


def check_data(
    model: Module, loss: Loss, x: Any, y: Any = None, weight: Any = None, of: str = ""
) -> Rows:
    """Return the checked data for a step, with the weights of rows and of classes multiplied.

    x may be a source of rows that also has labels and weights, or `Rows`. `of` is a prefix of the
    names in errors ("validation "). Raises ShapeError or TrainingError."""
    check_model(model)
    if isinstance(x, Rows):
        given = _check_arrays(model, loss, x.x, x.y, x.weight, of)
        return replace(given, numbers=x.numbers, names=x.names)
    if not isinstance(x, Source):
        return _check_arrays(model, loss, x, y, weight, of)
    check_no_labels(x, y, weight, of)
    if model.input_width() not in (None, len(x.names)):
        shown = ", ".join(x.names[:12]) + (", …" if len(x.names) > 12 else "")
        raise ShapeError(
            f"{of}x has {plural(len(x.names), 'column')} in {x.label} ({shown}); the network "
            f"takes {model.input_width()}: choose them, features=[…]"
        )
    if x.rows > LARGEST:
        raise ShapeError(f"{x.label} has {plural(x.rows, 'row')}; wanted 1 to {LARGEST}")
    check = partial(_check_part, model, loss, of)
    arrays, mapped = write_source(x, model.dtype, check, loss.skips_missing)
    rows = Rows.of(arrays, mapped, names=tuple(x.names))
    if rows.weight is not None and not rows.weight.any():
        raise TrainingError(f"{x.label}: the weights of the rows are all 0; one is more, at least")
    return rows


def _check_part(
    model: Module, loss: Loss, of: str, x: Any, y: Any, weight: Any
) -> dict[str, np.ndarray]:
    """Check a part of the rows like `check_data`; its weights may be all 0."""
    if weight is None or np.any(weight):
        return _check_arrays(model, loss, x, y, weight, of).arrays()
    plain = _check_arrays(model, loss, x, y, None, of)
    return {**plain.arrays(), "weight": np.zeros(len(plain), model.dtype)}


def _check_arrays(model: Module, loss: Loss, x: Any, y: Any, weight: Any, of: str) -> Rows:
    inputs = check_inputs(model, x, of)
    if loss.skips_missing:
        y = _masked_to_nan(y)
    refuse_masked(y, f"{of}y")
    numbers = np.asarray(y)
    if numbers.ndim < 1 or len(numbers) != len(inputs):
        raise ShapeError(
            f"{of}x has {plural(len(inputs), 'row')} and {of}y has "
            f"{len(numbers) if numbers.ndim else 'none'}; every row needs its label"
        )
    labels = loss.labels(numbers, outputs_of(model, inputs.shape[1]), model.dtype)
    refuse_infinite(labels, f"{of}y", numbers, loss)
    given = check_weights(weight, len(inputs), model.dtype, of, loss, labels)
    factors, names = loss.weights(labels, model.dtype), column_names(x)
    if factors is not None and given is not None:
        return Rows(
            inputs, labels, np.ascontiguousarray(multiply_weights(given, factors)), names=names
        )
    return Rows(inputs, labels, given if factors is None else factors, names=names)


def _masked_to_nan(y: Any) -> Any:
    """Return labels with NaN in place of masked entries and None."""
    if np.ma.isMaskedArray(y):
        whole: Any = y if y.dtype.kind == "f" else y.astype(float)
        return whole.filled(np.nan)
    array = np.asarray(y)
    if array.dtype != object:
        return array
    try:
        return array.astype(float)
    except (TypeError, ValueError):
        return array


def check_some_labels(loss: Loss, *parts: Rows | None) -> None:
    """Raise TrainingError where all labels of the training or validation data are missing."""
    for of, rows in zip(("", "validation "), parts, strict=True):
        if (
            loss.skips_missing
            and rows is not None
            and rows.weight is not None
            and not rows.weight.any()
        ):
            raise TrainingError(
                f"{of}y has no label that counts: each is missing, or has a weight of 0"
            )


def column_names(x: Any) -> tuple[str, ...]:
    """Return the column names of a data frame; () for what has no names."""
    columns: Any = getattr(x, "columns", None)
    if columns is None or callable(columns):
        return ()
    return tuple(map(str, columns))


def check_inputs(model: Module, x: Any, of: str = "") -> np.ndarray:
    """Return x as an array in the model's dtype. Raises ShapeError or TrainingError."""
    refuse_masked(x, f"{of}x")
    rows = as_rows(x, f"{of}x")
    width = model.input_width()
    wanted = f"[rows, {'columns' if width is None else width}]"
    if rows.ndim != 2 or width not in (None, rows.shape[1]):
        hint = "; one column of numbers is x[:, None]" if rows.ndim == 1 else ""
        raise ShapeError(f"{of}x has shape {rows.shape}; the network takes {wanted}{hint}")
    if rows.dtype.kind not in "fiub":
        raise ShapeError(
            f"{of}x has dtype {rows.dtype}; the network takes numbers (glassnet fit encodes the "
            "columns of a table)"
        )
    if not 0 < len(rows) <= LARGEST:
        raise ShapeError(f"{of}x has {plural(len(rows), 'row')}; wanted 1 to {LARGEST}")
    check_categories(model, rows, f"{of}x")
    with np.errstate(over="ignore"):
        inputs = np.ascontiguousarray(rows, model.dtype)
    refuse_infinite(inputs, f"{of}x", rows)
    return inputs


def check_weights(
    weight: Any, rows: int, dtype: str, of: str, loss: Loss, y: np.ndarray
) -> np.ndarray | None:
    """Return the weights of rows or labels as an array. Raises ShapeError or TrainingError."""
    if weight is None:
        return None
    refuse_masked(weight, f"{of}sample_weight")
    array = np.ascontiguousarray(weight, dtype)
    if array.shape == (rows, 1) and y.shape in ((rows,), (rows, 1)):
        array = array[:, 0]
    if array.shape not in ((rows,), y.shape):
        each = f", or one for every label, {y.shape}" if y.ndim == 2 and y.shape[1] > 1 else ""
        raise ShapeError(
            f"{of}sample_weight has shape {np.shape(weight)}; wanted one number a row, "
            f"({rows},){each}"
        )
    if array.ndim == 2 and not loss.by_cell:
        raise ShapeError(
            f"{of}sample_weight has a number for every label, but {loss!r} is defined per row\n"
            "  right: a loss with def cells(self, prediction, y): return ops.abs(prediction - y)"
        )
    refuse_infinite(array, f"{of}sample_weight", array)
    if array.min() < 0 or not array.any():
        row = int(np.argwhere(array == array.min())[0][0])
        where = f" in row {row} (counted from 0)" if array.min() < 0 else ""
        raise TrainingError(
            f"{of}sample_weight has a smallest number {array.min():g}{where} and a sum "
            f"{array.sum():g}; weights are 0 or more, and not all 0"
        )
    return array


def refuse_masked(given: Any, name: str) -> None:
    """Raise TrainingError where an array has masked entries."""
    if np.ma.is_masked(given):
        count = int(np.ma.getmaskarray(given).sum())
        raise TrainingError(
            f"{name} has {count} masked entries, and training would see what "
            "the mask hides; fill them, x.filled(…), or drop such rows"
        )


def refuse_infinite(
    array: np.ndarray, name: str, given: np.ndarray, loss: Loss | None = None
) -> None:
    """Raise TrainingError with the position of the first number that is NaN or infinite; NaN is
    allowed among the labels of a loss that skips missing ones."""
    if array.dtype.kind != "f" or _all_finite(array):
        return
    wrong = np.isinf(array) if loss is not None and loss.skips_missing else ~np.isfinite(array)
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    found = given[place[: given.ndim]]
    where = f"row {place[0]}" + (f", column {place[1]}" if given.ndim > 1 else "")
    if np.isfinite(found):
        raise TrainingError(
            f"{name} has {found:g} in {where}, too large for {array.dtype}; scale the columns "
            "(subtract the mean, divide by the standard deviation) before training"
        )
    raise TrainingError(
        f"{name} has {found:g} in {where} (counted from 0); replace or drop such rows before "
        "training: numpy.isfinite finds them" + _skip(loss) * bool(np.isnan(found))
    )


def _skip(loss: Loss | None) -> str:
    """Return the advice to skip missing labels; "" where there is no loss."""
    if loss is None:
        return ""
    kind = type(loss).__name__
    return f'\n  right: {kind}(…, missing="skip"), which leaves out the labels that are NaN'


def _all_finite(array: np.ndarray) -> bool:
    """Whether all numbers are finite, tested in parts, to avoid a mask of the whole array."""
    flat = array.reshape(-1)
    return all(np.isfinite(flat[i : i + 65536]).all() for i in range(0, flat.size, 65536))


def refuse_other_columns(rows: Rows, apart: Rows) -> None:
    """Raise TrainingError where the columns of validation data have other names, or another order,
    than those of x; this is known only for rows from files."""
    names = [data.mapped.names if data.mapped else () for data in (rows, apart)]
    if all(names) and names[0] != names[1]:
        pairs = zip(*names, strict=True)
        place, (name, other) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise TrainingError(
            f"column {place} of x is {name!r} in the training data and {other!r} in the validation "
            "data; give both streams the same features=[…]"
        )


def check_batches(model: Module, size: int, frozen: frozenset[str] = frozenset()) -> None:
    """Raise TrainingError where mini-batches have one row and the model has a `BatchNorm` that is
    not frozen, since one row has no variance."""
    if size > 1:
        return
    for name, layer in _batch_norms("", model):
        if not {f"{name}mean", f"{name}variance"} <= frozen:
            raise TrainingError(
                f"{layer!r} normalises by the mean and variance of a batch, and a batch of one row "
                "has no variance\n  right: batch_size=16, or any number above 1\n"
                "  right: gn.nn.LayerNorm, which normalises within each row\n"
                f'  right: groups=[gn.optim.Group("{name}*", lr=0)], which freezes it'
            )


def _batch_norms(name: str, module: Module) -> Iterator[tuple[str, BatchNorm]]:
    """Yield every BatchNorm with the prefix of its parameters' names."""
    if isinstance(module, BatchNorm):
        yield name, module
    parts: Mapping[str, Module] = getattr(module, "parts", {})
    for child, part in parts.items():
        yield from _batch_norms(f"{name}{child}.", part)


def check_model(model: Any) -> None:
    """Raise TrainingError where the model is not a network."""
    if isinstance(model, Module):
        return
    given: Any = model
    named = getattr(given, "__name__", None)
    what = (
        f"{named} is a class"
        if isinstance(given, type)
        else f"{value_text(given)} is not a network"
    )
    right = ["model = gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.ReLU(), gn.nn.Linear(3, 1))"]
    if isinstance(given, type) and issubclass(given, Module):
        right = [f"model = {named}(…), an object of it"]
    elif getattr(cast("object", given), "forward", None) is not None:
        right.append(
            "class Net(gn.nn.Module), with build(self, x, parameters), not forward(self, x)"
        )
    raise TrainingError("".join([f"model: {what}", *(f"\n  right: {line}" for line in right)]))


def check_flag(**flags: Any) -> None:
    for name, value in flags.items():
        if plain(value) not in (True, False):
            raise TrainingError(f"{name}={value!r}; wanted True or False")


def check_counts(**counts: Any) -> None:
    for name, value in counts.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise TrainingError(f"{name}={value!r}; wanted a whole number, 1 or more")


def check_seed(seed: Any) -> None:
    if not isinstance(seed, Integral):
        raise TrainingError(f"seed={seed!r}; wanted a whole number, such as 0")


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer | WholeData):
        named = OPTIMIZERS.get(optimizer.lower()) if isinstance(optimizer, str) else None
        right = [named] if named else ["SGD(lr=0.1)", "Adam(lr=1e-3)"]
        raise TrainingError(
            f"optimizer={optimizer!r} is not an optimiser"
            + "".join(f"\n  right: optimizer=gn.optim.{rule}" for rule in right)
        )

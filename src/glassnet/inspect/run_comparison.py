"""Compare two recorded runs.

In: two run files. Out: `Comparison`: the settings that differ, the first step and weight that
differ, and how each run ended; as text and as JSON values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from glassnet import optim
from glassnet.errors import GlassnetError
from glassnet.inspect.replay import ReplayedStep, replay
from glassnet.nn.storage import layout_of
from glassnet.runs.file import RunFile
from glassnet.runs.resume_run import begun_values
from glassnet.visible import make_visible
from glassnet.words import plural, shorten

# Entries of a run file that are results, places of data, or the file's format.
NOT_SETTINGS = ("ended", "source", "sha256", "scores", "rates", "order_state", "random_state",
                "before", "gathered", "rows_given", "validated", "names", "warm_fits",
                "metrics", "measured", "parent")  # fmt: skip
WIDTH = 80


@dataclass(frozen=True)
class FirstDifference:
    """The first weight that differs between two runs.

    After step `step` (0: before the first step), weight `weight`, at `index` of its parameter, is
    `a` in one run and `b` in the other. `count` of `size` weights differ there. `rows` is true if
    the two batches had the same rows."""

    step: int
    epoch: int
    batch: int
    parameter: str
    index: tuple[int, ...]
    a: float
    b: float
    count: int
    size: int
    rows: bool
    before: bool = False  # whether weights differ before the first step that both runs have

    @property
    def weight(self) -> str:
        return f"{self.parameter}[{','.join(map(str, self.index))}]"


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: the number of epochs, and the losses of the last one."""

    path: str
    epochs: int
    loss: float | None
    validation_loss: float | None
    stopped: str
    parent: str | None = None  # the run that this one branched from
    step: int | None = None  # at which step (from 1)


@dataclass(frozen=True, repr=False)
class Comparison:
    """The comparison of two runs, a and b.

    `settings` has (name, a, b) for each setting that differs, "-" if a run lacks it. `first` is
    None if no step that both have differs, or steps could not be compared; `uncompared` is then the
    reason. `steps` is the number of steps with equal weights."""

    a: RunEnd
    b: RunEnd
    settings: list[tuple[str, str, str]]
    first: FirstDifference | None
    steps: int
    uncompared: str | None = None
    same_data: bool | None = None

    def __repr__(self) -> str:
        return "\n".join([*self._ends(), "", *self._steps(), "", *self._settings()])

    def _ends(self) -> Iterator[str]:
        width = min(30, max(len(end.path) for end in (self.a, self.b)))
        for letter, end in (("A", self.a), ("B", self.b)):
            loss = "" if end.loss is None else f"  loss {end.loss:.6g}"
            judged = end.validation_loss
            loss += "" if judged is None else f"  validation loss {judged:.6g}"
            path = shorten(make_visible(end.path), width, end=True)
            ended = "" if end.stopped == "epochs" else f", {end.stopped}"
            yield f"{letter}  {path:<{width}}  {plural(end.epochs, 'epoch')}{ended}{loss}"
        for letter, end, name, other in (("A", self.a, "B", self.b), ("B", self.b, "A", self.a)):
            if end.parent is not None:
                same = Path(end.parent).resolve() == Path(other.path).resolve()
                run = name if same else shorten(make_visible(end.parent), 50, end=True)
                yield f"{letter} goes on from {run} at step {end.step}"

    def _settings(self) -> Iterator[str]:
        if self.same_data is False:
            yield "trained on other data"
        if not self.settings:
            yield "no setting differs"
            return
        name = min(32, max(len("setting"), *(len(setting[0]) for setting in self.settings)))
        each = (WIDTH - name - 4) // 2
        for line in [("setting", "A", "B"), *self.settings]:
            cells = [
                shorten(make_visible(text), width)
                for text, width in zip(line, (name, each, each), strict=True)
            ]
            yield f"{cells[0]:<{name}}  {cells[1]:<{each}}  {cells[2]}".rstrip()

    def _steps(self) -> Iterator[str]:
        first = self.first
        if self.uncompared:
            yield f"steps were not compared: {self.uncompared}"
        elif first is None:
            yield f"the same weights after each of {plural(self.steps, 'step')}, to the last bit"
        else:
            if first.before:
                when = f"before step {first.step + 1}, the first that both have"
                yield f"the first weights differ, {when if first.step else 'before any step'}"
            else:
                before = f"the same weights up to step {first.step - 1}"
                before = "the same first weights" if first.step == 1 else before
                where = f"(epoch {first.epoch}, batch {first.batch})"
                yield f"{before}; after step {first.step} {where} they differ"
                yield f"  the rows of that step are {'the same' if first.rows else 'others'}"
            yield f"  {first.count:,} of {plural(first.size, 'weight')} differ; the first one:"
            yield f"  {make_visible(first.weight)}  A {first.a!r}  B {first.b!r}"

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        first = None if self.first is None else {"weight": self.first.weight, **vars(self.first)}
        return {
            "a": vars(self.a), "b": vars(self.b), "same_data": self.same_data,
            "settings": [dict(zip(("name", "a", "b"), s, strict=True)) for s in self.settings],
            "first_difference": first, "same_steps": self.steps, "uncompared": self.uncompared,
        }  # fmt: skip


def compare(
    run_a: str | Path,
    run_b: str | Path,
    data_a: Mapping[str, Any] | None = None,
    data_b: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare two recorded runs: settings that differ, the first step and weight that differ, and
    how each ended. `print` shows a table of 80 characters.

    Both runs are repeated side by side up to the first difference (see `gn.replay`). If a file does
    not hold its data, `data_a` or `data_b` must have them as keyword arguments of `open_step`:
    `{"x": x, "y": y}`, with `model`, `loss` or `optimizer` if they contain your own code.
    ModelFileError if a file is not a run file.
    """
    (values_a, a), (values_b, b) = _of(run_a), _of(run_b)
    first, steps, reason = None, 0, None
    epoch = max(_epochs_before(values_a), _epochs_before(values_b))  # epochs that only a parent has
    try:
        each = [
            replay(run, **(data or {}), start=epoch * _steps(values) + 1)
            for run, data, values in ((run_a, data_a, values_a), (run_b, data_b, values_b))
        ]
        first, steps = _first_difference(each[0], each[1], epoch * _steps(values_a))
    except GlassnetError as error:
        reason = " ".join(str(error).split())
    prints = values_a.get("sha256"), values_b.get("sha256")
    same_data = None if None in prints else prints[0] == prints[1]
    return Comparison(
        a, b, _differing_settings(values_a, values_b), first, steps, reason, same_data
    )


def _of(path: str | Path) -> tuple[dict[str, Any], RunEnd]:
    """Return the settings of a run file, and how its run ended."""
    with RunFile.read(path) as file:
        values = begun_values(file)
        losses, judged = file.history()
    ended = values.get("ended") or {"stopped": "unfinished"}
    last = [column[-1] if column else None for column in (losses, judged)]
    known: dict[str, Any] = values.get("parent") or {}
    parent = known.get("run"), known.get("step")
    return values, RunEnd(str(path), len(losses), last[0], last[1], ended["stopped"], *parent)


def _epochs_before(values: Mapping[str, Any]) -> int:
    known: dict[str, Any] = values.get("parent") or {}
    return int(known.get("before", 0))


def _steps(values: Mapping[str, Any]) -> int:
    """Return the number of steps per epoch."""
    rows = int(values["rows"])
    if isinstance(values["validation"], float):
        rows -= round(values["validation"] * rows)
    return -(-rows // int(values["batch_size"]))


def _differing_settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    one, other = (dict(_flatten_settings("", settings)) for settings in (a, b))
    names = [*one, *(name for name in other if name not in one)]
    rules = a.get("optimizer"), b.get("optimizer")
    return [
        (name, one.get(name, "-"), other.get(name, "-"))
        for name in names
        if one.get(name) != other.get(name)
        and not (name not in one and _is_default(rules[1], name, other[name]))
        and not (name not in other and _is_default(rules[0], name, one[name]))
    ]


def _is_default(rule: Any, name: str, text: str) -> bool:
    """Return whether a setting that only one of two optimisers has is at its default."""
    kind: Any = getattr(optim, str(cast("dict[str, Any]", rule).get("class")), None)
    known = {f"optimizer.{field.name}": field.default for field in fields(kind)} if kind else {}
    return name in known and json.dumps(known[name], default=str) == text


def _rate(value: Any) -> str:
    """Return a short text of a learning rate or schedule."""
    rate = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if rate.get("class") == "Switched":
        first, then = _rate(rate["first"]), _rate(rate["then"])
        return first if first == then else f"{first}, {then} from step {rate['step'] + 1}"
    return _rate(rate["lr"]) if rate.get("class") == "Constant" else str(rate.get("class", value))


def _flatten_settings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield settings by dotted names; elements of a list have their index in the name."""
    if name.endswith(".lr") and isinstance(value, dict) and "then" in value:
        yield name, _rate(value)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            if name or key not in NOT_SETTINGS:
                yield from _flatten_settings(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list) and any(isinstance(v, dict) for v in cast("list[Any]", value)):
        for place, item in enumerate(cast("list[Any]", value)):
            yield from _flatten_settings(f"{name}[{place}]".replace(".layers[", "["), item)
    else:
        yield name.removesuffix(".class"), value if isinstance(value, str) else json.dumps(value)


def _first_difference(
    a: Iterator[ReplayedStep], b: Iterator[ReplayedStep], same: int
) -> tuple[FirstDifference | None, int]:
    """Return the first difference of two runs after `same` equal steps, and the number of equal
    steps."""
    begun = same
    for one, other in zip(a, b, strict=False):
        shapes = [
            {n: p.shape for n, p in layout_of(step.model).parameters.items()}
            for step in (one, other)
        ]
        if shapes[0] != shapes[1] or one.after.dtype != other.after.dtype:
            raise GlassnetError("the networks have other parameters")
        if same == begun and one.before.tobytes() != other.before.tobytes():
            return _difference_at(one, other, one.before, other.before, same), same
        if one.after.tobytes() != other.after.tobytes():
            return _difference_at(one, other, one.after, other.after, one.step), same
        same += 1
    return None, same


def _difference_at(
    one: ReplayedStep, other: ReplayedStep, a: np.ndarray, b: np.ndarray, step: int
) -> FirstDifference:
    bits = np.dtype(f"u{a.itemsize}")
    apart = np.flatnonzero(a.view(bits) != b.view(bits))
    place = int(apart[0])
    for name, parameter in layout_of(one.model).parameters.items():
        if place < parameter.size:
            index = tuple(int(i) for i in np.unravel_index(place, parameter.shape))
            rows = np.array_equal(one.rows, other.rows)
            first = int(apart[0])
            return FirstDifference(
                step, one.epoch, one.batch, name, index, float(a[first]), float(b[first]),
                len(apart), a.size, rows, step < one.step,
            )  # fmt: skip
        place -= parameter.size
    raise AssertionError("a weight of no parameter")

"""Networks, losses and optimisers as data, never as code.

In: a module, a loss, an optimiser, a schedule. Out: JSON values that name one of our own classes
and its settings, and from them an equal object. A plain function has no such form: it is noted by
name, and whoever reads it back must bring the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np

from glassnet import nn, optim
from glassnet.errors import TrainingError
from glassnet.nn import losses
from glassnet.training import callbacks, estimator_step

# A closed list: a file can name nothing else.
CLASSES: dict[str, type] = {
    name: item
    for home, names in (
        (nn, nn.__all__),
        (losses, losses.__all__),
        (optim, optim.__all__),
        (callbacks, ("EarlyStopping",)),
        (
            estimator_step,
            ("PenalisedLoss", "ScikitSGD", "ScikitAdam", "EpochRates", "AdamRates"),
        ),
    )
    for name in names
    if isinstance(item := getattr(home, name), type)
}
NAMES = {item: name for name, item in CLASSES.items()}
LAYERED = ("Sequential", "Residual", "Parallel")


def as_data(item: Any) -> Any:
    """A JSON value."""
    if item is None or isinstance(item, (bool, int, float, str)):
        return item
    if isinstance(item, np.generic):
        return cast(Any, item).item()
    if isinstance(item, (tuple, list)):
        return [as_data(part) for part in cast("list[Any]", item)]
    name = NAMES.get(item.__class__, "")
    if name in LAYERED:
        settings: dict[str, Any] = {"layers": list(item.parts.values())}
        if name == "Sequential":
            settings |= {"seed": item.seed, "dtype": item.dtype}
    elif name == "Columns":
        settings = {"chosen": item.chosen}
    elif name == "PiecewiseLinear":
        settings = {"edges": item.edges}
    elif name == "Warmup":
        settings = {"lr": item.inner, "steps": item.steps}
    elif name == "EarlyStopping":
        settings = {n: getattr(item, n) for n in ("patience", "min_delta", "score")}
    elif name and is_dataclass(item) and name != "FunctionLoss":
        settings = {f.name: getattr(item, f.name) for f in fields(item) if f.init}
    else:
        return {"code": _written(item)}
    return {"class": name} | {key: as_data(setting) for key, setting in settings.items()}


def _written(item: Any) -> str:
    inner = getattr(item, "f", item)
    return str(getattr(inner, "__name__", type(inner).__name__))


def from_data(data: Any, what: str = "model") -> Any:
    """The object; TrainingError where it was code, or is none of ours."""
    if isinstance(data, list):
        return tuple(from_data(part, what) for part in cast("list[Any]", data))
    if not isinstance(data, dict):
        return data
    settings = {str(k): from_data(v, what) for k, v in cast("dict[Any, Any]", data).items()}
    if "code" in settings:
        raise TrainingError(
            f"the {what} contains {settings['code']}, which is code of yours and was not recorded; "
            f"pass it again: {what}=…, in Python"
        )
    kind = CLASSES.get(settings.pop("class", ""))
    if kind is None:
        raise TrainingError(f"the {what} names a class that this version does not have")
    make = cast(Callable[..., Any], kind)
    if "layers" in settings:
        return make(*settings.pop("layers"), **settings)
    return make(*settings["chosen"]) if "chosen" in settings else make(**settings)

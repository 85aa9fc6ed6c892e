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
from glassnet.errors import GlassnetError, TrainingError
from glassnet.nn import losses, penalised
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.optim import scikit
from glassnet.optim.optimizer import Group, Optimizer
from glassnet.optim.schedule import Schedule
from glassnet.optim.search import WholeData
from glassnet.serialize import read, shown
from glassnet.training import callbacks

# A closed list: a file can name nothing else.
CLASSES: dict[str, type] = {
    name: item
    for home, names in (
        (nn, nn.__all__),
        (losses, losses.__all__),
        (optim, optim.__all__),
        (callbacks, ("EarlyStopping",)),
        (penalised, ("PenalisedLoss",)),
        (scikit, ("ScikitSGD", "ScikitAdam", "ScikitLBFGS")),
    )
    for name in names
    if isinstance(item := getattr(home, name), type)
}
NAMES = {item: name for name, item in CLASSES.items()}
FUNCTIONS = ("FunctionLoss", "BatchLoss")  # whose code is the user's
LAYERED = ("Sequential", "Residual", "Parallel")

# Which of them may stand where, and inside of which.
PLACES: dict[str, tuple[type, ...]] = {
    "model": (Module,),
    "loss": (Loss,),
    "optimizer": (Optimizer, WholeData),
    "callbacks": (callbacks.EarlyStopping,),
}
INSIDE: tuple[tuple[type, tuple[type, ...]], ...] = (
    (Module, (Module,)),
    (Loss, (Loss,)),
    (Optimizer, (Schedule, Group)),
    (Schedule, (Schedule,)),
    (object, ()),
)
PLAIN: dict[str, Any] = {
    "int": int, "bool": bool, "float": float, "str": str,
    "int | None": int, "float | None": float, "str | None": str,
    "Loss | None": type(None), "Layer": type(None),  # what is no object is none of them
}  # fmt: skip


def as_data(item: Any, seen: list[Any] | None = None) -> Any:
    """A JSON value. A module that stands in several places is written once; the other places say
    the number that it has among all modules, in the order in which they begin."""
    seen = [] if seen is None else seen
    if item is None or isinstance(item, (bool, int, float, str)):
        return item
    if isinstance(item, np.generic):
        return cast(Any, item).item()
    if isinstance(item, (tuple, list)):
        return [as_data(part, seen) for part in cast("list[Any]", item)]
    if issubclass(item.__class__, Module):
        places = [place for place, own in enumerate(seen) if own is item]
        if places:
            return {"same": places[0]}
        seen.append(item)
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
    elif name and is_dataclass(item) and name not in FUNCTIONS:
        every = [f for f in fields(item) if f.init]
        settings = {f.name: getattr(item, f.name) for f in every if not _as_before(f, item)}
    else:
        return {"code": _written(item)}
    return {"class": name} | {key: as_data(own, seen) for key, own in settings.items()}


def _as_before(setting: Any, item: Any) -> bool:
    """Whether a setting that earlier versions did not have says what they did."""
    later = not setting.metadata.get("shown", True)
    return later and getattr(item, setting.name) == setting.default


def _written(item: Any) -> str:
    inner = getattr(item, "f", item)
    return str(getattr(inner, "__name__", type(inner).__name__))


def from_data(data: Any, what: str = "model", own: Any = None) -> Any:
    """The object, in which `own` stands where it is described; TrainingError where the object was
    code, is none of ours, or none that belongs here."""
    if isinstance(data, (list, tuple)):
        return tuple(from_data(part, what) for part in cast("list[Any]", data))
    if not isinstance(data, dict):
        raise TrainingError(f"the {what} that the run file describes is {shown(data)}, no object")
    return _object(cast("dict[str, Any]", data), what, PLACES[what], own, [])


def contains(data: Any, part: Any) -> bool:
    """Whether some object is a part of what JSON values describe."""
    if data == part:
        return True
    inner: list[Any] = []
    if isinstance(data, dict):
        inner = list(cast("dict[str, Any]", data).values())
    elif isinstance(data, list):
        inner = cast("list[Any]", data)
    return any(contains(own, part) for own in inner)


def _object(
    data: dict[str, Any], what: str, allowed: tuple[type, ...], own: Any, seen: list[Any]
) -> Any:
    """The object that JSON values describe, of one of the families that are `allowed`; `seen` are
    the modules that began before it, None in the place of one that is not complete."""
    if "same" in data and Module in allowed:
        return _before(data["same"], what, seen)
    if own is not None and as_data(own) == data:
        return own
    if "code" in data:
        raise TrainingError(
            f"the {what} contains {_short(data['code'])}, which is code of yours and was not "
            f"recorded; pass it again: {what}=…, in Python"
        )
    name = data.get("class")
    kind = CLASSES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise TrainingError(
            f"the {what} names the class {shown(name)}, which this version does not have"
        )
    if not issubclass(kind, allowed):
        families = " or ".join(own.__name__ for own in allowed) or "no object"
        raise TrainingError(
            f"the {what} that the run file describes has a {name} where {families} belongs"
        )
    inner = next(own for family, own in INSIDE if issubclass(kind, family))
    place = len(seen)
    seen += [None] * issubclass(kind, Module)
    settings = {k: _setting(v, what, inner, own, seen) for k, v in data.items() if k != "class"}
    made = _made(kind, settings, what)
    if issubclass(kind, Module):
        seen[place] = made
    return made


def _before(place: Any, what: str, seen: list[Any]) -> Any:
    """A module that stands in another place already."""
    known = isinstance(place, int) and not isinstance(place, bool) and 0 <= place < len(seen)
    if not known or seen[place] is None:
        raise TrainingError(
            f"the {what} that the run file describes has the layer {shown(place)} again, and there "
            "is no such layer before it"
        )
    return seen[place]


def _setting(data: Any, what: str, allowed: tuple[type, ...], own: Any, seen: list[Any]) -> Any:
    if isinstance(data, list):
        return tuple(_setting(part, what, allowed, own, seen) for part in cast("list[Any]", data))
    if isinstance(data, dict):
        return _object(cast("dict[str, Any]", data), what, allowed, own, seen)
    return data


def _made(kind: type, settings: dict[str, Any], what: str) -> Any:
    """An object of one of our classes, whose constructor checks its settings; of plain ones the
    type is looked at first, since to Python true is a 1."""
    make, name = cast(Callable[..., Any], kind), kind.__name__
    try:
        for f in fields(kind) if is_dataclass(kind) else ():
            own = settings.get(f.name)
            if isinstance(own, (bool, int, float, str)) and str(f.type) in PLAIN:
                read(PLAIN[str(f.type)], own, f.name)
        if name in LAYERED:
            return make(*settings.pop("layers"), **settings)
        return make(*settings["chosen"]) if name == "Columns" else make(**settings)
    except GlassnetError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise TrainingError(
            f"the {what} that the run file describes has a {name} that cannot be made: "
            f"{_short(error)}"
        ) from None


def _short(text: Any) -> str:
    line = str(text)[:200]
    return "".join(sign if sign.isprintable() else " " for sign in line)

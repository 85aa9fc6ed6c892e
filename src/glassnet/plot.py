"""Plots with matplotlib: activations, decision boundaries, loss landscapes, loss curves, ledgers.

In: models, histories and ledgers. Out: matplotlib axes, those passed as `ax=` or new ones, to be
changed or saved as usual: `gn.plot.history(history).figure.savefig("loss.png")`. A second call on
the same axes adds to them.
"""

from __future__ import annotations

# matplotlib is optional and has no types here
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.inspect.ledger_view import Ledger
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.pipeline import grad
from glassnet.training.history import History

try:
    from matplotlib import pyplot
except ImportError:
    raise ImportError("gn.plot draws with matplotlib: pip install 'glassnet[plot]'") from None

__all__ = ["activation", "boundary", "history", "landscape", "ledger"]

INK, BLUE, ORANGE, PURPLE = "#1c2330", "#2b6cb8", "#c2611a", "#7a3fb0"
CLASS_COLOURS = (
    "#b65b14", "#1f56a0", "#2e7d4f", "#7a3fb0", "#8a6d00", "#b3261e", "#00707a", "#5c6675",
    "#a03a7c", "#3d5a1e",
)  # fmt: skip
MARKERS = "os^DvPX*<>"


def activation(module: Module, low: float = -6.0, high: float = 6.0, *, ax: Any = None) -> Any:
    """Plot an activation and its derivative from `low` to `high`; return the axes.

    A learnt parameter of the activation, such as the slope of PReLU, has its current value; with
    several columns it is that of the first. Raises GlassnetError unless low < high.
    """
    if not low < high:
        raise GlassnetError(f"low={low} is not below high={high}")
    z = np.linspace(low, high, 601, dtype=np.float32)[:, None]
    width = module.input_width() or 1
    rows = np.repeat(z, width, axis=1)
    value = np.asarray(module(rows))[:, 0]

    def total(values: Any) -> Any:
        return ops.sum(module(values))

    slope = np.asarray(grad(total)(rows))[:, 0]
    axes = _axes(ax)
    axes.axhline(0.0, color=INK, linewidth=0.5)
    axes.axvline(0.0, color=INK, linewidth=0.5)
    axes.plot(z[:, 0], value, color=BLUE, label="a = f(z)")
    axes.plot(z[:, 0], slope, color=ORANGE, linestyle="--", label="f′(z)")
    axes.set(xlabel="z", title=repr(module))
    axes.legend()
    return axes


def boundary(
    model: Callable[[Any], Any],
    x: Any,
    y: Any,
    *,
    inputs: tuple[int, int] = (0, 1),
    at: Any = None,
    side: int = 200,
    ax: Any = None,
) -> Any:
    """Plot a model's predictions over two inputs, and the rows as points; return the axes.

    `model` is a network or any function of rows [n, columns]. With several outputs, colours show
    the class with the largest one; with one output, its value. `x` is [rows, columns], `y` has one
    label per row; `inputs` are two column numbers from 0. The others stay at `at` [columns], by
    default their medians. The grid has `side`² points. Raises GlassnetError for wrong x or inputs.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or x.shape[1] < 2:
        raise GlassnetError(f"x has shape {x.shape}; wanted rows with two columns or more")
    if len({*inputs}) != 2 or not all(0 <= column < x.shape[1] for column in inputs):
        raise GlassnetError(f"inputs={inputs}: two different columns of {x.shape[1]} are wanted")
    limits = [_padded_range(x[:, column]) for column in inputs]
    across, up = np.meshgrid(*(np.linspace(*end, side) for end in limits))
    rows = np.tile(np.median(x, axis=0) if at is None else np.asarray(at), (side * side, 1))
    rows[:, inputs[0]], rows[:, inputs[1]] = across.ravel(), up.ravel()
    predicted = np.asarray(model(rows.astype(x.dtype))).reshape(side * side, -1)
    axes = _axes(ax)
    if predicted.shape[1] > 1:
        kinds = predicted.argmax(axis=1).reshape(side, side)
        colours = [CLASS_COLOURS[i % len(CLASS_COLOURS)] for i in range(predicted.shape[1])]
        levels = np.arange(predicted.shape[1] + 1) - 0.5
        axes.contourf(across, up, kinds, levels=levels, colors=colours, alpha=0.35)
    else:
        number = predicted[:, 0].reshape(side, side)
        picture = axes.contourf(across, up, number, levels=20, cmap="RdBu", alpha=0.7)
        axes.figure.colorbar(picture, ax=axes, label="ŷ")
    _rows(axes, x[:, inputs[0]], x[:, inputs[1]], y)
    axes.set(xlabel=f"x{inputs[0] + 1}", ylabel=f"x{inputs[1] + 1}", xlim=limits[0], ylim=limits[1])
    return axes


def landscape(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: Callable[[Any, Any], Any],
    paths: Mapping[str, Sequence[Any]] | None = None,
    reach: float = 1.0,
    side: int = 41,
    seed: int = 0,
    ax: Any = None,
) -> Any:
    """Plot the loss along two random directions around the current weights; return the axes.

    The directions have, for each unit, the norm of that unit's weights (filter normalisation: Li et
    al., 2018). Both axes run from −reach to reach, with `side` points. `paths` maps a name to
    copies of `model.W` at some steps, drawn as a line on the plane. The model is not changed."""
    network = copy.deepcopy(model)
    centre = network.W.copy()
    first, second = _filter_directions(network, np.random.default_rng(seed))
    places = np.linspace(-reach, reach, side)
    points = [[centre + a * first + b * second for a in places] for b in places]
    losses = np.array([[_loss_at(network, w, loss, x, y) for w in line] for line in points])
    axes = _axes(ax)
    low = float(np.nanmin(losses))
    shown = np.log10(
        np.maximum(losses - low, 0.0) + 0.01 * (float(np.nanmax(losses)) - low) + 1e-30
    )
    axes.contourf(places, places, shown, levels=24, cmap="RdBu_r", alpha=0.8)
    axes.contour(places, places, shown, levels=12, colors=INK, linewidths=0.4)
    axes.plot(0.0, 0.0, "+", color=PURPLE, markersize=14, markeredgewidth=3)
    for (name, path), colour in zip((paths or {}).items(), _colours(), strict=False):
        away = np.stack([np.asarray(weights, np.float64) for weights in path]) - centre
        axes.plot(away @ first / (first @ first), away @ second / (second @ second), color=colour,
                  label=name)  # fmt: skip
    if paths:
        axes.legend()
    axes.set(title=f"loss from {low:.4g} to {float(np.nanmax(losses)):.4g}", aspect="equal")
    return axes


def history(
    history: History | Mapping[str, History], *, log: bool | None = None, ax: Any = None
) -> Any:
    """Plot losses by epoch, of one training or of several by name; return the axes.

    The loss axis is logarithmic if `log` is True, or if it is None and all losses are positive and
    differ by more than a factor of 20. Metrics are drawn against an axis on the right. Raises
    GlassnetError where no epoch was finished."""
    histories = {"": history} if isinstance(history, History) else dict(history)
    axes = _axes(ax)
    losses_shown: list[float] = []
    for (name, one), colour in zip(histories.items(), _colours(), strict=False):
        for kind, losses, style in (
            ("loss", one.loss, "-"),
            ("validation loss", one.validation_loss, "--"),
        ):
            if losses:
                epochs = np.arange(1, len(losses) + 1)
                label = f"{name} {kind}".strip()
                axes.plot(epochs, losses, style, color=colour, label=label)
                losses_shown += [float(number) for number in losses if np.isfinite(number)]
    if not losses_shown:
        raise GlassnetError("no epoch was finished, so there is nothing to draw")
    far = min(losses_shown) > 0 and max(losses_shown) > 20 * min(losses_shown)
    axes.set(
        xlabel="epoch", ylabel="loss", yscale="log" if (far if log is None else log) else "linear"
    )
    _metrics(histories, axes)
    axes.legend()
    return axes


def _metrics(histories: Mapping[str, History], axes: Any) -> None:
    """Draw metrics as dotted lines with their own axis on the right, in the common legend."""
    if not any(one.metrics for one in histories.values()):
        return
    right = axes.twinx()
    for (name, one), colour in zip(histories.items(), _colours(), strict=False):
        for (kind, values), style in zip(one.metrics.items(), ((0, (n, 2)) for n in (1, 4, 7, 10)),
                                          strict=False):  # fmt: skip
            label = f"{name} {kind}".strip()
            right.plot(np.arange(1, len(values) + 1), values, linestyle=style, color=colour)
            axes.plot([], [], linestyle=style, color=colour, label=label)
    right.set_ylabel(
        ", ".join(dict.fromkeys(kind for one in histories.values() for kind in one.metrics))
    )


def ledger(ledger: Ledger, *, ax: Any = None) -> Any:
    """Plot a weight's value after every update, and the updates as bars; return the axes.

    `ledger` is what `gn.open_ledger` returns. Raises GlassnetError where it has no update."""
    if not ledger.entries:
        raise GlassnetError(f"{ledger.name} has no update to draw")
    axes = _axes(ax)
    steps = np.arange(len(ledger.entries) + 1)
    axes.plot(
        steps, [float(ledger.start), *(float(one.after) for one in ledger.entries)], color=BLUE
    )
    updates = [float(one.update) for one in ledger.entries]
    bars = axes.twinx()
    bars.bar(steps[1:], updates, color=[BLUE if u > 0 else ORANGE for u in updates], alpha=0.4)
    widest = max(map(abs, updates)) or 1.0
    bars.set(ylim=(-3 * widest, 3 * widest), ylabel="update")
    axes.set(xlabel="update", ylabel="w", title=ledger.name)
    axes.set_zorder(bars.get_zorder() + 1)
    axes.patch.set_visible(False)
    return axes


def _loss_at(model: Module, weights: np.ndarray, loss: Any, x: Any, y: Any) -> float:
    model.W[...] = weights.astype(model.W.dtype)
    return float(loss(np.asarray(model(np.asarray(x))), np.asarray(y)))


def _axes(ax: Any) -> Any:
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax


def _colours() -> list[str]:
    return [INK, PURPLE, "#25683f", ORANGE, BLUE, *CLASS_COLOURS]


def _padded_range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    edge = 0.08 * (high - low) or 1.0
    return low - edge, high + edge


def _rows(axes: Any, across: np.ndarray, up: np.ndarray, y: np.ndarray) -> None:
    labels = y.reshape(len(across), -1)[:, 0]
    kinds = np.unique(labels)
    if len(kinds) > len(CLASS_COLOURS):
        axes.scatter(across, up, c=labels, cmap="RdBu", edgecolors=INK, linewidths=0.5, s=24)
        return
    for place, kind in enumerate(kinds):
        mine = labels == kind
        axes.scatter(across[mine], up[mine], color=CLASS_COLOURS[place], marker=MARKERS[place],
                     edgecolors="white", linewidths=0.6, s=30, label=str(kind))  # fmt: skip
    axes.legend(title="y")


def _filter_directions(model: Module, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw two random directions, 0 for parameters with one axis, such as biases."""
    ways: list[np.ndarray] = []
    for _ in range(2):
        way = copy.deepcopy(model)
        for name, parameter in way.parameters().items():
            drawn = random.normal(size=parameter.shape)
            size = np.sqrt((parameter.astype(np.float64) ** 2).sum(axis=0))
            length = np.sqrt((drawn**2).sum(axis=0))
            parameter[...] = drawn * size / length if parameter.ndim > 1 and name else 0.0
        ways.append(way.W.astype(np.float64))
    if not layout_of(model).parameters or not all(way.any() for way in ways):
        raise GlassnetError(f"{model!r} has no weights to go along")
    return cast("tuple[np.ndarray, np.ndarray]", tuple(ways))

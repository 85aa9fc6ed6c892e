"""Check the parameters of the MLP estimators.

In: a parameter's value. Out: scikit-learn's constraints; the layer that an activation names; the
number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, cast

import joblib
import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from glassnet import nn
from glassnet.describe import KNOWN
from glassnet.nn.storage import layout_of

# one instance of each, since compiled programs are cached by the layers of a network
ACTIVATIONS: dict[str, nn.Module] = {
    name: layer
    for kind in KNOWN.values()
    if issubclass(kind, nn.Module) and kind.short_names
    for layer in [kind()]
    for name in kind.short_names
}

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), "array-like", callable, nn.Module],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "scoring": [str, callable, None],
    "time_limit": [Interval(Real, 0, None, closed="neither"), None],
    "threads": [Interval(Integral, 1, None, closed="left"), None],
    "n_jobs": [Integral, None],
    "missing": [StrOptions({"indicator"}), None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "record": [str, os.PathLike, None],
}


@lru_cache(64)
def _function(f: Any) -> nn.Module:
    return nn.Function(f)


def activation_layer(given: Any) -> nn.Module:
    """Return the layer of an activation: a name, a layer or a function. ValueError if it is
    unknown, or has parameters."""
    if isinstance(given, str):
        if given not in ACTIVATIONS:
            raise ValueError(f"activation={given!r} is unknown; use one of {sorted(ACTIVATIONS)}")
        return ACTIVATIONS[given]
    if not (isinstance(given, nn.Module) or callable(given)) or isinstance(given, np.ufunc):
        raise ValueError(
            f"activation={given!r} is not an activation; use one of {sorted(ACTIVATIONS)}, a layer "
            "of glassnet.nn, or a function written with glassnet.ops, such as ops.tanh"
        )
    layer = given if isinstance(given, nn.Module) else _function(given)
    if layout_of(layer).parameters:
        raise ValueError(f"activation={given!r} has parameters of its own; use gn.nn and gn.train")
    return layer


def layer_sizes(given: Any) -> list[int]:
    """Return the number of neurons of each hidden layer, from `hidden_layer_sizes`; ValueError
    unless all are whole numbers of 1 or more."""
    listed: list[Any] = [given] if isinstance(given, Integral) else list(given)
    for size in listed:
        if isinstance(size, bool | np.bool_) or not isinstance(size, Integral):
            raise ValueError(
                f"hidden_layer_sizes={given!r} has {size!r}; it takes whole numbers of 1 or more, "
                "one for each hidden layer"
            )
    sizes = [int(size) for size in listed]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def thread_count(n_jobs: int) -> int:
    """Return the number of threads by scikit-learn's convention: -1 means all processors, -2 all
    but one; ValueError for 0."""
    if n_jobs == 0:
        raise ValueError("n_jobs=0 is not a number of threads; use 1 or more, or -1 for all")
    counted = cast("Callable[[int], int]", joblib.effective_n_jobs)
    return int(counted(n_jobs))


def check_class_weight(given: Any) -> None:
    """Raise ValueError if a weight in a dict of class weights is not a finite number of 0 or
    more."""
    if not isinstance(given, dict):
        return
    for name, weight in cast("dict[Any, Any]", given).items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight={given!r} gives class {name!r} the weight {weight!r}; weights are "
                "numbers of 0 or more"
            )

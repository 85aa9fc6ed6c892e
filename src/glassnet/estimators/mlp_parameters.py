"""What the parameters of the MLP estimators may be.

In: a parameter's value. Out: scikit-learn's constraints; the layer that an activation names.
"""

from __future__ import annotations

import os
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from glassnet import nn

# one instance of each, since a network is known by its layers
ACTIVATIONS: dict[str, nn.Module] = {
    "identity": nn.Identity(),
    "logistic": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "sigmoid": nn.Sigmoid(),
    "leaky_relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
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
    if isinstance(given, str):
        if given not in ACTIVATIONS:
            raise ValueError(f"activation={given!r} is unknown; use one of {sorted(ACTIVATIONS)}")
        return ACTIVATIONS[given]
    layer = given if isinstance(given, nn.Module) else _function(given)
    if layer.declared():
        raise ValueError(f"activation={given!r} has parameters of its own; use gn.nn and gn.train")
    return layer

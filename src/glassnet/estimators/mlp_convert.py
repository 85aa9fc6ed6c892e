"""From an MLP estimator to a plain network, and from scikit-learn's estimators to ours.

In: a description and weights, or a fitted estimator of scikit-learn. Out: a `Sequential`, or an
estimator with the same attributes.
"""

# scikit-learn has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet import nn
from glassnet.estimators.mlp_graph import Network
from glassnet.estimators.mlp_ready import Ready
from glassnet.estimators.mlp_solve import Memory, views

KEPT = (
    "classes_", "_label_binarizer", "n_features_in_", "feature_names_in_", "n_iter_", "t_",
    "n_layers_", "n_outputs_", "out_activation_", "loss_", "best_loss_", "loss_curve_",
    "validation_scores_", "best_validation_score_", "_no_improvement_count", "coefs_",
    "intercepts_",
)  # fmt: skip


def sequential(
    network: Network, coefs: list[np.ndarray], intercepts: list[np.ndarray]
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, w in enumerate(coefs):
        layers.append(nn.Linear(*w.shape))
        if i < len(network.activations):
            layers.append(network.activations[i])
            layers += [nn.Dropout(network.dropout)] if network.dropout else []
    model = nn.Sequential(*layers, dtype=network.dtype)
    pairs = zip(coefs, intercepts, strict=True)
    model.W[...] = np.concatenate([part.ravel() for pair in pairs for part in pair])
    return model


def in_layers(network: Network, flat: np.ndarray) -> np.ndarray:
    """A flat vector, weights first, in the order of `Sequential.W`: layer by layer."""
    parts = views(network, flat)
    layers = len(network.sizes) - 1
    pairs = zip(parts[:layers], parts[layers:], strict=True)
    return np.concatenate([part.ravel() for pair in pairs for part in pair])


def weights_first(network: Network, layered: np.ndarray) -> np.ndarray:
    """And back."""
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    start = 0
    for fan_in, fan_out in pairwise(network.sizes):
        weights.append(layered[start : start + fan_in * fan_out])
        start += fan_in * fan_out
        biases.append(layered[start : start + fan_out])
        start += fan_out
    return np.concatenate([*weights, *biases])


def taken_over(kind: type[Any], est: Any) -> Any:
    if type(est).__name__ != kind.__name__:
        raise TypeError(
            f"{kind.__name__}.from_sklearn takes scikit-learn's {kind.__name__}; got "
            f"{type(est).__name__}"
        )
    check_is_fitted(est)
    ours = kind(**est.get_params(deep=False))
    ours._ready = Ready()
    for name in KEPT:
        if hasattr(est, name):
            setattr(ours, name, copy.deepcopy(getattr(est, name)))
    scores = getattr(est, "validation_scores_", None)
    # scikit-learn keeps no such losses
    ours.validation_loss_curve_ = None if scores is None else [float("nan")] * len(scores)
    known = getattr(est, "_optimizer", None)
    if known is not None:
        memory = {"m": getattr(known, "ms", None) or getattr(known, "velocities", None)}
        if hasattr(known, "vs"):
            memory["v"] = known.vs
        flat = {n: np.concatenate([np.ravel(a) for a in list(p or [])]) for n, p in memory.items()}
        # scikit-learn counts the steps of Adam only
        ours._optimizer = Memory(float(known.learning_rate), getattr(known, "t", 0), flat)
    return ours

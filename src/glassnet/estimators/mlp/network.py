"""The network of an MLP estimator: a `Sequential`, whose W holds `coefs_` and `intercepts_`.

In: an estimator's parameters and weights. Out: its network, its loss, programs that predict; and
from scikit-learn's estimators ours with the same attributes.
"""

# scikit-learn has no types, and attributes that begin with _ are for this folder
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet import nn, ops
from glassnet.estimators.mlp.attributes import Attributes, OptimizerState
from glassnet.estimators.mlp.parameters import activation_layer
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Type
from glassnet.nn.module import Module
from glassnet.nn.penalised import PenalisedLoss
from glassnet.nn.scope import Scope
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.check import dense
from glassnet.training.programs import program
from glassnet.training.step import parameter_inputs, widths

PART = 4096  # rows that are predicted at a time
LAST = {"softmax": ops.softmax, "logistic": ops.sigmoid, "exp": ops.exp}
TAKEN_OVER = (
    "classes_", "_label_binarizer", "n_features_in_", "feature_names_in_", "n_iter_", "t_",
    "n_layers_", "n_outputs_", "out_activation_", "loss_", "best_loss_", "loss_curve_",
    "validation_scores_", "best_validation_score_", "_no_improvement_count", "coefs_",
    "intercepts_",
)  # fmt: skip


def architecture(est: Attributes, dtype: Any) -> nn.Sequential:
    """The network, which nobody has given weights."""
    layers: list[nn.Module] = []
    hidden = hidden_layers(est.activation, len(est.coefs_) - 1)
    for i, w in enumerate(est.coefs_):
        layers.append(nn.Linear(*w.shape))
        if i < len(hidden):
            layers.append(hidden[i])
            layers += [nn.Dropout(float(est.dropout))] if est.dropout else []
    return nn.Sequential(*layers, dtype=np.dtype(dtype).name)


def network_of(est: Attributes, dtype: Any) -> nn.Sequential:
    """The network with the estimator's weights, in a vector of its own."""
    model = architecture(est, dtype)
    model.adopt(layer_by_layer(est.coefs_, est.intercepts_).astype(dtype, copy=False))
    return model


def hidden_layers(activation: Any, count: int) -> list[nn.Module]:
    """The activation of each hidden layer."""
    listed = isinstance(activation, (list, tuple))
    each: Sequence[Any] = activation if listed else [activation] * count
    if len(each) != count:
        raise ValueError(
            f"activation={activation!r} has {len(each)} entries and hidden_layer_sizes {count}; "
            "a list has one activation for each hidden layer"
        )
    return [activation_layer(own) for own in each]


def layer_by_layer(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray:
    """One vector in the order of `Sequential.W`."""
    pairs = zip(coefs, intercepts, strict=True)
    return np.concatenate([np.ravel(part) for pair in pairs for part in pair])


def show(est: Attributes, model: Module) -> None:
    """Let the estimator's weights be views of the network's."""
    parts = list(model.parameters().values())
    est.coefs_, est.intercepts_ = parts[::2], parts[1::2]


def loss_of(est: Attributes) -> PenalisedLoss:
    return PenalisedLoss(est.out_activation_, est._loss(), float(est.alpha))


def forward_program(model: Module, out: str, what: str) -> Program:
    """The outputs of rows: "output", "raw" (before the output's activation), or the number of a
    hidden layer."""
    parts = list(model.chain().items())
    if what.isdigit():
        linear = [i for i, (_, part) in enumerate(parts) if isinstance(part, nn.Linear)]
        parts = parts[: linear[int(what)]]
    last = LAST.get(out) if what == "output" else None

    def make(own: Module, columns: int) -> Program:
        builder = GraphBuilder()
        x: Value = builder.input("x", Type(own.dtype, (Dim("n"), columns)))
        scope = Scope(parameter_inputs(builder, own))
        layers = dict(own.chain())
        for name, _ in parts:
            x = layers[name].build(x, scope.under(name))
        graph = builder.finish([x if last is None else last(x)])
        return compile_graph(graph, widths=widths(own, columns))

    width = model.takes()
    found: Program = program(model, ("forward", len(parts), last), width or 0, make)
    return found


def named(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Weights and biases by the names of a program's inputs."""
    pairs = enumerate(zip(coefs, intercepts, strict=True), 1)
    found: dict[str, np.ndarray] = {}
    for i, (w, b) in pairs:
        found |= {f"W.linear{i}.weight": w, f"W.linear{i}.bias": b}
    return found


def predicted(est: Attributes, x: Any, what: str) -> np.ndarray:
    """Outputs of rows, dense or sparse; `what` as in `forward_program`."""
    kinds = [x.dtype] if x.dtype.kind == "f" else []
    dtype = np.result_type(est.coefs_[0], *kinds)
    found = forward_program(architecture(est, dtype), est.out_activation_, what)
    held = named(est.coefs_, est.intercepts_)
    held = {name: np.ascontiguousarray(array, dtype) for name, array in held.items()}
    parts: list[np.ndarray] = []
    for first in range(0, x.shape[0], PART):
        piece = np.ascontiguousarray(dense(x[first : first + PART]), dtype)
        parts.append(found.run({"x": piece, **held})[0])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def from_sklearn(kind: type[Any], est: Any) -> Any:
    """An estimator with the attributes of a fitted one of scikit-learn."""
    if type(est).__name__ != kind.__name__:
        raise TypeError(
            f"{kind.__name__}.from_sklearn takes scikit-learn's {kind.__name__}; got "
            f"{type(est).__name__}"
        )
    check_is_fitted(est)
    ours = kind(**est.get_params(deep=False))
    for name in TAKEN_OVER:
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
        count = len(est.coefs_)  # scikit-learn has all weights first, then all biases
        slots = {n: layer_by_layer(a[:count], a[count:]) for n, a in memory.items() if a}
        # scikit-learn counts the steps of Adam only
        ours._optimizer = OptimizerState(float(known.learning_rate), getattr(known, "t", 0), slots)
    return ours

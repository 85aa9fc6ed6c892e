"""The network of an MLP estimator: a `Sequential`, whose W has `coefs_` and `intercepts_`.

In: an estimator's parameters and weights. Out: its network, its loss, programs that predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from glassnet import nn, ops
from glassnet.estimators.mlp.attributes import Attributes
from glassnet.estimators.mlp.parameters import activation_layer
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Type
from glassnet.nn.module import Module
from glassnet.nn.penalised import PenalisedLoss
from glassnet.nn.scope import Scope
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.data_checks import dense
from glassnet.training.programs import program
from glassnet.training.step_graph import parameter_inputs, widths

PART = 4096  # rows that are predicted at a time
LAST = {"softmax": ops.softmax, "logistic": ops.sigmoid, "exp": ops.exp}


def architecture(est: Attributes, dtype: Any) -> nn.Sequential:
    """Return the network for the shapes of `coefs_`, in a dtype, without the weights."""
    layers: list[nn.Module] = []
    hidden = hidden_layers(est.activation, len(est.coefs_) - 1)
    for i, w in enumerate(est.coefs_):
        layers.append(nn.Linear(*w.shape))
        if i < len(hidden):
            layers.append(hidden[i])
            layers += [nn.Dropout(float(est.dropout))] if est.dropout else []
    return nn.Sequential(*layers, dtype=np.dtype(dtype).name)


def network_of(est: Attributes, dtype: Any) -> nn.Sequential:
    """Return the network, in a dtype, with a copy of the estimator's weights."""
    model = architecture(est, dtype)
    model.adopt(flatten_weights(est.coefs_, est.intercepts_).astype(dtype, copy=False))
    return model


def hidden_layers(activation: Any, count: int) -> list[nn.Module]:
    """Return the activation of each hidden layer; ValueError if a list has not one for each."""
    each: list[Any] = [activation] * count
    if isinstance(activation, (list, tuple)):
        each = list(cast("list[Any]", activation))
    if len(each) != count:
        raise ValueError(
            f"activation={activation!r} has {len(each)} entries and hidden_layer_sizes {count}; "
            "a list has one activation for each hidden layer"
        )
    return [activation_layer(name) for name in each]


def flatten_weights(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray:
    """Return all weights as one vector in the order of `Sequential.W`."""
    pairs = zip(coefs, intercepts, strict=True)
    return np.concatenate([np.ravel(part) for pair in pairs for part in pair])


def attach_weights(est: Attributes, model: Module) -> None:
    """Make the estimator's `coefs_` and `intercepts_` views of the network's W."""
    parts = list(model.parameters().values())
    est.coefs_, est.intercepts_ = parts[::2], parts[1::2]


def loss_of(est: Attributes) -> PenalisedLoss:
    """Return the training loss, with the L2 penalty."""
    return PenalisedLoss(est.out_activation_, est._loss(), float(est.alpha))


def forward_program(model: Module, out: str, what: str) -> Program:
    """Return a program that computes, for rows, the "output", the "raw" output (before the output
    activation), or the activations of a hidden layer (its number from 1, as text). `out` is the
    output activation."""
    parts = list(model.chain().items())
    if what.isdigit():
        linear = [i for i, (_, part) in enumerate(parts) if isinstance(part, nn.Linear)]
        parts = parts[: linear[int(what)]]
    last = LAST.get(out) if what == "output" else None

    def make(module: Module, columns: int) -> Program:
        builder = GraphBuilder()
        x: Value = builder.input("x", Type(module.dtype, (Dim("n"), columns)))
        scope = Scope(parameter_inputs(builder, module))
        layers = dict(module.chain())
        for name, _ in parts:
            x = layers[name].build(x, scope.under(name))
        graph = builder.finish([x if last is None else last(x)])
        return compile_graph(graph, widths=widths(module, columns))

    width = model.input_width()
    found: Program = program(model, ("forward", len(parts), last), width or 0, make)
    return found


def named_parameters(
    coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Return weights and biases by the names of a program's inputs."""
    pairs = enumerate(zip(coefs, intercepts, strict=True), 1)
    found: dict[str, np.ndarray] = {}
    for i, (w, b) in pairs:
        found |= {f"W.linear{i}.weight": w, f"W.linear{i}.bias": b}
    return found


def predict_outputs(est: Attributes, x: Any, what: str) -> np.ndarray:
    """Return outputs [rows, outputs] for rows, dense or sparse; `what` as in `forward_program`. The
    dtype is the wider one of the weights and the rows."""
    kinds = [x.dtype] if x.dtype.kind == "f" else []
    dtype = np.result_type(est.coefs_[0], *kinds)
    found = forward_program(architecture(est, dtype), est.out_activation_, what)
    held = named_parameters(est.coefs_, est.intercepts_)
    held = {name: np.ascontiguousarray(array, dtype) for name, array in held.items()}
    parts: list[np.ndarray] = []
    for first in range(0, x.shape[0], PART):
        piece = np.ascontiguousarray(dense(x[first : first + PART]), dtype)
        parts.append(found.run({"x": piece, **held})[0])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)

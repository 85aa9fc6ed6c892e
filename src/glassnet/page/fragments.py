"""The graphs of a page: layers, losses and optimisers, each with its backward pass.

In: the definitions of `nn` and `optim`. Out: fragments that a page chains to a training step: the
output of one is the input of the next. The step that `gn.train` compiles as a whole has the same
operations, so it has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from glassnet import nn, ops, optim
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph, show
from glassnet.graph.legality import check
from glassnet.graph.op import Value
from glassnet.graph.resize import resize
from glassnet.graph.types import Dim, Size, Type
from glassnet.llvm.wasm import Mode
from glassnet.nn import losses
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.nn.scope import BuildContext, Scope
from glassnet.nn.storage import layout_of
from glassnet.ops.random import philox_op
from glassnet.optim.optimizer import Optimizer, StepContext
from glassnet.page.kernel_library import Library, LibraryCode, describe_calls, open_numbers, value
from glassnet.simplify import simplify
from glassnet.simplify.dce import drop_dead_nodes

ROWS, INNER, OUTER = Dim("n"), Dim("i"), Dim("o")
CLASSES = 10  # outputs of a network of the page, at most

ACTIVATIONS: dict[str, Module] = {
    "Identity": nn.Identity(),
    "Sigmoid": nn.Sigmoid(),
    "Tanh": nn.Tanh(),
    "ReLU": nn.ReLU(),
    "LeakyReLU": nn.LeakyReLU(),
    "PReLU": nn.PReLU(),
    "ELU": nn.ELU(),
    "SELU": nn.SELU(),
    "GELU": nn.GELU(),
    "SiLU": nn.SiLU(),
    "Mish": nn.Mish(),
    "Softplus": nn.Softplus(),
    "Softmax": nn.Softmax(),
    "ParametricSigmoid": nn.ParametricSigmoid(),
}
LOSSES: dict[str, Loss] = {
    "HalfMSE": losses.HalfMSE(),
    "MSE": losses.MSE(),
    "MAE": losses.MAE(),
    "Huber": losses.Huber(),
    "Quantile": losses.Quantile(),
    "PoissonNLL": losses.PoissonNLL(),
    "BCEWithLogits": losses.BCEWithLogits(),
    "CrossEntropy": losses.CrossEntropy(),
    "Hinge": losses.Hinge(),
}
OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": optim.SGD(),
    "SGD with momentum": optim.SGD(momentum=0.9),
    "SGD with Nesterov momentum": optim.SGD(momentum=0.9, nesterov=True),
    "RMSprop": optim.RMSprop(),
    "Adagrad": optim.Adagrad(),
    "Adam": optim.Adam(),
    "AdamW": optim.AdamW(),
}

INITIALIZERS = ("glorot_uniform", "he_uniform", "lecun_uniform")

Values = dict[str, Any]


@dataclass(frozen=True)
class Fragment:
    """A graph whose constants are inputs, the values of these, and the names of its outputs."""

    graph: Graph
    numbers: Mapping[str, Any]
    outputs: tuple[str, ...]

    def only(self, output: str) -> Fragment:
        """Return the part of the fragment that computes one output."""
        place = self.graph.outputs[self.outputs.index(output)]
        graph = drop_dead_nodes(replace(self.graph, outputs=(place,)))
        names = graph.inputs
        numbers = {name: number for name, number in self.numbers.items() if name in names}
        return Fragment(graph, numbers, (output,))

    def described(self, library: Library) -> dict[str, Any]:
        """Return the fragment as JSON values, with the kernel calls that compute it."""
        return {
            "text": show(self.graph),
            "numbers": {name: value(number) for name, number in self.numbers.items()},
            "outputs": dict(zip(self.outputs, self.graph.outputs, strict=True)),
            "calls": describe_calls(library.calls(self.graph)),
        }


def fragment(
    inputs: Mapping[str, Type], build: Callable[[Values], Values], sizes: Mapping[Size, Size]
) -> Fragment:
    """Trace `build` on the inputs; `sizes` maps fixed sizes to symbolic ones."""
    builder = GraphBuilder()
    given: Values = {name: builder.input(name, type) for name, type in inputs.items()}
    made = build(given)
    opened, numbers = open_numbers(simplify(builder.finish(list(made.values()))))
    return Fragment(check(resize(opened, sizes)), numbers, tuple(made))


def linear(dtype: str) -> Fragment:
    """Return z = h·W + b, and the gradients of W, b and h from ∂L/∂z."""

    def build(v: Values) -> Values:
        z = v["h"] @ v["weight"] + v["bias"]
        names = ["weight", "bias", "h"]
        slopes = gradients(z, [v[name] for name in names], v["dz"])
        return {"z": z, **_named(names, slopes)}

    matrix, rows = Type(dtype, (INNER, OUTER)), Type(dtype, (ROWS, OUTER))
    inputs = {"h": Type(dtype, (ROWS, INNER)), "weight": matrix, "bias": Type(dtype, (OUTER,))}
    return fragment({**inputs, "dz": rows}, build, {})


def take(dtype: str, rank: int) -> Fragment:
    """Return the fragment that selects rows of a table by number."""
    shape: tuple[Size, ...] = (Dim("N"), INNER)[:rank]
    inputs = {"table": Type(dtype, shape), "rows": Type("int32", (ROWS,))}
    return fragment(inputs, lambda v: {"taken": ops.take(v["table"], v["rows"])}, {})


def activation(module: Module, dtype: str) -> Fragment:
    """Return a = f(z), and the gradients of z and the parameters (one per neuron) from ∂L/∂a."""
    names = list(layout_of(module).parameters)

    def build(v: Values) -> Values:
        parameters = {name: v[name] for name in names}
        a = module.build(v["z"], Scope(parameters, BuildContext(training=True)))
        slopes = gradients(a, [v[name] for name in ("z", *names)], v["da"])
        return {"a": a, **_named(["z", *names], slopes)}

    rows, each = Type(dtype, (ROWS, OUTER)), Type(dtype, (OUTER,))
    return fragment({"z": rows, **dict.fromkeys(names, each), "da": rows}, build, {})


def loss(loss: Loss, outputs: int, dtype: str) -> Fragment:
    """Return L, the loss of each row, and ∂L/∂ŷ. The number of outputs is symbolic, except for one
    output."""

    def build(v: Values) -> Values:
        total = loss.mean(v["prediction"], v["y"])
        (slope,) = gradients(total, [v["prediction"]])
        return {"loss": total, "rows": loss.rows(v["prediction"], v["y"]), "dprediction": slope}

    prediction = Type(dtype, (ROWS, outputs))
    labels = loss.label_type(ROWS, outputs, dtype)
    sizes: dict[Size, Size] = {} if outputs == 1 else {outputs: OUTER}
    return fragment({"prediction": prediction, "y": labels}, build, sizes)


def update(optimizer: Optimizer, rank: int, dtype: str) -> Fragment:
    """Return the new parameter and the new state of the optimiser, from the gradient."""
    slots = list(optimizer.all_slots())

    def build(v: Values) -> Values:
        now = StepContext(v["lr"], v["step"])
        memory = {"w": {slot: v[slot] for slot in slots}}
        new, kept = optimizer.updates({"w": v["w"]}, {"w": v["g"]}, memory, now)
        return {"w": new["w"], **kept["w"]}

    shape: tuple[Size, ...] = (INNER, OUTER) if rank == 2 else (OUTER,)
    inputs = dict.fromkeys(("w", "g", *slots), Type(dtype, shape))
    return fragment({**inputs, "lr": Type(dtype, ()), "step": Type("int64", ())}, build, {})


def random_words(bits: int) -> Fragment:
    """Return the top `bits` bits of the four Philox words of each counter (see `ops.philox`)."""
    whole, one = Type("int64", (ROWS,)), Type("int64", ())
    scalars = ("step", "stream", "key0", "key1")

    def build(v: Values) -> Values:
        zero = 0 * v["counter"]
        given = v["counter"], zero, *(zero + v[name] for name in scalars)
        return {f"word{w}": philox_op(*given, word=w, bits=bits) for w in range(4)}

    return fragment({"counter": whole, **dict.fromkeys(scalars, one)}, build, {})


def uniform() -> Fragment:
    """Return numbers from [0, 1) with 53 random bits, from 27 and 26 bits."""

    def build(v: Values) -> Values:
        high, low = (ops.cast(v[name], "float64") for name in ("high", "low"))
        return {"drawn": (high * 2.0**26 + low) * 2.0**-53}

    return fragment(dict.fromkeys(("high", "low"), Type("int64", (ROWS,))), build, {})


def first_weights(name: str, dtype: str) -> Fragment:
    """Return initial weights, uniform between −bound and bound (see `nn.initializers`)."""
    fans: dict[str, Callable[[Values], Any]] = {
        "glorot_uniform": lambda v: 6.0 / (v["fan_in"] + v["fan_out"]),
        "he_uniform": lambda v: 6.0 / v["fan_in"],
        "lecun_uniform": lambda v: 3.0 / v["fan_in"],
    }

    def build(v: Values) -> Values:
        values = (2.0 * v["drawn"] - 1.0) * ops.sqrt(fans[name](v))
        return {"values": ops.cast(values, dtype)}

    number = Type("float64", ())
    inputs = {"drawn": Type("float64", (ROWS,)), "fan_in": number, "fan_out": number}
    return fragment(inputs, build, {})


def _named(names: list[str], slopes: list[Value]) -> Values:
    return {f"d{name}": slope for name, slope in zip(names, slopes, strict=True)}


def fragments(dtype: str) -> dict[str, Fragment]:
    """Return all fragments of a page, by name."""
    found = {"linear": linear(dtype), "take": take(dtype, 2), "take.classes": take("int32", 1)}
    found |= {f"activation.{n}": activation(module, dtype) for n, module in ACTIVATIONS.items()}
    found |= {f"random.{bits}": random_words(bits) for bits in (26, 27, 32)}
    found["random.uniform"] = uniform()
    found |= {f"first.{name}": first_weights(name, dtype) for name in INITIALIZERS}
    for name, item in LOSSES.items():
        first = 2 if name == "CrossEntropy" else 1
        for outputs in range(first, CLASSES + 1):
            found[f"loss.{name}.{outputs}"] = loss(item, outputs, dtype)
    for name, rule in OPTIMIZERS.items():
        found |= {f"update.{name}.{rank}": update(rule, rank, dtype) for rank in (1, 2)}
    return found


def forward_fragments(dtype: str) -> dict[str, Fragment]:
    """Return the fragments that compute a loss, without gradients and updates."""
    wanted = {"linear": "z", "activation": "a", "loss": "loss"}
    return {
        name: fragment.only(wanted[name.partition(".")[0]])
        for name, fragment in fragments(dtype).items()
        if name.partition(".")[0] in wanted
    }


@dataclass(frozen=True)
class Built:
    """The compiled content of a page: fragments and the scratch memory of kernels as JSON values,
    and the WebAssembly module in both modes."""

    fragments: dict[str, Any]
    scratch: list[Any]
    modules: dict[Mode, bytes]


def build(dtype: str, modes: tuple[Mode, ...] = ("relaxed", "exact")) -> Built:
    """Compile all fragments of a dtype, and for float32 also the forward pass and the loss in
    float64; this takes some seconds per mode."""
    library = Library()
    described = {name: fragment.described(library) for name, fragment in fragments(dtype).items()}
    if dtype == "float32":
        forward = forward_fragments("float64")
        described |= {
            f"f64.{name}": fragment.described(library) for name, fragment in forward.items()
        }
    made: dict[Mode, LibraryCode] = {mode: library.compile(mode) for mode in modes}
    scratch = next(iter(made.values())).scratch
    codes: dict[Mode, bytes] = {mode: library.code for mode, library in made.items()}
    return Built(described, scratch, codes)

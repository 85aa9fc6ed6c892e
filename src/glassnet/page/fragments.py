"""The graphs of a page: layers, losses and update rules, each with its backward half.

In: the definitions of `nn` and `optim`. Out: fragments that a page joins to a training step: what
one of them gives is what the next one takes. A step that `gn.train` compiles whole consists of the
same operations, so it has the same bits.
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
CLASSES = 10  # outputs that a network of the page has at most

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
    """A graph whose numbers are inputs, the values of those, and the names of its outputs."""

    graph: Graph
    numbers: Mapping[str, Any]
    outputs: tuple[str, ...]

    def only(self, output: str) -> Fragment:
        """The part that one output needs."""
        place = self.graph.outputs[self.outputs.index(output)]
        graph = drop_dead_nodes(replace(self.graph, outputs=(place,)))
        names = graph.inputs
        numbers = {name: number for name, number in self.numbers.items() if name in names}
        return Fragment(graph, numbers, (output,))

    def described(self, library: Library) -> dict[str, Any]:
        """As JSON, with the calls that compute it."""
        return {
            "text": show(self.graph),
            "numbers": {name: value(number) for name, number in self.numbers.items()},
            "outputs": dict(zip(self.outputs, self.graph.outputs, strict=True)),
            "calls": describe_calls(library.calls(self.graph)),
        }


def fragment(
    inputs: Mapping[str, Type], build: Callable[[Values], Values], sizes: Mapping[Size, Size]
) -> Fragment:
    """Trace what `build` makes of the inputs; `sizes` are numbers to be left open."""
    builder = GraphBuilder()
    given: Values = {name: builder.input(name, type) for name, type in inputs.items()}
    made = build(given)
    opened, numbers = open_numbers(simplify(builder.finish(list(made.values()))))
    return Fragment(check(resize(opened, sizes)), numbers, tuple(made))


def linear(dtype: str) -> Fragment:
    """z = h·W + b, and from ∂L/∂z those of W, b and h."""

    def build(v: Values) -> Values:
        z = v["h"] @ v["weight"] + v["bias"]
        names = ["weight", "bias", "h"]
        slopes = gradients(z, [v[name] for name in names], v["dz"])
        return {"z": z, **_named(names, slopes)}

    matrix, rows = Type(dtype, (INNER, OUTER)), Type(dtype, (ROWS, OUTER))
    inputs = {"h": Type(dtype, (ROWS, INNER)), "weight": matrix, "bias": Type(dtype, (OUTER,))}
    return fragment({**inputs, "dz": rows}, build, {})


def take(dtype: str, rank: int) -> Fragment:
    """Rows of a table by number."""
    shape: tuple[Size, ...] = (Dim("N"), INNER)[:rank]
    inputs = {"table": Type(dtype, shape), "rows": Type("int32", (ROWS,))}
    return fragment(inputs, lambda v: {"taken": ops.take(v["table"], v["rows"])}, {})


def activation(module: Module, dtype: str) -> Fragment:
    """a = f(z), and from ∂L/∂a those of z and of the parameters, one of each for every neuron."""
    names = list(layout_of(module).parameters)

    def build(v: Values) -> Values:
        parameters = {name: v[name] for name in names}
        a = module.build(v["z"], Scope(parameters, BuildContext(training=True)))
        slopes = gradients(a, [v[name] for name in ("z", *names)], v["da"])
        return {"a": a, **_named(["z", *names], slopes)}

    rows, each = Type(dtype, (ROWS, OUTER)), Type(dtype, (OUTER,))
    return fragment({"z": rows, **dict.fromkeys(names, each), "da": rows}, build, {})


def loss(loss: Loss, outputs: int, dtype: str) -> Fragment:
    """L, the loss of every row, and ∂L/∂ŷ. The number of outputs stays open where it decides
    nothing but sizes."""

    def build(v: Values) -> Values:
        total = loss.mean(v["prediction"], v["y"])
        (slope,) = gradients(total, [v["prediction"]])
        return {"loss": total, "rows": loss.rows(v["prediction"], v["y"]), "dprediction": slope}

    prediction = Type(dtype, (ROWS, outputs))
    labels = loss.label_type(ROWS, outputs, dtype)
    sizes: dict[Size, Size] = {} if outputs == 1 else {outputs: OUTER}
    return fragment({"prediction": prediction, "y": labels}, build, sizes)


def update(optimizer: Optimizer, rank: int, dtype: str) -> Fragment:
    """The new parameter and the new memory of the optimiser, from the gradient."""
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
    """The top bits of the four words of Philox for every counter; see `ops.philox`."""
    whole, one = Type("int64", (ROWS,)), Type("int64", ())
    scalars = ("step", "stream", "key0", "key1")

    def build(v: Values) -> Values:
        zero = 0 * v["counter"]
        given = v["counter"], zero, *(zero + v[name] for name in scalars)
        return {f"word{w}": philox_op(*given, word=w, bits=bits) for w in range(4)}

    return fragment({"counter": whole, **dict.fromkeys(scalars, one)}, build, {})


def uniform() -> Fragment:
    """Numbers from [0, 1) with 53 bits, of which 27 and 26 are given."""

    def build(v: Values) -> Values:
        high, low = (ops.cast(v[name], "float64") for name in ("high", "low"))
        return {"drawn": (high * 2.0**26 + low) * 2.0**-53}

    return fragment(dict.fromkeys(("high", "low"), Type("int64", (ROWS,))), build, {})


def first_weights(name: str, dtype: str) -> Fragment:
    """Weights drawn between −bound and bound; see `nn.initializers`."""
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
    """All that a page may join, by name."""
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
    """What it takes to compute a loss, without gradients and updates."""
    wanted = {"linear": "z", "activation": "a", "loss": "loss"}
    return {
        name: fragment.only(wanted[name.partition(".")[0]])
        for name, fragment in fragments(dtype).items()
        if name.partition(".")[0] in wanted
    }


@dataclass(frozen=True)
class Built:
    """What a page contains: fragments and the scratch memory of kernels, ready for JSON, and the
    module in both modes."""

    fragments: dict[str, Any]
    scratch: list[Any]
    modules: dict[Mode, bytes]


def build(dtype: str, modes: tuple[Mode, ...] = ("relaxed", "exact")) -> Built:
    """Compile all fragments of a dtype, and beside float32 what predicts and judges in float64;
    some seconds for each mode."""
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

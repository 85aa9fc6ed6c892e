"""One table: PyTorch's operators by the names of its `op_db`, and the same with our ops.

In: nothing. Out: `TABLE`, from a name to a `Peer`: the function of ours, and how far a result may
lie from PyTorch's, relatively; 0 where the bits are the same. `NOT_THERE` says of which of our ops
`op_db` has no samples, and what tests them instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glassnet import losses, nn, ops
from tests.oracles import adapters as a
from tests.oracles import networks as n
from tests.oracles import shapes as s


@dataclass(frozen=True)
class Peer:
    """Our function; the relative distance allowed; and, for sums, whose terms may cancel, whether
    it is relative to the largest element instead of each."""

    f: Callable[..., Any]
    rtol: float = 0.0
    sums: bool = False
    gradient: bool = True


ULP = 2.0**-52


def exact(f: Callable[..., Any]) -> Peer:
    return Peer(f)


def flat(f: Callable[..., Any]) -> Peer:
    """The result is truth values or whole numbers, which have no gradient."""
    return Peer(f, gradient=False)


def rounded(f: Callable[..., Any], ulps: float = 4) -> Peer:
    """A few roundings, or a function with errors of its own on either side."""
    return Peer(f, ulps * ULP)


def summed(f: Callable[..., Any], ulps: float = 64) -> Peer:
    """Sums and products of matrices, which add in an order of their own."""
    return Peer(f, ulps * ULP, sums=True)


ELEMENTWISE = {
    "add": summed(a.add, 4), "sub": summed(a.sub, 4),
    "rsub": summed(lambda x, y, alpha=1: a.sub(y, x, alpha), 4),
    "__radd__": exact(lambda x, y: y + x), "__rsub__": exact(lambda x, y: y - x),
    "mul": exact(ops.mul), "__rmul__": exact(lambda x, y: y * x),
    "div": exact(a.div), "true_divide": exact(a.div), "__rdiv__": rounded(lambda x, y: y / x),
    "reciprocal": exact(lambda x: 1.0 / x), "neg": exact(ops.neg), "abs": exact(ops.abs),
    "sign": exact(ops.sign), "sgn": exact(ops.sign), "floor": exact(ops.floor),
    "round": exact(a.round_to), "square": exact(ops.square), "sqrt": rounded(ops.sqrt, 1),
    "rsqrt": rounded(lambda x: 1.0 / ops.sqrt(x)), "addcmul": summed(a.addcmul, 4),
    "addcdiv": summed(a.addcdiv, 4), "maximum": exact(ops.maximum), "minimum": exact(ops.minimum),
    "clamp": exact(a.clamp), "clamp_min": exact(ops.maximum), "clamp_max": exact(ops.minimum),
    "exp": rounded(ops.exp), "expm1": rounded(ops.expm1), "log": rounded(ops.log),
    "log1p": rounded(ops.log1p), "sin": rounded(ops.sin), "cos": rounded(ops.cos),
    "tanh": rounded(ops.tanh), "sigmoid": rounded(ops.sigmoid), "erf": rounded(ops.erf),
    "pow": rounded(ops.pow), "__rpow__": rounded(lambda x, y: ops.pow(y, x)),
    "float_power": rounded(ops.pow), "exp2": rounded(lambda x: ops.pow(2.0, x)),
    "sinh": summed(lambda x: 0.5 * (ops.exp(x) - ops.exp(-x))),
    "cosh": rounded(lambda x: 0.5 * (ops.exp(x) + ops.exp(-x))),
    "tan": rounded(lambda x: ops.sin(x) / ops.cos(x), 8),
    "where": exact(lambda x, cond, y: ops.where(cond, x, y)),
    "masked_fill": exact(a.masked_fill), "float": exact(a.cast_to("float32")),
    "double": exact(a.cast_to("float64")), "int": flat(a.cast_to("int32")),
    "long": flat(a.cast_to("int64")), "bool": flat(a.cast_to("bool")),
    "eq": flat(ops.equal), "ne": flat(ops.not_equal), "lt": flat(ops.less),
    "le": flat(ops.less_equal), "gt": flat(ops.greater), "ge": flat(ops.greater_equal),
    "logical_and": flat(a.truth(ops.logical_and)), "logical_or": flat(a.truth(ops.logical_or)),
    "logical_not": flat(a.truth(ops.logical_not)),
    "logical_xor": flat(a.truth(a.either)),
    "isnan": flat(lambda x: ops.not_equal(x, x)),
    "zeros_like": flat(a.filled(0.0)), "ones_like": flat(a.filled(1.0)),
    "full_like": flat(a.filled()),
}  # fmt: skip

REDUCTIONS = {
    "sum": summed(a.reduction(ops.sum)), "mean": summed(a.reduction(ops.mean)),
    "amax": exact(a.reduction(ops.max)), "amin": exact(a.reduction(ops.min)),
    "max": exact(a.extreme(ops.max, ops.maximum)), "min": exact(a.extreme(ops.min, ops.minimum)),
    "argmax": flat(a.place(ops.argmax)), "argmin": flat(a.place(ops.argmin)),
    "var": summed(a.variance), "std": summed(a.deviation), "logsumexp": summed(a.log_of_sum),
    "softmax": rounded(a.along(ops.softmax, lambda x: ops.exp(x - x)), 64),
    "log_softmax": summed(a.along(ops.log_softmax, lambda x: x - x)),
    "nn.functional.softmin": rounded(
        a.along(lambda x, dim: ops.softmax(-x, dim), lambda x: ops.exp(x - x)), 64
    ),
    "trace": summed(s.trace),
}  # fmt: skip

PRODUCTS = {
    "matmul": summed(ops.matmul), "__rmatmul__": summed(lambda x, y: ops.matmul(y, x)),
    "mm": summed(ops.matmul), "bmm": summed(ops.matmul), "mv": summed(ops.matmul),
    "dot": summed(ops.matmul), "vdot": summed(ops.matmul), "addmm": summed(a.add_product),
    "addmv": summed(a.add_product), "baddbmm": summed(a.add_product),
    "addbmm": summed(lambda x, p, q, alpha=1, beta=1: x * beta + ops.sum(p @ q, 0) * alpha),
    "nn.functional.linear": summed(a.linear), "linalg.multi_dot": summed(a.multi_dot),
    "inner": summed(lambda x, y: x @ y.T if x.shape and y.shape else x * y),
    "outer": exact(lambda x, y: ops.expand(x, 1) * y),
    "linalg.vecdot": summed(lambda x, y, dim=-1: ops.sum(x * y, dim)),
}  # fmt: skip

SHAPES = {
    "reshape": exact(ops.reshape), "view": exact(ops.reshape), "view_copy": exact(ops.reshape),
    "reshape_as": exact(s.like(ops.reshape)), "view_as": exact(s.like(ops.reshape)),
    "flatten": exact(s.flattened), "ravel": exact(lambda x: ops.reshape(x, -1)),
    "permute": exact(ops.transpose), "transpose": exact(s.transposed),
    "t": exact(ops.transpose), "T": exact(ops.transpose),
    "mT": exact(lambda x: s.transposed(x, -2, -1)), "movedim": exact(s.moved),
    "expand": exact(s.expanded), "broadcast_to": exact(s.expanded),
    "expand_as": exact(s.like(ops.broadcast)), "sum_to_size": summed(s.summed_to),
    "squeeze": exact(s.squeezed), "unsqueeze": exact(s.unsqueezed),
    "slice": exact(s.sliced), "narrow": exact(s.narrow),
    "select": exact(lambda x, dim, i: s.cut(x, dim, i)), "__getitem__": exact(s.item),
    "split": exact(s.pieces), "split_with_sizes": exact(s.pieces),
    "unbind": exact(lambda x, dim=0: [s.cut(x, dim, i) for i in range(x.shape[dim])]),
    "flip": exact(lambda x, dims: ops.flip(x, dims)), "fliplr": exact(lambda x: ops.flip(x, 1)),
    "flipud": exact(lambda x: ops.flip(x, 0)), "roll": exact(s.rolled),
    "cat": exact(s.joined), "stack": exact(ops.stack),
    "constant_pad_nd": exact(s.padded), "nn.functional.pad": exact(s.padded),
    "index_select": exact(s.select_rows), "index_add": rounded(s.add_rows),
    "nn.functional.embedding": exact(s.embedding), "nn.functional.one_hot": flat(s.one_hot),
}  # fmt: skip

NETWORKS = {
    "nn.functional.relu": exact(ops.relu),
    "nn.functional.relu6": exact(lambda x: ops.minimum(ops.relu(x), 6.0)),
    "nn.functional.leaky_relu": exact(n.layer(nn.LeakyReLU)),
    "nn.functional.prelu": exact(n.prelu), "nn.functional.elu": rounded(n.layer(nn.ELU)),
    "nn.functional.selu": rounded(n.layer(nn.SELU)), "nn.functional.gelu": summed(n.gelu, 8),
    "nn.functional.silu": rounded(n.layer(nn.SiLU)),
    "nn.functional.mish": rounded(n.layer(nn.Mish), 8),
    "nn.functional.softplus": summed(n.softplus, 8),
    "nn.functional.logsigmoid": rounded(lambda x: -n.layer(nn.Softplus)(-x)),
    "nn.functional.softsign": rounded(lambda x: x / (1.0 + ops.abs(x))),
    "nn.functional.layer_norm": summed(n.layer_norm),
    "nn.functional.rms_norm": summed(n.rms_norm),
    "nn.functional.mse_loss": summed(n.loss(losses.MSE)),
    "nn.functional.l1_loss": summed(n.loss(losses.MAE)),
    "nn.functional.huber_loss": summed(n.huber),
    "nn.functional.cross_entropy": summed(n.cross_entropy),
    "nn.functional.binary_cross_entropy_with_logits": summed(n.loss(losses.BCEWithLogits)),
    "nn.functional.poisson_nll_loss": summed(n.poisson),
    "nn.functional.gaussian_nll_loss": summed(n.gaussian),
    "nn.functional.multi_margin_loss": summed(n.hinge),
}  # fmt: skip

TABLE: dict[str, Peer] = {**ELEMENTWISE, **REDUCTIONS, **PRODUCTS, **SHAPES, **NETWORKS}

NOT_THERE = {
    "input": "an argument; every sample has one",
    "constant": "a number; samples with numbers have it",
    "literal": "an array; tests/graph",
    "extent": "a size known at run time; PyTorch has no such number; tests/engine/test_shapes.py",
    "philox": "Random123's known answers; tests/ops/test_philox.py",
}

"""The op record: everything the package knows about one operation, in one place.

In: the fields of a record. Out: an `Op`, entered in `OPS` under its name, callable on values
(adds a node) and on arrays (computes with NumPy). The kinds are closed, the ops are open: the
back half looks at `kind` and `code`, never at `name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Protocol

from glassnet.errors import GraphError
from glassnet.graph.layout import Layout
from glassnet.graph.scalar import ScalarBuilder
from glassnet.graph.slices import slice_bounds
from glassnet.graph.types import Shape, Type

KINDS = ("source", "elementwise", "reduce", "contract", "view", "index")


TypeRule = Callable[..., Type]


@dataclass(frozen=True)
class Reduction:
    """What the back half needs of a `reduce` op: the start value of a dtype, and how an element
    joins an accumulator (`combine(b, acc, x)`; also used between partial results)."""

    init: Callable[[str], float | int | bool]
    combine: Callable[[ScalarBuilder, Any, Any], Any]


@dataclass(frozen=True)
class View:
    """What the back half needs of a `view` op, one of two.

    `read(layout, out_shape, **attrs)` gives the layout of the result in the argument's buffer, or
    None where the elements must be copied. `write(layout, in_shapes, **attrs)` gives, for the
    layout of the result, the part that each argument is copied to (the rest is 0).
    """

    read: Callable[..., Layout | None] | None = None
    write: Callable[..., list[Layout]] | None = None


@dataclass(frozen=True, eq=False)
class Op:
    """One operation.

    `infer(*types, **attrs)` gives the type of the result (ShapeError otherwise), `numpy(*arrays,
    **attrs)` its meaning on arrays, `vjp(g, ans, *xs, **attrs)` the gradients of the inputs as
    graph values (None where there is none), `domain` the interval tests draw arguments from,
    `examples` pairs of argument shapes and attributes that tests try.

    `code` is what the back half needs; its form depends on the kind:
    - elementwise: `code(b, *xs, **attrs)`, one number from numbers (all arguments of one shape:
      broadcasts are made explicit when the node is added);
    - reduce: a `Reduction`; the node has attrs `axes` and, for sums, `rows` (leaves of 64 and a
      tree, as for a sum over the rows of a batch, instead of 64 lanes);
    - contract: None; a[m,k] b[k,n], with the attr `rows` as above;
    - view: a `View`;
    - index: "gather" (out[i,…] = x[index[i],…]) or "scatter" (out[index[i],…] += x[i,…], in
      ascending i, arguments index and x, attr `size`);
    - source: `code(b, coordinates, dtype, **attrs)`, the element at the coordinates (a list of
      int64 numbers), or None where the value is a buffer.
    """

    name: str
    kind: str
    formula: str
    arity: int
    _: KW_ONLY
    infer: TypeRule
    numpy: Callable[..., Any]
    vjp: Callable[..., Iterable[Any]] | None = None
    code: Any = None
    domain: tuple[float, float] = (-3.0, 3.0)
    symbol: str = ""
    smooth: bool = True
    examples: tuple[tuple[tuple[Shape, ...], Mapping[str, Any]], ...] = ()

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        """A node where an argument is a value, else the number from NumPy."""
        for arg in args:
            if isinstance(arg, Value):
                return arg.builder.apply(self, args, attrs)
        return self.numpy(*args, **attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}
SYMBOLS: dict[str, Op] = {}  # those that are written with a symbol of Python


def define(op: Op) -> Op:
    """Enter an op in the registry; a name is given once."""
    if op.name in OPS:
        raise ValueError(f"op {op.name} is defined twice")
    if op.kind not in KINDS:
        raise ValueError(f"op {op.name} has kind {op.kind}; kinds are {', '.join(KINDS)}")
    OPS[op.name] = op
    if op.symbol:
        SYMBOLS[op.symbol] = op
    return op


def operator(symbol: str) -> Op:
    """The op written with a symbol of Python."""
    if symbol not in SYMBOLS:
        raise GraphError(f"no op is written {symbol!r}; import glassnet.ops first")
    return SYMBOLS[symbol]


class NodeBuilder(Protocol):
    def apply(self, op: Op, args: Sequence[Any], attrs: Mapping[str, Any]) -> Value: ...


class Value:
    """One node of a graph under construction; arithmetic on it adds nodes."""

    __slots__ = ("builder", "index", "type")
    __array_ufunc__ = None  # so that array + value asks the value

    def __init__(self, builder: NodeBuilder, index: int, type: Type) -> None:
        self.builder, self.index, self.type = builder, index, type

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def T(self) -> Value:
        return operator("T")(self, axes=tuple(reversed(range(self.ndim))))

    def __repr__(self) -> str:
        return f"<%{self.index} : {self.type}>"

    def __bool__(self) -> bool:
        raise GraphError(
            f"the truth of {self!r} is not known while tracing; use ops.where(cond, a, b) "
            "instead of if, and, or"
        )

    def __len__(self) -> int:
        raise GraphError(f"{self!r} cannot be iterated or measured; use its shape and slices")

    def __getitem__(self, key: Any) -> Value:
        bounds, dropped = slice_bounds(key, self.shape)
        part = operator("[]")(self, **bounds)
        kept = tuple(size for axis, size in enumerate(part.shape) if axis not in dropped)
        return operator("reshape")(part, shape=kept) if dropped else part

    def __add__(self, other: Any) -> Value:
        return operator("+")(self, other)

    def __radd__(self, other: Any) -> Value:
        return operator("+")(other, self)

    def __sub__(self, other: Any) -> Value:
        return operator("-")(self, other)

    def __rsub__(self, other: Any) -> Value:
        return operator("-")(other, self)

    def __mul__(self, other: Any) -> Value:
        return operator("*")(self, other)

    def __rmul__(self, other: Any) -> Value:
        return operator("*")(other, self)

    def __truediv__(self, other: Any) -> Value:
        return operator("/")(self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return operator("/")(other, self)

    def __matmul__(self, other: Any) -> Value:
        return operator("@")(self, other)

    def __rmatmul__(self, other: Any) -> Value:
        return operator("@")(other, self)

    def __pow__(self, other: Any) -> Value:
        return operator("**")(self, other)

    def __neg__(self) -> Value:
        return operator("neg")(self)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise GraphError("== compares no graph values; use ops.equal(a, b) or ops.not_equal(a, b)")

    def __lt__(self, other: Any) -> Value:
        return operator("<")(self, other)

    def __le__(self, other: Any) -> Value:
        return operator("<=")(self, other)

    def __gt__(self, other: Any) -> Value:
        return operator(">")(self, other)

    def __ge__(self, other: Any) -> Value:
        return operator(">=")(self, other)

"""Defines `Op`: everything the package knows about one operation, in one record.

In: the fields of a record. Out: an `Op`, registered in `OPS` under its name, callable on values
(adds a node) and on arrays (computes with NumPy). There is a fixed set of kinds, but any number of
ops: the compiler looks at `kind` and `code`, never at `name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from glassnet.errors import GraphError
from glassnet.graph.layout import Layout
from glassnet.graph.scalar import ScalarBuilder
from glassnet.graph.slices import expand_key, is_list_of_rows, slice_bounds
from glassnet.graph.types import Shape, Type

KINDS = ("source", "elementwise", "reduce", "contract", "view", "index")


TypeRule = Callable[..., Type]


@dataclass(frozen=True)
class Reduction:
    """The code of a `reduce` op: `init(dtype)` is the start value, `combine(b, acc, x)` adds an
    element, or a partial result, to an accumulator."""

    init: Callable[[str], float | int | bool]
    combine: Callable[[ScalarBuilder, Any, Any], Any]


@dataclass(frozen=True)
class View:
    """The code of a `view` op, which has either `read` or `write`.

    `read(layout, out_shape, **attrs)` returns the layout of the result in the argument's buffer, or
    None where the elements must be copied. `write(layout, in_shapes, **attrs)` returns, for the
    layout of the result, the part to which each argument is copied (the rest is 0).
    """

    read: Callable[..., Layout | None] | None = None
    write: Callable[..., list[Layout]] | None = None


@dataclass(frozen=True, eq=False)
class Op:
    """One operation.

    `infer(*types, **attrs)` returns the type of the result or raises ShapeError; `numpy(*arrays,
    **attrs)` computes the result with NumPy; `vjp(g, ans, *xs, **attrs)`, the vector-Jacobian
    product, returns the gradients of the inputs as graph values (None for an input without one).
    Tests draw arguments from the interval `domain` and try the `examples`, pairs of argument shapes
    and attributes.

    `code` is for the compiler; its form depends on the kind:
    - elementwise: `code(b, *xs, **attrs)`, one number from numbers (all arguments have one shape:
      broadcasts become explicit nodes when the node is added);
    - reduce: a `Reduction`; the node has attrs `axes` and, for sums, `rows` (if true, the sum adds
      blocks of 64 pairwise, as over the rows of a batch; otherwise it uses 64 lanes);
    - contract: None; a[m,k] b[k,n], with the attr `rows` as above;
    - view: a `View`;
    - index: "gather" (out[i,…] = x[index[i],…]) or "scatter" (out[index[i],…] += x[i,…], in
      ascending i, arguments index and x, attr `size`);
    - source: `code(b, coordinates, dtype, **attrs)`, the element at the coordinates (a list of
      int64 numbers), or None where the value is stored in a buffer.
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
        """Add a node if an argument is a graph value, else compute with NumPy."""
        for arg in args:
            if isinstance(arg, Value):
                return arg.builder.apply(self, args, attrs)
        return self.numpy(*args, **attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}
SYMBOLS: dict[str, Op] = {}  # the ops that Python writes as an operator, such as "+"
NUMPY: dict[str, Callable[..., Any]] = {}  # handlers of NumPy's names, see `ops/numpy_names.py`


def define(op: Op) -> Op:
    """Register an op under its name; raise ValueError where the name is taken."""
    if op.name in OPS:
        raise ValueError(f"op {op.name} is defined twice")
    if op.kind not in KINDS:
        raise ValueError(f"op {op.name} has kind {op.kind}; kinds are {', '.join(KINDS)}")
    OPS[op.name] = op
    if op.symbol:
        SYMBOLS[op.symbol] = op
    return op


def operator(symbol: str) -> Op:
    """Return the op that Python writes as the operator `symbol`."""
    if symbol not in SYMBOLS:
        raise GraphError(f"no op is written {symbol!r}; import glassnet.ops first")
    return SYMBOLS[symbol]


class NodeBuilder(Protocol):
    def apply(self, op: Op, args: Sequence[Any], attrs: Mapping[str, Any]) -> Value: ...


class Value:
    """One node of a graph under construction; arithmetic on it adds nodes."""

    __slots__ = ("builder", "index", "type")

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

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **how: Any) -> Any:
        return NUMPY["ufunc"](ufunc, method, inputs, how)

    def __array_function__(self, f: Any, types: Any, args: Any, how: Any) -> Any:
        return NUMPY["function"](f, args, how)

    def __array__(self, *args: Any, **how: Any) -> Any:
        raise GraphError(f"{self!r} has no numbers while tracing; use functions of gn.ops instead")

    def __float__(self) -> float:
        return self.__array__()

    __int__ = __complex__ = __float__

    if TYPE_CHECKING:

        def sum(self, axis: Any = None, keepdims: bool = False) -> Value: ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> Value: ...
        def max(self, axis: Any = None, keepdims: bool = False) -> Value: ...
        def min(self, axis: Any = None, keepdims: bool = False) -> Value: ...
        def reshape(self, *shape: Any) -> Value: ...
        def astype(self, dtype: Any) -> Value: ...
    else:

        def __getattr__(self, name: str) -> Any:
            return NUMPY["method"](self, name)

    def __bool__(self) -> bool:
        raise GraphError(
            f"the truth of {self!r} is not known while tracing; use ops.where(cond, a, b) "
            "instead of if, and, or"
        )

    def __len__(self) -> int:
        if self.shape and isinstance(self.shape[0], int):
            return self.shape[0]
        raise GraphError(f"{self!r} cannot be iterated or measured; use its shape and slices")

    def __iter__(self) -> Iterator[Value]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Value:
        if is_list_of_rows(key):
            return NUMPY["take"](self, key)
        keys = expand_key(key, len(self.shape))
        bounds, dropped = slice_bounds(tuple(k for k in keys if k is not None), self.shape)
        part = operator("[]")(self, **bounds)
        sizes = iter([None if axis in dropped else size for axis, size in enumerate(part.shape)])
        shape = tuple(1 if k is None else next(sizes) for k in keys)
        final_shape = tuple(size for size in (*shape, *sizes) if size is not None)
        return operator("reshape")(part, shape=final_shape) if final_shape != part.shape else part

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

    def __rpow__(self, other: Any) -> Value:
        return operator("**")(other, self)

    def __mod__(self, other: Any) -> Value:
        raise GraphError(
            "there is no op for %, // and divmod\n"
            "  right: ops.floor(x / y)   the quotient x // y\n"
            "  right: x - ops.floor(x / y) * y   the remainder x % y"
        )

    __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = __mod__

    def __abs__(self) -> Value:
        return OPS["abs"](self)

    def __pos__(self) -> Value:
        return self

    def __round__(self) -> Value:
        return OPS["round"](self)

    def __and__(self, other: Any) -> Value:
        return OPS["logical_and"](self, other)

    def __or__(self, other: Any) -> Value:
        return OPS["logical_or"](self, other)

    def __invert__(self) -> Value:
        return OPS["logical_not"](self)

    def __neg__(self) -> Value:
        return operator("neg")(self)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise GraphError("== cannot compare graph values; use ops.equal(a, b) or ops.not_equal")

    def __lt__(self, other: Any) -> Value:
        return operator("<")(self, other)

    def __le__(self, other: Any) -> Value:
        return operator("<=")(self, other)

    def __gt__(self, other: Any) -> Value:
        return operator(">")(self, other)

    def __ge__(self, other: Any) -> Value:
        return operator(">=")(self, other)

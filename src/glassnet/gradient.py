"""Reverse-mode differentiation: gradients are nodes added to the same graph.

In: a scalar value and the values to differentiate with respect to. Out: their gradients, as values
of the same graph, so that they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence

from glassnet.errors import GraphError, ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import FLOATS


def gradients(
    y: Value,
    xs: Sequence[Value],
    adjoint: Value | None = None,
    sources: list[int] | None = None,
) -> list[Value]:
    """Return dy/dx for every x, by one backward pass over the vector-Jacobian products of the ops.

    With `adjoint`, dL/dy in the shape of y, the result is dL/dx. The list `sources` is filled with
    one entry per node of the graph: the index of the node whose gradient it computes, or −1.
    Raises ShapeError where y is not a scalar and has no adjoint, GraphError where an op between x
    and y has no gradient.
    """
    builder = y.builder
    assert isinstance(builder, GraphBuilder)
    shape = () if adjoint is None else adjoint.shape
    if y.shape != shape or y.dtype not in FLOATS:
        raise ShapeError(f"cannot take the gradient of {y.type}; wanted a scalar f32[] or f64[]")
    needed = _depends_on(builder, [x.index for x in xs], y.index)
    first = builder.constant(1.0, y.dtype) if adjoint is None else adjoint
    adjoints: dict[int, Value] = {y.index: first}
    owners = [] if sources is None else sources
    owners += [-1] * (len(builder.nodes) - len(owners))
    for place in range(y.index, -1, -1):
        if place in adjoints and place in needed:
            _pull_back(builder, place, adjoints, needed)
            owners += [place] * (len(builder.nodes) - len(owners))
    return [adjoints[x.index] if x.index in adjoints else _zeros(builder, x) for x in xs]


def _pull_back(
    builder: GraphBuilder, place: int, adjoints: dict[int, Value], needed: set[int]
) -> None:
    node = builder.nodes[place]
    wanted = [source in needed for source in node.inputs]
    if not any(wanted):
        return
    if node.op.vjp is None:
        raise GraphError(
            f"op {node.op.name} has no gradient; stop_gradient(x) treats x as constant"
        )
    inputs = [builder.value(source) for source in node.inputs]
    parts = node.op.vjp(adjoints[place], builder.value(place), *inputs, **node.kwargs)
    for source, keep, part in zip(node.inputs, wanted, parts, strict=True):
        if keep and part is not None:
            accumulated = adjoints.get(source)
            adjoints[source] = part if accumulated is None else accumulated + part


def _depends_on(builder: GraphBuilder, roots: Sequence[int], last: int) -> set[int]:
    """Return the indices up to `last` of the float nodes that depend on one of the roots."""
    found = set(roots)
    for place, node in enumerate(builder.nodes[: last + 1]):
        if node.type.dtype in FLOATS and any(source in found for source in node.inputs):
            found.add(place)
    return found


def _zeros(builder: GraphBuilder, x: Value) -> Value:
    return builder.broadcast(builder.constant(0.0, x.dtype), x.shape)

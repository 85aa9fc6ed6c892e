"""Every op refuses what does not fit it with a GlassnetError that names the op and what it saw."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

import glassnet.ops  # noqa: F401  (fills the registry)
from glassnet.errors import GlassnetError
from glassnet.graph.op import OPS, Op
from glassnet.graph.types import Type

TYPES = [
    Type("float32", (4, 3)),
    Type("int32", (7,)),
    Type("bool", (2,)),
    Type("float64", (5, 3, 2)),
    Type("float32", ()),
]
TAKES_ALL = {"cast"}  # of every type, so that only the dtype asked for can be wrong


def attempts(op: Op) -> Iterator[tuple[tuple[Type, ...], dict[str, Any]]]:
    """Arguments of all kinds, most of which fit nothing, with the attributes of each example."""
    count = op.arity if op.arity > 0 else 2
    if count <= 3:
        several = itertools.product(TYPES, repeat=count)
    else:
        several = iter([*((t,) * count for t in TYPES), (*TYPES[:1] * (count - 1), TYPES[1])])
    for types in several:
        for attrs in [attrs for _, attrs in op.examples] or [{}]:
            yield types, attrs


def told(op: Op) -> list[tuple[tuple[Type, ...], str]]:
    """The arguments that are refused, and what is said."""
    found: list[tuple[tuple[Type, ...], str]] = []
    for types, attrs in attempts(op):
        try:
            op.infer(*types, **attrs)
        except GlassnetError as error:
            found.append((types, str(error)))
    return found


def fits(op: Op, types: tuple[Type, ...], message: str) -> bool:
    """Whether a message names the op and one of the types, their shapes or their sizes."""
    seen = [str(type) for type in types] + [str(list(type.shape)) for type in types]
    seen += [f"of size {size}" for type in types for size in type.shape]
    return op.name in message and any(text in message for text in seen)


@pytest.mark.parametrize(
    "op", [op for op in OPS.values() if op.kind != "source"], ids=lambda op: op.name
)
def test_messages_name_the_op_and_what_it_saw(op: Op) -> None:
    messages = told(op)
    assert bool(messages) == (op.name not in TAKES_ALL)
    for types, message in messages:
        assert fits(op, types, message), (types, message)


def test_a_message_that_says_nothing_is_seen() -> None:
    op, types = OPS["add"], (TYPES[0], TYPES[1])
    assert fits(op, types, "add: f32[4,3] and i32[7]; wanted one dtype")
    assert not fits(op, types, "add: these do not fit")
    assert not fits(op, types, "f32[4,3] and i32[7] do not fit")

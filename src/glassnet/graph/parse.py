"""Parses the text form of a graph.

In: text printed by `show` (grammar in `graph.py`). Out: an equal, checked graph; a GraphError says
which line cannot be read.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np

from glassnet.errors import GraphError
from glassnet.graph.graph import Graph, Literal, Node, freeze_attrs
from glassnet.graph.legality import check
from glassnet.graph.op import OPS
from glassnet.graph.types import SHORT, Dim, parse_type

CONSTANTS = {"nan": float("nan"), "inf": float("inf")}
HEAD = re.compile(r"%(\d+) (\S+): (\w+\[[\w,]*\])")
LINE = re.compile(r"%(\d+) = (\w+)\((.*)\) : (\w+\[[\w,]*\])")


def parse(text: str) -> Graph:
    """Parse the text that `show` printed. Raises GraphError, with the line that cannot be read."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or not lines[0].startswith("graph(") or lines[-1] != "}":
        raise GraphError("a graph's text begins with graph(…) { and ends with }")
    inputs = {int(place): _parse_input(*found) for place, *found in HEAD.findall(lines[0])}
    nodes: list[Node] = []
    for line in (*lines[1:-2], None):
        while len(nodes) in inputs:
            nodes.append(inputs.pop(len(nodes)))
        if line is not None:
            nodes.append(_parse_node(len(nodes), line))
    for place, node in inputs.items():
        raise GraphError(f"input {node.attr('name')!r} is %{place}, expected %{len(nodes)} or less")
    if not lines[-2].startswith("return"):
        raise GraphError(f"expected a line 'return …', found {lines[-2]!r}")
    outputs = tuple(int(i) for i in re.findall(r"%(\d+)", lines[-2]))
    return check(Graph(tuple(nodes), outputs))


def _parse_input(name: str, type_text: str) -> Node:
    return Node(OPS["input"], (), freeze_attrs({"name": name}), parse_type(type_text))


def _parse_node(place: int, line: str) -> Node:
    match = LINE.fullmatch(line)
    if match is None or int(match[1]) != place:
        raise GraphError(f"cannot read {line!r}; expected %{place} = op(…) : type")
    if match[2] not in OPS:
        raise GraphError(f"{line!r}: there is no op {match[2]!r}")
    try:
        call = ast.parse(f"f({match[3].replace('%', '_')})", mode="eval").body
        assert isinstance(call, ast.Call)
        inputs = tuple(int(ast.unparse(arg)[1:]) for arg in call.args)
        attrs = {str(keyword.arg): _evaluate(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError) as error:
        raise GraphError(f"cannot read {line!r}: {error}") from error
    return Node(OPS[match[2]], inputs, freeze_attrs(attrs), parse_type(match[4]))


def _evaluate(tree: ast.expr) -> Any:
    """Evaluate Python literals, nan and inf, run-time sizes by name, and arrays, dtype(list)."""
    if isinstance(tree, ast.Name):
        return CONSTANTS[tree.id] if tree.id in CONSTANTS else Dim(tree.id)
    if isinstance(tree, (ast.Tuple, ast.List)):
        return tuple(_evaluate(part) for part in tree.elts)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return -_evaluate(tree.operand)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        if tree.func.id not in SHORT or len(tree.args) not in (1, 2):
            raise ValueError(f"{tree.func.id}(…) is not an array; an array is float32([1.0, 2.0])")
        array = np.array(_evaluate(tree.args[0]), dtype=tree.func.id)
        return Literal(array if len(tree.args) == 1 else array.reshape(_evaluate(tree.args[1])))
    return ast.literal_eval(tree)

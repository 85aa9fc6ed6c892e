"""Writes the op records as a Markdown page, `docs/ops.md`.

In: the registry. Out: text; a test compares it with the page (`pytest --update-golden` writes it).
"""

from __future__ import annotations

from types import FunctionType

from glassnet import ops
from glassnet.graph.op import KINDS, OPS, Op

HEAD = """# Operations

This page is generated from the op records in `src/glassnet/ops/`. On graph values the operators
`+ - * / ** @`, comparisons and slices add the corresponding ops. Functions composed of these ops:
{}.

| op | kind | computes | gradient |
|---|---|---|---|
"""


def op_table() -> str:
    """Return the page, with ops ordered by kind and name."""
    records = sorted(OPS.values(), key=lambda op: (KINDS.index(op.kind), op.name))
    composed = sorted(
        name
        for name, item in vars(ops).items()
        if isinstance(item, FunctionType) and name not in OPS and name[0] != "_"
    )
    head = HEAD.format(", ".join(f"`{name}`" for name in composed))
    return head + "".join(map(_row, records))


def _row(op: Op) -> str:
    formula = op.formula.replace("|", "\\|")
    return f"| `{op.name}` | {op.kind} | {formula} | {'yes' if op.vjp else 'none'} |\n"

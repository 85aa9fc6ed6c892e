"""Machine code of a graph with everything needed to call it, in a form that is stored on disk.

In: fused kernels, the result of lowering, object code. Out: an `Image`, as bytes and back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.fuse.kernels import KernelGraph
from glassnet.graph.graph import Literal
from glassnet.graph.layout import SizeProduct
from glassnet.graph.types import Dim
from glassnet.lower.entry_point import Lowered
from glassnet.lower.workspace import Stack, Temporary, temporaries
from glassnet.run.cost_model import Work, kernel_work

Slot = tuple[str, str | int]


@dataclass(frozen=True)
class Image:
    """Object code and its interface. `buffers` describes each address that the code expects:
    ("input", name), ("output", number), ("constant", number) or ("temporary", buffer). `work` is
    the work of every kernel. Empty `code` means that the graph cannot be compiled in this variant.
    """

    code: bytes
    dims: tuple[str, ...] = ()
    buffers: tuple[Slot, ...] = ()
    scratch: tuple[tuple[SizeProduct, ...], ...] = ()
    stacks: tuple[Stack | None, ...] = ()
    work: tuple[Work, ...] = ()
    temporaries: tuple[Temporary, ...] = ()
    constants: tuple[np.ndarray, ...] = ()

    def __bytes__(self) -> bytes:
        head = {
            "dims": self.dims,
            "buffers": self.buffers,
            "scratch": [[_saved(part) for part in parts] for parts in self.scratch],
            "stacks": [s and [s.block, *map(_saved, (s.rows, *s.level))] for s in self.stacks],
            "work": [[[*map(_saved, w.computed)], [*map(_saved, w.moved)]] for w in self.work],
            "temporaries": [[t.buffer, _saved(t.size), t.first, t.last] for t in self.temporaries],
            "constants": [[a.dtype.str, a.shape, a.tobytes().hex()] for a in self.constants],
        }
        return json.dumps(head).encode() + b"\n" + self.code


def make_image(fused: KernelGraph, lowered: Lowered, code: bytes) -> Image:
    nodes = fused.graph.nodes
    slots: dict[int, Slot] = {t.buffer: ("temporary", t.buffer) for t in temporaries(fused)}
    literals = [i for i, node in enumerate(nodes) if isinstance(node.attr("value"), Literal)]
    slots |= {place: ("constant", i) for i, place in enumerate(literals)}
    slots |= {place: ("input", name) for name, place in fused.graph.inputs.items()}
    for i, buffer in reversed(list(enumerate(fused.outputs))):
        slots[buffer] = ("output", i)
    return Image(
        code,
        fused.graph.dims,
        tuple(slots[buffer] for buffer in lowered.buffers),
        lowered.scratch,
        lowered.stacks,
        kernel_work(fused),
        temporaries(fused),
        tuple(nodes[place].attr("value").array for place in literals),
    )


def parse(data: bytes) -> Image | None:
    """Parse `bytes(image)`; return None for other data."""
    text, _, code = data.partition(b"\n")
    try:
        return _parse_head(json.loads(text), code)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None


def _parse_head(head: dict[str, Any], code: bytes) -> Image:
    return Image(
        code,
        tuple(head["dims"]),
        tuple((kind, which) for kind, which in head["buffers"]),
        tuple(map(_products, head["scratch"])),
        tuple(s and Stack(s[0], _product(s[1]), _products(s[2:])) for s in head["stacks"]),
        tuple(Work(*map(_products, pair)) for pair in head["work"]),
        tuple(Temporary(b, _product(size), *span) for b, size, *span in head["temporaries"]),
        tuple(
            np.frombuffer(bytes.fromhex(content), dtype).reshape(shape)
            for dtype, shape, content in head["constants"]
        ),
    )


def _saved(size: SizeProduct) -> list[Any]:
    return [size.factor, *(dim.name for dim in size.dims)]


def _products(saved: Sequence[Any]) -> tuple[SizeProduct, ...]:
    return tuple(_product(part) for part in saved)


def _product(saved: Sequence[Any]) -> SizeProduct:
    return SizeProduct(saved[0], tuple(Dim(name) for name in saved[1:]))

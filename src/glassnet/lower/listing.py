"""Writes loop nests as readable text.

In: calls of the builder protocol. Out: functions whose lines are loads, stores and arithmetic
inside indented loops. `f32x16` is a vector of 16 numbers, `lane` the vector of its lane numbers,
`p[i]` the element (or the vector that begins) i elements after the address p.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from glassnet.graph.types import Size
from glassnet.lower.expression import (
    ATOM,
    NAMES,
    Item,
    kind_name,
    known_number,
    mask_text,
    parenthesised,
)
from glassnet.lower.protocol import Index

LONG = 36  # characters; a longer index expression gets a name


class Listing:
    """The functions of a program; helper functions come last."""

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}
        self.helpers: set[str] = set()
        self.shared: dict[tuple[object, ...], str] = {}

    def function(self, name: str, dtypes: Sequence[str], attributes: str = "") -> Writer:
        return Writer(self, name, dtypes)

    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        if name not in self.helpers:
            self.helpers.add(name)
            function = self.function(name, dtypes)
            write(function)
            function.finish()
        return name

    def __str__(self) -> str:
        ordered = sorted(self.functions, key=lambda name: name in self.helpers)
        return "\n\n".join(self.functions[name] for name in ordered)


class Writer:
    """Writes one function."""

    def __init__(self, listing: Listing, name: str, dtypes: Sequence[str]) -> None:
        self.listing, self.name = listing, name
        self.dims: dict[str, Any] = {}
        self.lines: list[str] = []
        self.depth, self.count = 1, 0
        self.args = [Item(self, f"a{i}", dtype) for i, dtype in enumerate(dtypes)]

    def finish(self) -> None:
        head = ", ".join(f"{arg} {NAMES[arg.dtype]}" for arg in self.args)
        self.listing.functions[self.name] = "\n".join([f"{self.name}({head}):", *self.lines])

    def finish_shared(self) -> str:
        name = self.listing.shared.setdefault((len(self.args), *self.lines), self.name)
        if name == self.name:
            self.finish()
        return name

    # -- lines ---------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def value(self, text: str, dtype: str, lanes: int = 1, level: int = ATOM) -> Item:
        """Return a short index expression as it is; give every other value a name."""
        short = len(text) <= LONG and dtype in ("int64", "bool")
        return Item(self, text, dtype, lanes, level) if short else self.named(text, dtype, lanes)

    def named(self, text: str, dtype: str, lanes: int = 1) -> Item:
        name = self.fresh("p" if dtype == "ptr" else "v")
        self.line(f"{name} = {text}" + ("" if dtype == "ptr" else f" : {kind_name(dtype, lanes)}"))
        return Item(self, name, dtype, lanes)

    def call(self, name: str, *args: Any) -> None:
        self.line(f"{name}({', '.join(str(arg) for arg in args)})")

    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        return self.listing.once(name, dtypes, write)

    # -- numbers -------------------------------------------------------------------------------

    def index(self, value: Index) -> Item:
        return value if isinstance(value, Item) else Item(self, str(value), "int64")

    def const(self, value: Any, dtype: str, lanes: int = 1) -> Item:
        return Item(self, repr(value), dtype, lanes)

    def splat(self, value: Item, lanes: int) -> Item:
        return Item(self, value.text, value.dtype, lanes)

    def function_of(self, name: str, *args: Any) -> Item:
        items = [arg for arg in args if isinstance(arg, Item)]
        lanes = max(arg.lanes for arg in items)
        return self.value(f"{name}({', '.join(map(str, args))})", items[-1].dtype, lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Item:
        return self.function_of("fma", a, b, c)

    def sqrt(self, a: Item) -> Item:
        return self.function_of("sqrt", a)

    def floor(self, a: Item) -> Item:
        return self.function_of("floor", a)

    def rint(self, a: Item) -> Item:
        return self.function_of("rint", a)

    def trailing_zeros(self, a: Item) -> Item:
        return self.function_of("trailing_zeros", a)

    def abs(self, a: Item) -> Item:
        return self.function_of("abs", a)

    def select(self, cond: Item, a: Any, b: Any) -> Item:
        items = [arg for arg in (a, b) if isinstance(arg, Item)]
        lanes = max(item.lanes for item in [cond, *items])
        text = f"{a} if {cond} else {b}"
        return self.value(text, items[0].dtype if items else "int64", lanes, level=0)

    def bitcast(self, a: Item, dtype: str) -> Item:
        return self.value(f"bits({a})", dtype, a.lanes)

    def convert(self, a: Item, dtype: str) -> Item:
        return a if a.dtype == dtype else self.value(f"{NAMES[dtype]}({a})", dtype, a.lanes)

    def extent(self, size: Size, dtype: str) -> Item:
        if isinstance(size, int):
            return self.const(size, dtype)
        return self.convert(self.dims[size.name], dtype)

    def minimum(self, a: Index, b: Index) -> Index:
        left, right = known_number(a), known_number(b)
        if left is not None and right is not None:
            return min(left, right)
        return self.value(f"min({a}, {b})", "int64")

    # -- vectors -------------------------------------------------------------------------------

    def iota(self, lanes: int) -> Item:
        return self.index(0) if lanes == 1 else Item(self, "lane", "int64", lanes)

    def lane_mask(self, count: Index, lanes: int) -> Item | None:
        if isinstance(count, int) and count >= lanes:
            return None
        return self.value(f"lane < {parenthesised(count, 1)}", "bool", lanes, level=0)

    def ones(self, a: Item) -> Item:
        return self.value(f"ones({a})", "int64")

    def compress(self, a: Item, mask: Item) -> Item:
        return self.named(f"{a} where {mask}", a.dtype, a.lanes)

    def extract(self, a: Item, lane: int) -> Item:
        return Item(self, f"{a}[{lane}]", a.dtype) if a.lanes > 1 else a

    def insert(self, a: Item, value: Item, lane: int) -> Item:
        return self.function_of("insert", a, value, lane)

    def shuffle(self, a: Item, b: Item, lanes: Sequence[int]) -> Item:
        both = str(a) if a is b else f"{a}, {b}"
        first, last = lanes[0], lanes[-1]
        whole = list(lanes) == list(range(first, last + 1))
        chosen = f"{first}..{last + 1}" if whole else " ".join(map(str, lanes))
        return self.value(f"lanes({both}: {chosen})", a.dtype, len(lanes))

    # -- memory --------------------------------------------------------------------------------

    def offset(self, pointer: Item, index: Index, dtype: str) -> Item:
        if known_number(index) == 0:
            return pointer
        unit = "bytes" if dtype == "bool" else NAMES[dtype]
        return self.named(f"{pointer} + {parenthesised(index, 4)} {unit}", "ptr")

    def load(
        self, pointer: Item, index: Index, dtype: str, lanes: int = 1, mask: Item | None = None
    ) -> Item:
        return self.named(f"{pointer}[{index}]{mask_text(mask)}", dtype, lanes)

    def store(self, value: Item, pointer: Item, index: Index, mask: Item | None = None) -> None:
        self.line(f"{pointer}[{index}] = {value}{mask_text(mask)}")

    def prefetch(self, pointer: Item, index: Index, dtype: str) -> None:
        self.line(f"prefetch {pointer}[{index}]")

    def gather(self, pointer: Item, indices: Item, dtype: str, mask: Item | None = None) -> Item:
        return self.named(f"{pointer}[{indices}]{mask_text(mask)}", dtype, indices.lanes)

    def scatter(self, value: Item, pointer: Item, indices: Item, mask: Item | None = None) -> None:
        self.line(f"{pointer}[{indices}] = {value}{mask_text(mask)}")

    # -- control -------------------------------------------------------------------------------

    def loop(
        self,
        start: Index,
        stop: Index,
        step: Index,
        carried: Sequence[Item],
        body: Callable[..., Sequence[Any] | None],
    ) -> list[Any]:
        if isinstance(start, int) and isinstance(stop, int):
            if start >= stop:
                return list(carried)
            if isinstance(step, int) and start + step >= stop:
                return list(body(self.index(start), *carried) or ())
        totals = [Item(self, self.fresh("t"), item.dtype, item.lanes) for item in carried]
        for total, item in zip(totals, carried, strict=True):
            self.line(f"{total} = {item} : {kind_name(item.dtype, item.lanes)}")
        i = Item(self, self.fresh("i"), "int64")
        by = "" if isinstance(step, int) and step == 1 else f" step {step}"
        self.line(f"for {i} in {start}..{parenthesised(stop, 3)}{by}:")
        self.inside(lambda: self.carry(totals, list(body(i, *totals) or ())))
        return totals

    def carry(self, totals: Sequence[Item], results: Sequence[Any]) -> None:
        """Assign the values with which the next iteration of a loop begins."""
        if totals:
            self.line(f"{', '.join(map(str, totals))} = {', '.join(map(str, results))}")

    def when(self, condition: Item, body: Callable[[], None]) -> None:
        self.line(f"if {condition}:")
        self.inside(body)

    def inside(self, body: Callable[[], None]) -> None:
        self.depth += 1
        before = len(self.lines)
        body()
        if len(self.lines) == before:
            self.line("nothing")
        self.depth -= 1

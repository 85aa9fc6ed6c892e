"""Text for registers in a listing: names, and short expressions with as few parentheses as needed.

In: operands. Out: `Item` objects, each the text of one register.
"""

from __future__ import annotations

import operator
from typing import Any, Protocol

from glassnet.graph.types import SHORT

NAMES = {**SHORT, "ptr": "address"}
ATOM = 9
FOLDED = {"+": operator.add, "-": operator.sub, "*": operator.mul}
LEVEL = {"*": 4, "/": 4, "%": 4, "+": 3, "-": 3, "<<": 2, ">>": 2}  # precedence; 0 for others


class Namer(Protocol):
    def value(self, text: str, dtype: str, lanes: int = 1, level: int = ATOM) -> Item: ...


class Item:
    """A register as text: its name or, for indices and constants, the expression."""

    __slots__ = ("dtype", "f", "lanes", "level", "text")

    def __init__(self, f: Namer, text: str, dtype: str, lanes: int = 1, level: int = ATOM) -> None:
        self.f, self.text, self.dtype, self.lanes, self.level = f, text, dtype, lanes, level

    def __str__(self) -> str:
        return self.text

    def binary(self, sign: str, other: Any, dtype: str = "", swap: bool = False) -> Any:
        lanes = max(self.lanes, other.lanes) if isinstance(other, Item) else self.lanes
        left, right = (other, self) if swap else (self, other)
        level = LEVEL.get(sign, 0)
        text = f"{parenthesised(left, level)} {sign} {parenthesised(right, level + 1)}"
        return self.f.value(text, dtype or self.dtype, lanes, level)

    def folded(self, sign: str, other: Any) -> Any:
        """Apply an operator; for indices, omit + 0, · 1 and · 0 and fold constants."""
        if self.dtype != "int64" or self.lanes > 1:
            return self.binary(sign, other)
        left, right = known_number(self), known_number(other)
        if left is not None and right is not None and sign in FOLDED:
            return Item(self.f, str(FOLDED[sign](left, right)), "int64")
        if (right == 0 and sign in "+-") or (right == 1 and sign in "*/"):
            return self
        if left == 0 and sign == "+" and isinstance(other, Item):
            return other
        return 0 if right == 0 and sign == "*" else self.binary(sign, other)

    def __add__(self, other: Any) -> Any:
        return self.folded("+", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self.folded("-", other)

    def __rsub__(self, other: Any) -> Any:
        return self.binary("-", other, swap=True)

    def __mul__(self, other: Any) -> Any:
        return self.folded("*", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self.binary("/", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.binary("/", other, swap=True)

    def __floordiv__(self, other: Any) -> Any:
        return self.folded("/", other)

    def __mod__(self, other: Any) -> Any:
        return self.binary("%", other)

    def __neg__(self) -> Any:
        return self.f.value(f"-{parenthesised(self, ATOM)}", self.dtype, self.lanes)

    def __lt__(self, other: Any) -> Any:
        return self.binary("<", other, "bool")

    def __le__(self, other: Any) -> Any:
        return self.binary("<=", other, "bool")

    def __gt__(self, other: Any) -> Any:
        return self.binary(">", other, "bool")

    def __ge__(self, other: Any) -> Any:
        return self.binary(">=", other, "bool")

    def eq(self, other: Any) -> Any:
        return self.binary("==", other, "bool")

    def ne(self, other: Any) -> Any:
        return self.binary("!=", other, "bool")

    def __and__(self, other: Any) -> Any:
        return self.binary("&", other)

    def __or__(self, other: Any) -> Any:
        return self.binary("|", other)

    def __xor__(self, other: Any) -> Any:
        return self.binary("^", other)

    def __invert__(self) -> Any:
        return self.f.value(f"~{parenthesised(self, ATOM)}", self.dtype, self.lanes)

    def __lshift__(self, other: Any) -> Any:
        return self.binary("<<", other)

    def __rshift__(self, other: Any) -> Any:
        return self.binary(">>", other)


def kind_name(dtype: str, lanes: int) -> str:
    return NAMES[dtype] + (f"x{lanes}" if lanes > 1 else "")


def known_number(item: Any) -> int | None:
    """Return the value of an index if it is a constant, else None."""
    text = str(item)
    return int(text) if text.isdigit() else None


def parenthesised(item: Any, level: int) -> str:
    """Return an operand as text, in parentheses where its operator binds less than `level`."""
    loose = isinstance(item, Item) and item.level < level
    return f"({item})" if loose else str(item)


def mask_text(mask: Item | None) -> str:
    return f" where {mask}" if mask is not None else ""

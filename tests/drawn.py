"""What `make test` tries a part of, and `make nightly` as a whole.

In: all ways of doing one thing, and what for. Out: those to try now, the same ones every time. The
environment variable GLASSNET_WAYS=all takes all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

T = TypeVar("T")

EVERY = os.environ.get("GLASSNET_WAYS") == "all"


def drawn(
    found: Sequence[T], count: int, of: str, every: bool = EVERY, name: Callable[[T], Any] = str
) -> list[T]:
    """So many of them, drawn by their names and by `of`, in their order; all of them if `every`."""
    if every:
        return list(found)

    def digest(place: int) -> bytes:
        return sha256(f"{of} {name(found[place])}".encode()).digest()

    return [found[place] for place in sorted(sorted(range(len(found)), key=digest)[:count])]

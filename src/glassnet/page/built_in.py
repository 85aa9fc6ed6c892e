"""The built-in tables of a page by name.

In: a name. Out: a `PageTable`.
"""

from __future__ import annotations

from collections.abc import Callable

from glassnet.errors import GlassnetError
from glassnet.page.penguins import penguins
from glassnet.page.point_sets import PageTable, circles, gaussians, moons, sine, spirals, xor

TABLES: dict[str, Callable[[], PageTable]] = {
    f.__name__: f for f in (xor, circles, moons, spirals, gaussians, sine, penguins)
}


def table(name: str) -> PageTable:
    """Return a built-in table by name; GlassnetError if there is none with that name."""
    if name.lower() not in TABLES:
        raise GlassnetError(f"there is no built-in table {name!r}; choose {', '.join(TABLES)}")
    return TABLES[name.lower()]()

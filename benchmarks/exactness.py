"""What does it cost that the order of every sum is fixed?

In: nothing. Out: microseconds a step of the same kernels as they are; in free order: sums over the
rows of a batch are one chain instead of leaves joined as a tree; and with fast-math besides: the
processor may fuse multiplications and additions and divide by reciprocals;
`build/benchmarks/exactness.json`.

The chain of ascending k in a contraction stays, since it is the fastest order too: vectors run over
the outputs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glassnet.lower import contract, reduce
from glassnet.run import cache, compiled
from glassnet.training import programs

from . import ours
from .cases import Case, cases, data
from .machine import describe, pin
from .report import Result, microseconds, table, versions
from .timing import alternate

FAST = "reassoc nsz arcp contract"


@contextmanager
def free_order(flags: str = "") -> Iterator[None]:
    """Programs compiled inside may add in any order, and do what LLVM's flags allow."""
    whole, in_leaves, tree = compiled.module_text, contract._Contraction._in_leaves, reduce.tree
    directory = cache.directory

    def free(*args: Any) -> str:
        return re.sub(r"= (fadd|fsub|fmul|fdiv) ", rf"= \1 {flags} ", whole(*args))

    compiled.module_text = free
    cache.directory = lambda: None  # code is asked for by graph, and this graph has exact code
    contract._Contraction._in_leaves = lambda self: False
    reduce.tree = lambda ctx, length, leaf, *rest: leaf(0, length)
    programs.clear_shared()
    try:
        yield
    finally:
        programs.clear_shared()
        compiled.module_text, contract._Contraction._in_leaves = whole, in_leaves
        reduce.tree, cache.directory = tree, directory


def measure(case: Case, turns: int, seconds: float) -> dict[str, Any]:
    rows = data(case)
    exact = ours.steps(case, rows)[0]
    with free_order():
        free = ours.steps(case, rows)[0]
    with free_order(FAST):
        fast = ours.steps(case, rows)[0]
    times = alternate({"exact": exact, "free": free, "fast": fast}, turns, seconds)
    return {
        "network": case.title,
        "task": case.task,
        **{name: found.per(case.steps) for name, found in times.items()},
        "price": times["exact"].least / times["free"].least - 1,
        "price_of_all": times["exact"].least / times["fast"].least - 1,
    }


def page(result: Result) -> str:
    lines = [
        [
            row["network"],
            row["task"],
            microseconds(row["exact"]["min_us"]),
            microseconds(row["free"]["min_us"]),
            f"{row['price']:+.1%}",
            microseconds(row["fast"]["min_us"]),
            f"{row['price_of_all']:+.1%}",
        ]
        for row in result.rows
    ]
    head = ["network, batch", "task", "exact", "free order", "price", "and fast-math", "price"]
    return f"{table(head, lines)}\n\n{versions(result)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=[])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=8.0, help="about so long a network")
    options = parser.parse_args()
    pin(1)
    result = Result("exactness", describe(1))
    for case in [*cases("sgd"), *cases("adam")]:
        if not options.networks or case.name in options.networks:
            result.rows.append(measure(case, options.turns, options.seconds))
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()

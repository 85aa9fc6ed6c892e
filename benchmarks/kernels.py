"""Where does the time of a training step go?

In: names of networks. Out: for every kernel of the compiled step its microseconds, its share of
the step and, for products of matrices, its share of what the core can do;
`build/benchmarks/kernels.json`.

A kernel's time is what a step takes longer in which the kernel runs twice in a row.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import cache
from typing import Any
from unittest import mock

import numpy as np

from glassnet.fuse.kernels import Kernel, KernelGraph
from glassnet.graph.layout import count
from glassnet.graph.types import show_shape
from glassnet.run import cache as disk
from glassnet.run import compiled
from glassnet.training import programs

from . import ours
from .cases import Case, Run, cases, data
from .machine import describe, pin
from .peak import peak
from .report import Result, microseconds, table, versions
from .timing import alternate

NETWORKS = ("small", "table", "images", "large")
LEAST = 0.02  # of a step; kernels that take less are shown together
MOST_NAMES = 6


def steps(case: Case, twice: int | None = None) -> tuple[Run, KernelGraph]:
    """The steps of a case, in which a kernel runs twice, and what they consist of."""
    found: list[KernelGraph] = []
    whole = compiled.schedule

    def part(*args: Any) -> KernelGraph:
        fused = whole(*args)
        found.append(fused)
        order = [k for i, k in enumerate(fused.kernels) for _ in range(2 if i == twice else 1)]
        return replace(fused, kernels=tuple(order))

    programs.clear_shared()  # of the same network an earlier turn has made code already
    nowhere = mock.patch.object(disk, "directory", return_value=None)
    with nowhere, mock.patch.object(compiled, "schedule", part):
        run = ours.steps(case, data(case))[0]
    return run, found[-1]


def measure(case: Case, turns: int, seconds: float) -> list[dict[str, Any]]:
    plain, fused = steps(case)
    work = {"": plain, **{str(i): steps(case, i)[0] for i in range(len(fused.kernels))}}
    times = {name: t.least / case.steps for name, t in alternate(work, turns, seconds).items()}
    step, best, speed = times[""], peak(0.1), bandwidth()
    rows: list[dict[str, Any]] = []
    for number, kernel in enumerate(fused.kernels):
        taken = max(times[str(number)] - step, 0.0)
        work_done = operations(fused, kernel, case.batch)
        moved = 4 * numbers(fused, kernel, case.batch)  # nearly all are float32
        rows.append(
            {
                "network": case.title,
                "task": case.task,
                "kernel": described(fused, kernel),
                "us": taken * 1e6,
                "share": taken / step,
                "share_of_peak": work_done / taken / best if work_done and taken else None,
                "bytes": moved,
                "memory_us": moved / speed * 1e6,
            }
        )
    return rows


def numbers(fused: KernelGraph, kernel: Kernel, batch: int) -> int:
    """Numbers that a kernel reads and that others have written, and numbers that it writes."""
    nodes, dims = fused.graph.nodes, dict.fromkeys(fused.graph.dims, batch)
    read: set[int] = set()
    for place in kernel.nodes:
        if nodes[place].op.code == "gather":
            read.add(place)  # of a table as many as are gathered
        else:
            given = [source for source in nodes[place].inputs if source in fused.access]
            read |= {fused.access[source].base for source in given}
    own = set(kernel.nodes) - {place for place in read if nodes[place].op.code == "gather"}
    places = [*(read - own), *(place for place, _ in kernel.stores)]
    return sum(count(nodes[place].type.shape).at(dims) for place in places if place < len(nodes))


@cache
def bandwidth() -> float:
    """Bytes a second that the core reads and writes, of arrays that no cache holds."""
    source = np.ones(1 << 25, np.float32)
    target = np.empty_like(source)
    times = alternate({"": lambda: np.copyto(target, source)}, 5)[""]
    return 2 * source.nbytes / times.least


def operations(fused: KernelGraph, kernel: Kernel, batch: int) -> int:
    """Floating-point operations of a product of matrices, else 0."""
    if kernel.kind != "contract" or kernel.root is None:
        return 0
    nodes = fused.graph.nodes
    root = nodes[kernel.root]
    size = count(root.type.shape) * nodes[root.inputs[0]].type.shape[-1]
    return 2 * size.at(dict.fromkeys(fused.graph.dims, batch))


def described(fused: KernelGraph, kernel: Kernel) -> str:
    """Its kind, the shape of its result and its operations."""
    names = [fused.graph.nodes[place].op.name for place in kernel.nodes]
    shown = [*names[: MOST_NAMES - 1], "…"] if len(names) > MOST_NAMES else names
    return f"{kernel.kind} {show_shape(kernel.shape)}: {' '.join(shown)}"


def page(result: Result) -> str:
    lines: list[list[str]] = []
    for network, task in dict.fromkeys((row["network"], row["task"]) for row in result.rows):
        own = [r for r in result.rows if (r["network"], r["task"]) == (network, task)]
        small = [row for row in own if row["share"] < LEAST]
        for row in sorted(own, key=lambda row: -row["share"]):
            if row["share"] >= LEAST:
                lines.append([network, task, *cells(row)])
        keys = "us", "share", "bytes", "memory_us"
        added = {key: sum(row[key] for row in small) for key in keys}
        rest = {"kernel": "the others", **added, "share_of_peak": None}
        lines.append([network, task, *cells(rest)])
    head = ["network, batch", "task", "kernel", "µs", "of the step", "of peak", "kB", "memory, µs"]
    return f"{table(head, lines, left=3)}\n\n{versions(result)}"


def cells(row: dict[str, Any]) -> list[str]:
    most = row["share_of_peak"]
    return [
        f"`{row['kernel']}`" if ":" in row["kernel"] else row["kernel"],
        microseconds(row["us"]),
        f"{row['share']:.0%}",
        "–" if most is None else f"{most:.0%}",
        microseconds(row["bytes"] / 1e3),
        microseconds(row["memory_us"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=[], help="tiny, small, table, images, ...")
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=8.0, help="about so long a network")
    options = parser.parse_args()
    pin(1)
    result = Result("kernels", describe(1))
    for case in [*cases("sgd"), *cases("adam")]:
        if case.name in (options.networks or NETWORKS):
            result.rows += measure(case, options.turns, options.seconds)
            print(case.title, "measured", file=sys.stderr, flush=True)
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()

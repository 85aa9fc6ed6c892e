"""What does a second thread bring?

In: `--cores N`. Out: microseconds a step with one thread and with N, in one process that may use
N cores, taking turns; `build/benchmarks/threads.json`.
"""

from __future__ import annotations

import argparse
from functools import partial
from importlib.util import find_spec
from typing import Any

from . import ours, peers
from .cases import Case, cases, data
from .machine import describe, pin
from .report import Result, microseconds, table, versions
from .timing import PAUSE, alternate


def measure(case: Case, cores: int, turns: int, seconds: float) -> list[dict[str, Any]]:
    """JAX and NumPy take the threads that the process may use; the number cannot be changed."""
    rows = data(case)
    work: dict[tuple[str, int], Any] = {}
    for count in (1, cores):
        work["glassnet", count] = ours.steps(case, rows, count)[0]
        if find_spec("torch"):
            work["PyTorch", count] = partial(peers.torch_eager, threads=count)(case, rows)[0]
    if find_spec("jax"):
        work["JAX scan", cores] = peers.jax_scan(case, rows)[0]
    work["NumPy", cores] = peers.numpy_loop(case, rows)[0]
    named = {f"{name} {count}": run for (name, count), run in work.items()}
    times = alternate(named, turns, seconds, PAUSE)
    return [
        {
            "network": case.title,
            "contender": name,
            "threads": count,
            **times[f"{name} {count}"].per(case.steps),
        }
        for name, count in work
    ]


def page(result: Result) -> str:
    """Microseconds a step, and how many times faster more threads are."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in result.rows:
        found.setdefault((row["network"], row["contender"]), {})[row["threads"]] = row["min_us"]
    most = result.machine["cores"]
    lines = [
        [
            network,
            name,
            microseconds(own.get(1)),
            microseconds(own.get(most)),
            f"{own[1] / own[most]:.2f}" if 1 in own else "–",
        ]
        for (network, name), own in found.items()
    ]
    head = ["network, batch", "contender", "1 thread", f"{most} threads", "speed-up"]
    return f"{table(head, lines)}\n\n{versions(result)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["table", "images", "large", "wide"])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=12.0, help="about so long a network")
    options = parser.parse_args()
    pin(options.cores)
    result = Result("threads", describe(options.cores))
    for case in cases("sgd"):
        if case.name in options.networks:
            result.rows += measure(case, options.cores, options.turns, options.seconds)
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()

"""How long until the first step is done?

In: nothing. Out: seconds that loading the library takes, and from the description of the network to
the end of the first step, with empty caches and again with what the first run has kept;
`build/benchmarks/compiling.json`. Every measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from . import ours, peers
from .cases import Case, data
from .machine import describe, pin
from .report import Result, table, versions

CASES = {
    "tiny": Case("tiny", (2, 3, 1), 4, 128),
    "small": Case("small", (10, 64, 64, 1), 32, 1),
    "large": Case("large", (784, 1024, 1024, 10), 256, 1),
    "50 layers": Case("50 layers", (32, *[64] * 49, 1), 32, 1),
}
LIBRARY = {
    "glassnet": ("glassnet.runs.train", "glassnet.run.compiled", "glassnet.optim"),
    "PyTorch": ("torch",),
    "torch.compile": ("torch",),
    "JAX jit": ("jax", "jax.numpy"),
    "scikit-learn": ("sklearn.neural_network",),
}
SLOW = ("torch.compile",)  # tens of seconds for many layers
CACHES = {
    "GLASSNET_CACHE_DIR": "glassnet",
    "JAX_COMPILATION_CACHE_DIR": "jax",
    "TORCHINDUCTOR_CACHE_DIR": "torch",
    "TRITON_CACHE_DIR": "triton",
}
KEEP_ALL = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def child(network: str, contender: str) -> None:
    """Measure once, in this process."""
    case = CASES[network]
    rows = data(case)
    start = time.perf_counter()
    for module in LIBRARY[contender]:
        import_module(module)
    loaded = time.perf_counter()
    if contender == "glassnet":
        run = ours.train(case, rows)[0]
    else:
        run = peers.PEERS[contender][1](case, rows)[0]
    run()
    done = time.perf_counter()
    run()
    again = time.perf_counter() - done
    print(json.dumps({"load": loaded - start, "first": done - loaded - again}))


def start(network: str, contender: str, folder: str) -> dict[str, float]:
    """A child process whose caches lie in a folder."""
    caches = {name: os.path.join(folder, part) for name, part in CACHES.items()}
    module = __spec__.name if __spec__ is not None else __name__
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, "--child", network, contender],
        env=os.environ | caches | KEEP_ALL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(result.stdout.splitlines()[-1])


def measure(network: str, turns: int) -> list[dict[str, Any]]:
    names = [n for n, modules in LIBRARY.items() if find_spec(modules[0].split(".")[0])]
    if network not in ("small", "tiny"):
        names = [name for name in names if name not in SLOW]
    found: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {n: [] for n in names}
    for _ in range(turns):
        for name in names:
            if name in SLOW and found[name]:
                continue
            with tempfile.TemporaryDirectory() as folder:
                cold = start(network, name, folder)
                found[name].append((cold, start(network, name, folder)))
    return [
        {
            "network": network,
            "layers": len(CASES[network].sizes) - 1,
            "contender": name,
            "load_ms": statistics.median(c["load"] for pair in pairs for c in pair) * 1e3,
            "cold_ms": [cold["first"] * 1e3 for cold, _ in pairs],
            "cached_ms": [cached["first"] * 1e3 for _, cached in pairs],
        }
        for name, pairs in found.items()
    ]


def page(result: Result) -> str:
    """Milliseconds: the least, in brackets the median."""

    def cell(values: list[float]) -> str:
        return f"{min(values):,.0f} ({statistics.median(values):,.0f})"

    lines = [
        [
            row["network"],
            row["contender"],
            f"{row['load_ms']:,.0f}",
            cell(row["cold_ms"]),
            cell(row["cached_ms"]),
        ]
        for row in result.rows
    ]
    head = ["network", "contender", "load the library", "first step, cold", "first step, cached"]
    return f"{table(head, lines)}\n\n{versions(result)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(CASES))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--child", nargs=2, metavar=("NETWORK", "CONTENDER"))
    options = parser.parse_args()
    pin(1)
    if options.child:
        child(*options.child)
        return
    result = Result("compiling", describe(1))
    for network in options.networks:
        result.rows += measure(network, options.turns)
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()

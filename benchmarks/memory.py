"""How much memory does training take?

In: nothing. Out: the peak of a process while it trains, over what it had after a tiny network was
trained, against what must be there: data, parameters, the optimiser's memory, and the activations
of one batch; `build/benchmarks/memory.json`. Every measurement is a process of its own. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import ours, peers
from .cases import Case, data
from .machine import describe, pin
from .report import Result, table, versions

CASES = {
    "images": Case("images", (784, 128, 10), 64, 938, "adam", most=938),
    "wide": Case("wide", (1024, 4096, 4096, 1024), 512, 4, "adam"),
}
WARM = Case("warm", (2, 3, 3), 4, 2, "adam")
CONTENDERS = ("glassnet", "PyTorch", "JAX jit", "JAX scan", "scikit-learn", "NumPy")


def status(name: str) -> int:
    """Bytes that the system counts for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def build(contender: str, case: Case) -> Any:
    """A contender that holds nothing but what it needs."""
    rows = data(case)
    if contender == "glassnet":
        run = ours.train(case, rows)[0]
    else:
        run = peers.PEERS[contender][1](case, rows)[0]
    rows.layers.clear()
    return run


def child(network: str, contender: str) -> None:
    """Measure once, in this process."""
    build(contender, WARM)()
    gc.collect()
    before = status("VmRSS")
    run = build(contender, CASES[network])
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    run()
    print(json.dumps({"bytes": status("VmHWM") - before}))


def needed(case: Case) -> int:
    """Bytes of data, parameters, Adam's two memories, and one batch of activations."""
    layers = list(zip(case.sizes, case.sizes[1:], strict=False))
    parameters = sum((a + 1) * b for a, b in layers)
    rows = case.batch * case.batches
    return 4 * (rows * (case.sizes[0] + 1) + 3 * parameters + case.batch * sum(case.sizes[1:]))


def measure(network: str, contender: str) -> dict[str, Any]:
    module = __spec__.name if __spec__ is not None else __name__
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, "--child", network, contender],
        env=os.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    case = CASES[network]
    found = json.loads(result.stdout.splitlines()[-1])["bytes"]
    return {
        "network": case.title,
        "contender": contender,
        "bytes": found,
        "needed": needed(case),
        "ratio": found / needed(case),
    }


def page(result: Result) -> str:
    lines = [
        [
            row["network"],
            row["contender"],
            f"{row['needed'] / 1e6:,.0f}",
            f"{row['bytes'] / 1e6:,.0f}",
            f"{row['ratio']:.2f}",
        ]
        for row in result.rows
    ]
    head = ["network, batch", "contender", "needed, MB", "peak, MB", "peak / needed"]
    return f"{table(head, lines)}\n\n{versions(result)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(CASES))
    parser.add_argument("--child", nargs=2, metavar=("NETWORK", "CONTENDER"))
    options = parser.parse_args()
    pin(1)
    if options.child:
        child(*options.child)
        return
    result = Result("memory", describe(1))
    installed = ("glassnet", *peers.available())
    for network in options.networks:
        for contender in CONTENDERS:
            if contender in installed:
                result.rows.append(measure(network, contender))
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()

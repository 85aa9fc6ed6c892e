"""The process in which a measurement runs, and the machine it runs on.

In: a number of cores. Out: a process that may use no other core, and a description of everything
that the figures depend on. Nothing heavy is imported here, since libraries count the processors
when they are loaded.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PINNED = "GLASSNET_BENCHMARK_CORES"
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# where ours is told to use AVX2 (GLASSNET_ISA=avx2), the others are, in all ways that they hear
PEERS_ON_AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
LIBRARIES = ("glassnet", "numpy", "llvmlite", "scikit-learn", "torch", "jax", "jaxlib")


def pin(cores: int) -> None:
    """Start this process again, on the first `cores` of the processors that it may use.

    Threads are limited in every way that a library listens to; JAX listens to none of them, which
    is why the affinity of the process is set.
    """
    if os.environ.get(PINNED) == str(cores):
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.environ |= dict.fromkeys((*LIMITS, PINNED), str(cores))
    if cores == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = flags
    if os.environ.get("GLASSNET_ISA") == "avx2":
        os.environ |= PEERS_ON_AVX2
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=AVX2"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    module = sys.modules["__main__"].__spec__
    assert module is not None, "run a benchmark with python -m"
    os.execv(sys.executable, [sys.executable, "-W", "ignore", "-m", module.name, *sys.argv[1:]])


def describe(cores: int) -> dict[str, Any]:
    """The processor, the libraries, and how many cores the process could use."""
    return {
        "processor": _processor(),
        "instructions": _instructions(),
        "cores": cores,
        "cores of the machine": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


class Watch:
    """What else the machine did meanwhile: sentences in `said`, where the kernel tells."""

    def __enter__(self) -> Watch:
        self.said: list[str] = []
        self._before = _times()
        return self

    def __exit__(self, *_: object) -> None:
        mine = {f"cpu{core}" for core in os.sched_getaffinity(0)} if self._before else set[str]()
        found: list[float] = []
        for name, after in _times().items():
            spent = [b - a for a, b in zip(self._before[name], after, strict=True)]
            whole = max(1, sum(spent))
            if name in mine and spent[7] > 0.01 * whole:
                self.said.append(f"The host took {spent[7] / whole:.0%} of {name} for others.")
            elif name not in mine:
                found.append(1.0 - (spent[3] + spent[4]) / whole)
        if any(share > 0.1 for share in found):
            shares = " and ".join(f"{share:.0%}" for share in found)
            self.said.append(f"Other cores were busy for {shares} of the time.")
        if self.said:
            print("warning:", *self.said, file=sys.stderr)


def _times() -> dict[str, list[int]]:
    """For every processor how long it did what, the 4th and 5th nothing, the 8th other systems."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines if line.startswith("cpu") and line[3] != " "]
    return {name: [int(text) for text in numbers[:8]] for name, *numbers in parts}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _instructions() -> str:
    from glassnet.llvm.machine_code import host

    return host().name


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

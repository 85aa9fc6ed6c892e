"""How far the package's own functions are from the exact values.

In: nothing, or `--every N` (float32 bit patterns measured: one in N; 1 takes hours). Out: the table
of `docs/math.md`, written in place and printed.

float32 is measured against float64 NumPy and SciPy functions, whose own error is a billionth of
a float32 unit; float64 against mpmath, on random numbers.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from scipy import special

from glassnet import ops
from glassnet.llvm.machine_code import host
from glassnet.pipeline import compile

PAGE = Path(__file__).parent.parent / "docs" / "math.md"
KEPT = "\n## Special values"  # written by hand, from there on
CHUNK = 1 << 20
POINTS = 3000

# name: NumPy's or SciPy's function, mpmath's function
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "exp": (np.exp, mpmath.exp),
    "expm1": (np.expm1, mpmath.expm1),
    "log": (np.log, mpmath.log),
    "log1p": (np.log1p, mpmath.log1p),
    "sin": (np.sin, mpmath.sin),
    "cos": (np.cos, mpmath.cos),
    "tanh": (np.tanh, mpmath.tanh),
    "sigmoid": (special.expit, lambda x: 1 / (1 + mpmath.exp(-x))),
    "erf": (special.erf, mpmath.erf),
}
INTRODUCTION = """# The package's own functions

exp, log and their relatives are sequences of additions, multiplications, fused multiply-adds,
divisions and integer steps, written once in `src/glassnet/ops/math_*.py`. No library of the
system is called, so the bits are the same on every machine. The error is counted in units in the
last place (ulp) of the exact value; 0.5 is what correct rounding leaves.
"""
NOTES = """
- Results that are denormal numbers are rounded to the nearest one; nothing is flushed to zero.
- sin and cos take every float32. In float64 they are defined up to |x| = 2³² and NaN beyond.
- `pow` in float32 works in float64 inside; the other float32 functions except sin and cos
  are float32 throughout.
- Special values (±0, ±∞, NaN, overflow) are those of the C standard;
  `tests/ops/test_math.py` lists them.

Measure again: `python benchmarks/ulp.py`, with `--every 1` for each of the 2³² numbers.
"""


def units(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distances of float32 numbers from float64 ones, in units in the last place of float32."""
    info = np.finfo(np.float32)
    exponent = np.maximum(np.frexp(exact)[1] - 1, int(info.minexp))
    distance = np.abs(got.astype(np.float64) - exact) / np.ldexp(1.0, exponent - info.nmant)
    limit = float(info.max) * (1 + float(info.eps) / 4)
    beyond = (np.abs(exact) >= limit) & (got == np.sign(exact) * np.inf)
    same = (got == exact) | (np.isnan(got) & np.isnan(exact)) | beyond
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def chunks(every: int) -> Iterator[np.ndarray]:
    """float32 numbers: one in `every` of all bit patterns."""
    for start in range(0, 1 << 32, CHUNK * every):
        stop = min(start + CHUNK * every, 1 << 32)
        yield np.arange(start, stop, every, dtype=np.uint64).astype(np.uint32).view(np.float32)


def worst_single(name: str, every: int) -> tuple[float, float]:
    """The largest error of ours, and of NumPy's float32 function."""
    reference = FUNCTIONS[name][0]
    ours = compile(lambda x: getattr(ops, name)(x))
    worst = [0.0, 0.0]
    with np.errstate(all="ignore"):
        for x in chunks(every):
            exact = reference(x.astype(np.float64))
            for place, f in enumerate((ours, reference)):
                worst[place] = max(worst[place], float(units(f(x), exact).max()))
    return worst[0], worst[1]


def sample(name: str) -> np.ndarray:
    """float64 numbers: where the function bends, and over all exponents."""
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-310, 9, POINTS)
    x = np.concatenate([rng.uniform(-3, 3, POINTS), rng.uniform(-700, 700, POINTS), scale, -scale])
    if name.startswith("log"):
        return x[x > (0 if name == "log" else -1)]
    return x if name in ("sin", "cos") else x[np.abs(x) < 740]


def worst_double(name: str) -> tuple[float, float]:
    """The largest error of ours, and of NumPy's float64 function."""
    reference, exact = FUNCTIONS[name]
    x = sample(name)
    info = np.finfo(np.float64)
    worst = [0.0, 0.0]
    with mpmath.workprec(1300), np.errstate(all="ignore"):
        results = (compile(lambda x: getattr(ops, name)(x))(x), reference(x))
        for number, *found in zip(x.tolist(), *(r.tolist() for r in results), strict=True):
            wanted = exact(mpmath.mpf(number))
            exponent = mpmath.frexp(wanted)[1] - 1 if wanted else 0
            unit = mpmath.ldexp(1, max(int(exponent), int(info.minexp)) - info.nmant)
            for place, got in enumerate(found):
                worst[place] = max(worst[place], float(abs(mpmath.mpf(got) - wanted) / unit))
    return worst[0], worst[1]


def page(every: int) -> str:
    lines = [
        INTRODUCTION,
        f"Worst error in ulp; float32 over one in {every} of all its numbers, float64 over "
        f"some {3 * POINTS} random\nones. In brackets NumPy {np.__version__} (SciPy for sigmoid "
        f"and erf) on the same machine ({platform.machine()}, {host().name}).\n",
        "| function | float32 | float64 |",
        "|---|---|---|",
    ]
    for name in FUNCTIONS:
        pairs = worst_single(name, every), worst_double(name)
        cells = [f"{ours:.2f} ({shown(other)})" for ours, other in pairs]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n" + NOTES


def shown(error: float) -> str:
    return f"{error:.2f}" if error < 1000 else "over 1000"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--every", type=int, default=1021, metavar="N")
    _, mark, rest = PAGE.read_text(encoding="utf-8").partition(KEPT)
    PAGE.write_text(page(parser.parse_args().every) + mark + rest, encoding="utf-8")


if __name__ == "__main__":
    main()

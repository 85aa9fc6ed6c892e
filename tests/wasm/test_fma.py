"""Fused multiply-adds in WebAssembly: rounded once, as the processor and exact fractions say.

Random numbers prove nothing here: of 12 million of them none shows a sum that is rounded twice. The
cases are directed at ties, at cancellation, at denormal numbers and at the ends of the range.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import OPS, Op
from glassnet.graph.types import FLOATS, Type
from glassnet.llvm import wasm
from glassnet.llvm.wasm import FMA_PROBE, Mode
from glassnet.ops.type_rules import elementwise_rule
from glassnet.run.program import Plan
from tests.engine.variants import call, loops, thresholds
from tests.wasm.node import job, needs_node, run

COUNT = 4000  # cases of a kind
MODES: list[Mode] = ["exact", "relaxed"]

fma = Op(
    "test_fma", "elementwise", "a · b + c", 3, infer=elementwise_rule("test_fma", FLOATS),
    numpy=lambda a, b, c: a * b + c, vjp=lambda g, ans, a, b, c: (None, None, None),
    code=lambda b, x, y, z: b.fma(x, y, z),
)  # fmt: skip


@pytest.fixture(autouse=True)
def entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The op exists in this file only."""
    monkeypatch.setitem(OPS, fma.name, fma)


def plan(dtype: str, count: int) -> Plan:
    builder = GraphBuilder()
    inputs = [builder.input(name, Type(dtype, (count,))) for name in "abc"]
    return Plan(builder.finish([builder.apply(fma, inputs, {})]))


def specials(dtype: str) -> list[np.ndarray]:
    """All triples of the numbers at the ends and edges of the range."""
    info = np.finfo(dtype)
    tiny, least, most = info.tiny, info.smallest_subnormal, info.max
    one = [1.0, 1.0 + info.eps, 1.0 - info.epsneg, 3.0]
    edge = [0.0, least, 2 * least, tiny - least, tiny, tiny + least, np.sqrt(tiny), most / 2, most]
    numbers = np.array([*one, *edge, np.inf], dtype)
    numbers = np.concatenate([numbers, -numbers, [np.nan]]).astype(dtype)
    return [
        np.array(column, dtype)
        for column in zip(*itertools.product(numbers, repeat=3), strict=True)
    ]


class Drawn:
    """Random numbers of a dtype, with chosen widths of their significands and chosen exponents."""

    def __init__(self, dtype: str) -> None:
        self.random, self.dtype, self.info = np.random.default_rng(7), dtype, np.finfo(dtype)
        self.bits = self.info.nmant

    def significands(self, width: int) -> np.ndarray:
        whole = self.random.integers(1 << (width - 1), 1 << width, COUNT)
        signs = self.random.choice([-1.0, 1.0], COUNT)
        return signs * whole.astype(float) / 2.0 ** (width - 1)

    def numbers(self, width: int, exponent: Any) -> np.ndarray:
        with np.errstate(all="ignore"):
            m = self.significands(width).astype(self.dtype)
            return np.ldexp(m, np.asarray(exponent, np.int32)).astype(self.dtype)

    def near(self, width: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Sums of parts that overlap little or not at all, and parts that nearly cancel."""
        n = self.bits
        for shift in (-n - 2, -n - 1, -n, -3, 0, 3, n, n + 1, 2 * n, 2 * n + 2):
            yield self.numbers(width, 0), self.numbers(width, 0), self.numbers(n + 1, shift)
        x, y = self.numbers(width, 0), self.numbers(width, 0)
        off = self.random.integers(-2, 3, COUNT) * self.info.eps
        yield x, y, (-(x * y) * (1 + off)).astype(self.dtype)

    def far(self, width: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Results that are denormal, or infinite, or nearly."""
        n, low, high = self.bits, self.info.minexp, self.info.maxexp
        for total in (low - n - 2, low - n - 1, low - n, low - 2, low - 1, low, high - 1, high):
            first = self.random.integers(total // 2 - 4, total // 2 + 4, COUNT)
            gap = self.random.choice([-2 * n, -n - 1, -n, -1, 0, 1, n], COUNT)
            z = self.numbers(n + 1, total + gap)
            z[self.random.random(COUNT) < 0.2] = self.random.choice([0.0, -0.0])
            yield self.numbers(width, first), self.numbers(width, total - first), z

    def ties(self) -> tuple[np.ndarray, ...]:
        """(1 + k ε)(1 − k ε) is (k ε)² below 1, which is half of the last bit of c: the exact sum
        lies that little off the middle between two numbers. c is odd: a tie moves away from it."""
        k = self.random.integers(1, 1 << 8, COUNT)
        c = self.numbers(self.bits + 1, self.bits + 1)
        c.view(f"u{c.itemsize}")[...] |= 1
        sign = self.random.choice([-1.0, 1.0], COUNT)
        pair = sign * (1 + k * self.info.eps), 1 - k * self.info.eps
        return *(part.astype(self.dtype) for part in pair), c


def directed(dtype: str) -> list[np.ndarray]:
    """Numbers where something may go wrong."""
    drawn = Drawn(dtype)
    found = [drawn.ties()]
    for width in (drawn.bits // 2, drawn.bits // 2 + 1, drawn.bits + 1):
        found += [*drawn.near(width), *drawn.far(width)]
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def cases(dtype: str) -> dict[str, np.ndarray]:
    pairs = zip(specials(dtype), directed(dtype), strict=True)
    return dict(zip("abc", map(np.concatenate, pairs), strict=True))


def same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Equal bits, or both not a number."""
    kind = f"u{a.dtype.itemsize}"
    return (a.view(kind) == b.view(kind)) | (np.isnan(a) & np.isnan(b))


@needs_node
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("mode", MODES)
def test_the_bits_of_the_processor(dtype: str, mode: Mode, tmp_path: Path) -> None:
    arrays = cases(dtype)
    own = plan(dtype, len(arrays["a"]))
    with thresholds():
        (wanted,) = call(loops(own), arrays)
    ((got,),) = run(tmp_path, [job(own, arrays, mode=mode)])
    wrong = np.flatnonzero(~same(got, wanted))
    assert not wrong.size, describe(arrays, got, wanted, wrong)


def describe(
    arrays: dict[str, np.ndarray], got: np.ndarray, wanted: np.ndarray, wrong: np.ndarray
) -> str:
    first = wrong[0]
    told = [float(arrays[n][first]).hex() for n in "abc"]
    return f"{wrong.size} wrong; fma{tuple(told)} is {got[first]!r}, not {wanted[first]!r}"


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_processor_is_right(dtype: str) -> None:
    """What the modules are compared with, against exact fractions."""
    arrays = {name: array[::97] for name, array in cases(dtype).items()}
    finite = np.isfinite([arrays[n] for n in "abc"]).all(0)
    arrays = {name: array[finite] for name, array in arrays.items()}
    own = plan(dtype, int(finite.sum()))
    with thresholds():
        (got,) = call(loops(own), arrays)
    for a, b, c, y in zip(*arrays.values(), got, strict=True):
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        if exact:
            assert y == rounded(exact, dtype), (a, b, c)


def rounded(exact: Fraction, dtype: str) -> float:
    """The nearest number of a dtype, ties to even."""
    info = np.finfo(dtype)
    size = abs(exact)
    exponent = max(size.numerator.bit_length() - size.denominator.bit_length() - 1, info.minexp)
    while size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - info.nmant)
    whole = round(size / unit) * unit  # Python rounds fractions to even
    value = float("inf") if whole > Fraction(float(info.max)) else float(whole)
    return value if exact > 0 else -value


@needs_node
@pytest.mark.parametrize(("mode", "expected"), [("exact", 2.0**-24), ("relaxed", 2.0**-24)])
def test_the_probe_tells_whether_sums_are_fused(
    mode: Mode, expected: float, tmp_path: Path
) -> None:
    """By hand: (1 + 2⁻¹²)² − (1 + 2⁻¹¹) = 2⁻²⁴, which a rounded product has lost."""
    arrays = {n: np.array([v], np.float32) for n, v in zip("abc", FMA_PROBE, strict=True)}
    ((got,),) = run(tmp_path, [job(plan("float32", 1), arrays, mode=mode)])
    assert got.tolist() == [expected]
    assert arrays["a"] * arrays["b"] + arrays["c"] == 0


@needs_node
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sum_that_is_rounded_twice_is_found(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted error: without rounding to odd, or with a product and a sum of their own."""
    name = "_exact_float32" if dtype == "float32" else "_exact_float64"

    def twice(f: Any, a: Any, b: Any, c: Any) -> Any:
        if dtype == "float64":
            return a * b + c
        return f.convert(
            f.convert(a, "float64") * f.convert(b, "float64") + f.convert(c, "float64"), dtype
        )

    monkeypatch.setattr(wasm, name, twice)
    arrays = cases(dtype)
    own = plan(dtype, len(arrays["a"]))
    with thresholds():
        (wanted,) = call(loops(own), arrays)
    ((got,),) = run(tmp_path, [job(own, arrays)])
    assert np.count_nonzero(~same(got, wanted)) > 500

"""What one thread does alone, of many rows, is done in parts: sums, products of two columns, rows
added to rows, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.types import Dim, Type
from glassnet.ops.reductions import sum_op
from glassnet.run import call as prepared
from glassnet.run.call import ThreadPlan
from glassnet.run.compiled import Compiled
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine import oracle
from tests.engine.test_orders import numbers
from tests.engine.variants import call, difference, dirty, in_blocks, loops

COLUMNS = 37
ROWS = [0, 1, 63, 64, 65, 128, 129, 320, 500, 832, 833]


def bias(x: Any, at: Any) -> Any:
    return sum_op(x, axes=(0,), rows=True)


def squares(x: Any, at: Any) -> Any:
    """Something is computed before it is added."""
    return sum_op(x * x, axes=(0,), rows=True)


def whole(x: Any, at: Any) -> Any:
    return sum_op(x, axes=(0, 1))


def added(x: Any, at: Any) -> Any:
    return ops.scatter_add(at, x, 5)


def joined(x: Any, at: Any) -> Any:
    return ops.concatenate([x, x[:, :1], x], axis=1)


def chained(x: Any, at: Any) -> Any:
    return x.T @ x


def rows_added(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    total = np.zeros((5, x.shape[1]), x.dtype)
    for row, place in zip(x, at, strict=True):
        if place < 5:
            total[place] += row
    return total


CASES: list[tuple[Callable[[Any, Any], Any], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = [
    (bias, lambda x, at: oracle.sum_rows(x)),
    (squares, lambda x, at: oracle.sum_rows(x * x)),
    (whole, lambda x, at: oracle.sum_lanes(x.reshape(-1))),
    (added, rows_added),
    (chained, lambda x, at: oracle.matmul(x.T, x, rows=False)),
    (joined, lambda x, at: np.concatenate([x, x[:, :1], x], axis=1)),
]
NAMES = [make.__name__ for make, _ in CASES]


def given(rows: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    return {"x": numbers(dtype, rows, COLUMNS), "at": np.arange(rows, dtype="i8") * 7 % 6}


def planned(
    make: Callable[[Any, Any], Any], rows: int | None = None, dtype: str = "float32"
) -> Plan:
    size = Dim("n") if rows is None else rows
    return Plan(trace(make, Type(dtype, (size, COLUMNS)), Type("int64", (size,))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "wanted"), CASES, ids=NAMES)
def test_in_blocks_of_any_number(make: Any, wanted: Any, dtype: str) -> None:
    """Blocks of one leaf, on one thread at one go and on two in many parts."""
    with in_blocks():
        alone = loops(planned(make, dtype=dtype))
    with in_blocks(threads=0, work=10_000):
        shared = loops(planned(make, dtype=dtype))
    for rows in ROWS:
        args = given(rows, dtype)
        with in_blocks(), mock.patch.object(prepared, "_aligned", dirty):
            assert not difference(wanted(**args), call(alone, args)[0]), rows
        with in_blocks(threads=0, work=10_000):
            assert not difference(wanted(**args), call(shared, args, threads=2)[0]), rows


@pytest.mark.parametrize(("make", "wanted"), CASES, ids=NAMES)
def test_a_known_number_of_rows(make: Any, wanted: Any) -> None:
    args = given(500)
    with in_blocks(work=10_000):
        assert not difference(wanted(**args), call(loops(planned(make, 500)), args)[0])


def test_arrays_one_after_the_other() -> None:
    """A part may fill what lies in another array's rows: all is filled before any is copied."""
    x = numbers("float32", 500, 3)

    def make(x: Any) -> Any:
        return ops.concatenate([x, ops.pad(x, (3, 0), (4, 0)), x], axis=0)

    wanted = np.concatenate([x, np.pad(x, ((3, 4), (0, 0))), x])
    for work in (1_000, 5_000, 100_000):
        with in_blocks(work=work):
            found = call(loops(Plan(trace(make, x))), {"x": x})[0]
        assert not difference(wanted, found), work


@pytest.mark.parametrize(("make", "wanted"), CASES, ids=NAMES)
def test_a_planted_part_that_is_left_out(make: Any, wanted: Any) -> None:
    """The last one of eight or more, of every share."""
    args, parts = given(833), ThreadPlan.parts
    counts: list[int] = []

    def planted(self: ThreadPlan, step: int, work: list[tuple[int, int]]) -> list[Any]:
        found = list(parts(self, step, work))
        counts.extend(count for (_, count, _), _ in found)
        return [(part, own) for part, own in found if part[0] < part[1] - 1]

    with in_blocks(work=50_000), mock.patch.object(ThreadPlan, "parts", planted):
        again = loops(planned(make)).prepare(args, 1, 1)
        again.results[0][...] = 7.0
        assert difference(wanted(**args), again()[0])
    assert min(counts) >= 8


def test_only_long_steps_are_done_in_parts() -> None:
    """Of 4 000 rows, in calls of so much work; few rows never are."""
    args, few = given(4_000), given(50)
    for work, rows, wanted in ((1 << 31, args, False), (10_000, args, True), (1_000, few, False)):
        with mock.patch("glassnet.run.compiled.CALL_WORK", work):
            program = loops(planned(added))
            program.run(rows, 1, 1)
        assert tall(program) == wanted


def tall(program: Compiled) -> bool:
    """Whether code in blocks was made."""
    (build,) = program._found.values()  # pyright: ignore[reportPrivateUsage]
    return build is not None and any(build.image.stacks)

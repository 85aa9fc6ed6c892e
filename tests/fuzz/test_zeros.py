"""Random tables full of zeros, times anything: the same bits whether or not products are left out.

`make fuzz` tries 1 000; GLASSNET_FUZZ sets the number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.test_zeros import SPECIAL, TINY, arguments, products
from tests.engine.variants import call, difference, few, loops, short_sums, thresholds
from tests.fuzz.test_fuzz import WAYS, search

SIZES = st.one_of(st.integers(1, 20), st.integers(21, 140))


@st.composite
def tables(draw: Any) -> tuple[tuple[int, int, int], str, dict[str, np.ndarray]]:
    """Sizes, a dtype, and arguments: some of their numbers tiny, few of them not finite."""
    shape, dtype = draw(st.tuples(SIZES, SIZES, SIZES)), draw(st.sampled_from(tuple(TINY)))
    full, seed = draw(st.sampled_from((0.0, 0.02, 0.1, 0.3, 1.0))), draw(st.integers(0, 999))
    tiny, odd = draw(st.sampled_from((0.0, 0.3, 1.0))), draw(st.sampled_from((0.0, 0.001, 0.05)))
    args, random = arguments(*shape, dtype, full, seed), np.random.default_rng(seed)
    for name in ("table", "w", "g"):
        array = args[name]
        array[random.random(array.shape) < tiny] *= TINY[dtype]
        some = random.random(array.shape) < odd
        array[some] = random.choice(SPECIAL, some.sum())
    return shape, dtype, args


@search(0.1)
@given(drawn=tables(), ways=WAYS)
def test_tables_full_of_zeros(drawn: Any, ways: dict[str, Any]) -> None:
    shape, dtype, args = drawn
    plan = products(*shape, dtype)
    with thresholds():
        plain = call(loops(plan), args)
    found = short_sums(plan, args, 1, ways["tiles"], ways["threads"])
    for way, results in few(found, f"{shape} {dtype}"):
        for one, other in zip(plain, results(), strict=True):
            found = difference(one, other)
            assert not found, f"{way}: {found}"

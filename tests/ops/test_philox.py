"""Random numbers: known answers of Random123, distribution, and permutations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import OPS
from glassnet.ops import philox
from glassnet.pipeline import compile

# kat_vectors of Random123 (Salmon et al.): counter, key, result of philox4x32-10
KNOWN = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], wanted: list[int]) -> None:
    words = [np.array([word], np.uint64) for word in [*counter, *key]]
    assert [int(word[0]) for word in philox.philox(words[:4], words[4:])] == wanted
    arrays = [np.array([word], np.int64) for word in [*counter, *key]]
    for place in range(4):

        def draw(*xs: object, place: int = place) -> object:
            return OPS["philox"](*xs, word=place, bits=32)

        assert compile(draw)(*arrays).tolist() == [wanted[place]]


def test_numbers_on_the_host_depend_on_all_of_their_names() -> None:
    base = philox.bits(8, seed=1, stream=2, step=3)
    assert base.tolist() == philox.bits(8, seed=1, stream=2, step=3).tolist()
    assert base[:5].tolist() == philox.bits(5, seed=1, stream=2, step=3).tolist()
    for other in (
        philox.bits(8, 2, 2, 3), philox.bits(8, 1, 3, 3), philox.bits(8, 1, 2, 4),
        philox.bits(8, 1 + 2**32, 2, 3),
    ):  # fmt: skip
        assert not np.array_equal(base, other)


@pytest.mark.parametrize("draw", [philox.bits, philox.uniform, philox.normal])
@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 41])
def test_the_parts_in_which_numbers_are_drawn_do_not_matter(
    draw: Any, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw(count, 5, 2, 1)
    monkeypatch.setattr(philox, "PART", 3)
    np.testing.assert_array_equal(draw(count, 5, 2, 1), whole)


def test_uniform_and_normal_numbers_have_their_distribution() -> None:
    u, z = philox.uniform(20000, 7), philox.normal(20001, 7)
    assert u.min() >= 0
    assert u.max() < 1
    assert z.shape == (20001,)
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert stats.kstest(z, "norm").pvalue > 0.01


def test_numbers_in_a_graph_are_those_of_numpy() -> None:
    x = np.zeros((40, 30), np.float32)
    step = np.int64(5)
    for draw in (
        lambda x, step: ops.uniform(x, seed=3, stream=1, step=step),
        lambda x, step: ops.bernoulli(x, 0.3, seed=3, stream=1, step=step),
    ):
        np.testing.assert_array_equal(compile(draw)(x, step), draw(x, step))
    z = compile(lambda x, step: ops.normal(x, seed=3, step=step))(x, step)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    assert abs(np.mean(ops.bernoulli(x, 0.3, seed=3)) - 0.3) < 0.05
    wide = ops.uniform(x.astype(np.float64), seed=3)
    assert wide.dtype == np.float64
    assert stats.kstest(wide.ravel(), "uniform").pvalue > 0.01


def test_a_part_of_a_batch_draws_the_numbers_of_its_rows() -> None:
    whole = ops.uniform(np.zeros((6, 3), np.float32), seed=9)
    rows = np.array([4, 1], np.int32)
    part = ops.uniform(np.zeros((2, 3), np.float32), seed=9, rows=rows)
    np.testing.assert_array_equal(part, whole[rows])


def test_a_single_number_has_no_rows() -> None:
    with pytest.raises(ShapeError, match="at least one axis"):
        ops.uniform(np.float32(1), seed=0)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 16, 17, 1000, 4097])
def test_a_permutation_holds_every_number_once(n: int) -> None:
    order = philox.permutation(n, seed=5, stream=1, epoch=2)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 16, 17, 120, 1000, 4095])
def test_several_epochs_at_once_have_the_orders_of_each(n: int) -> None:
    several = philox.permutations(n, 1 << 40, 3, range(4, 11))
    assert several.shape == (7, n)
    for epoch, order in enumerate(several, 4):
        assert order.tolist() == philox.permutation(n, 1 << 40, 3, epoch).tolist()
        assert sorted(order.tolist()) == list(range(n))
    part = philox.permutations(n, 1 << 40, 3, range(4, 11), n // 3, n // 2)
    assert part.tolist() == several[:, n // 3 : n // 2].tolist()


def test_permutations_depend_on_all_of_their_names() -> None:
    orders = [
        philox.permutation(100, *names).tolist()
        for names in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))
    ]
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] == philox.permutation(100, 1, 2, 3).tolist()


def test_every_place_is_equally_likely() -> None:
    """χ² over where each of 10 numbers goes in 4000 permutations; 81 degrees of freedom."""
    counts = np.zeros((10, 10))
    for epoch in range(4000):
        counts[np.arange(10), philox.permutation(10, seed=1, epoch=epoch)] += 1
    assert stats.chi2.sf(((counts - 400) ** 2 / 400).sum(), 81) > 0.001

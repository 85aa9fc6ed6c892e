"""What tells whether weights have changed since a training left them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from glassnet.training.state import LINE, SUMMED, digest

EACH = LINE // 4  # numbers of a line


def test_small_vectors_have_their_sha_256() -> None:
    few = np.arange(7, dtype=np.float32)
    assert digest(few) == hashlib.sha256(few.tobytes()).hexdigest()
    assert digest(few[::2]) == hashlib.sha256(few[::2].tobytes()).hexdigest()


@pytest.mark.parametrize("more", [0, 1, EACH - 1])
def test_any_change_of_a_large_one_is_noticed(more: int) -> None:
    """A last place, a sign of zero, two numbers that change places, in a line or a column."""
    size = SUMMED // 4 + more
    plain = np.random.default_rng(1).standard_normal(size).astype(np.float32)
    plain[5] = 0.0
    known = digest(plain)
    assert digest(plain.copy()) == known
    for place in (0, 5, EACH, size // 2, size - 1):
        other = plain.copy()
        other[place] = -0.0 if place == 5 else np.nextafter(other[place], np.float32(9))
        assert digest(other) != known
    for a, b in ((2, 3), (2, 4), (2, 2 + EACH), (7, 7 + 9 * EACH), (1, size - 1)):
        other = plain.copy()
        other[[a, b]] = plain[[b, a]]
        assert digest(other) != known

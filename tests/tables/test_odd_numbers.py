"""Whether a piece of CSV text may hold `007` or `1_000`, which are no plain numbers."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet.tables.csv_block import Block


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("1,2.5\n-3,0.5\n", False),
        ("007,1\n", True),
        ("1,007\n", True),
        ("1,-01\n", True),
        ("1,+00\n", True),
        ("1, 007\n", True),
        ('1,"007"\n', True),
        ('1,"-007"\n', True),
        ("1\n01\n", True),
        ("1,1_000\n", True),
        ("a_b,1\n_1,1_\n", False),
        ("2024-01-31,2024-01-31 00:05:00\n", False),
        ("1e-05,2E+07\n", False),
        ("0,0.0\n-0,100\n", False),
        ("00\n", True),
    ],
)
def test_odd_numbers(text: str, odd: bool) -> None:
    block = Block(np.frombuffer(text.encode(), np.uint8), ord(","), "\n")
    assert block.has_odd_numbers() is odd

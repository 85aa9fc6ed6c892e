"""What an encoder makes of the cells of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoded:
    """The inputs x [rows, inputs] of one column, and the numbers of its missing cells and of those
    with an unknown value."""

    x: NDArray[np.float64]
    missing: int
    unknown: int = 0

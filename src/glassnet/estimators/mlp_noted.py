"""What a run file keeps of an MLP estimator: its parameters, and that its rows are the same.

In: a parameter, rows. Out: JSON values, a SHA-256.
"""

# scikit-learn has no types, and an estimator's attributes are what its users set
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.estimators.mlp_solve import PART, Rows, dense
from glassnet.training.check import Rows as Read
from glassnet.training.record import fingerprint, fingerprint_of
from glassnet.training.record_data import as_data


def noted(value: Any) -> Any:
    """A parameter as JSON values; code by its name."""
    if isinstance(value, np.ndarray):
        return noted(value.tolist())
    if isinstance(value, Mapping):
        return [[noted(key), noted(own)] for key, own in value.items()]
    return as_data(value)


def digest(rows: Rows) -> str:
    """As `fingerprint` of the same rows made dense, a part at a time."""
    if not hasattr(rows.x, "toarray"):
        return fingerprint(Read(rows.x, rows.y, rows.weight))
    parts = (dense(rows.x[i : i + PART]) for i in range(0, len(rows), PART))
    rest = (("y", rows.y), ("weight", rows.weight))
    return fingerprint_of(
        [
            ("x", rows.y.dtype, rows.x.shape, parts),
            *((name, array.dtype, array.shape, [array]) for name, array in rest),
        ]
    )

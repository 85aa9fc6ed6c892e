"""What is no fault of ours: older versions of scikit-learn call newer ones of SciPy in ways that
these warn of."""

from __future__ import annotations

import pytest

OLD = pytest.mark.filterwarnings(
    r"ignore:scipy.optimize. The `disp` and `iprint` options:DeprecationWarning"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "estimators" in item.path.parts:
            item.add_marker(OLD)

"""What is no fault of ours: older versions of scikit-learn call newer ones of SciPy in ways that
these warn of. And what several files look at."""

from __future__ import annotations

from typing import Any

import pytest

from glassnet.estimators.mlp_solve import Steps

OLD = pytest.mark.filterwarnings(
    r"ignore:scipy.optimize. The `disp` and `iprint` options:DeprecationWarning"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "estimators" in item.path.parts:
            item.add_marker(OLD)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many epochs fits take at a time, one number a call."""
    found: list[int] = []
    run = Steps.run

    def noted(steps: Steps, epochs: int, *given: Any) -> list[float]:
        found.append(epochs)
        return run(steps, epochs, *given)

    monkeypatch.setattr(Steps, "run", noted)
    return found

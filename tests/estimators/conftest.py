"""What is not a fault of ours: older versions of scikit-learn call newer ones of SciPy in ways that
these warn of. And what several files look at."""

from __future__ import annotations

from typing import Any

import pytest

from glassnet.training.epoch_blocks import EpochBlocks
from glassnet.training.trainer import Trainer

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
    several, one = EpochBlocks.take_without_snapshot, Trainer.one_epoch

    def noted(blocks: EpochBlocks, course: Any, epochs: int) -> None:
        found.append(epochs)
        several(blocks, course, epochs)

    def single(descent: Trainer, course: Any) -> None:
        found.append(1)
        one(descent, course)

    monkeypatch.setattr(EpochBlocks, "take_without_snapshot", noted)
    monkeypatch.setattr(Trainer, "one_epoch", single)
    return found

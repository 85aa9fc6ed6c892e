"""Fits by the recipe of earlier versions, whose run files are still resumed: one network, trained
in phases, and a score by networks that are trained one after the other, or from rows held out.
"""

from __future__ import annotations

from typing import Any

import pytest

from glassnet.estimators.tabular import fit_table as fit
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.tables import split


def recipe(rows: int, *_: Any) -> Recipe:
    """Two hidden layers, and three phases."""
    small = rows < 4_000
    batch_size = 32 if small else 128
    steps = max(rows // batch_size, 1)
    return Recipe(
        hidden=(128, 128) if small else (256, 256),
        learning_rates=(1e-3, 2e-4, 4e-5),
        batch_size=batch_size,
        epochs=min(max(40_000 // steps, 100), 600),
        patience=min(max(2_000 // steps, 8), 30),
        rest=min(max(1_000 // steps, 4), 15),
    )


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on."""
    monkeypatch.setattr(split, "PACKED", 0)
    monkeypatch.setattr(fit, "default_recipe", recipe)

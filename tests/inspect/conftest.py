"""Runs here have checkpoints at their start and end only, however slow the machine is."""

from __future__ import annotations

import pytest

from glassnet.runs import recorder


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "EVERY", 1e9)

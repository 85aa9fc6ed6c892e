"""What holds for all tests of run files."""

from __future__ import annotations

import pytest

from tests.record.common import seldom


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which checkpoints there are is for a test to say, and not for the time that it takes."""
    seldom(monkeypatch)

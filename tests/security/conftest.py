"""A folder of files that nobody named, around the one that a test works in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.canary import Canary


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Canary:
    """The present folder is `canary.here`; home and temporary files are inside as well."""
    found = Canary(tmp_path / "home")
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(found.here)
    return found

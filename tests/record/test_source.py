"""A run file tells where its data came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from glassnet.errors import TrainingError
from glassnet.runs.recording import Recording, source_of
from tests.record.common import sha, train


def test_the_source_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = {"table": "tables/irises.csv", "target": "species", "missing": ["?"]}
    train(Recording("run.glass", source))
    assert source_of("run.glass") == source | {"table": str(tmp_path / "tables" / "irises.csv")}


def test_nobody_knew_the_source(tmp_path: Path) -> None:
    plain, _ = train(tmp_path / "plain.glass")
    same, _ = train(Recording(tmp_path / "run.glass"))
    assert source_of(tmp_path / "plain.glass") is None
    assert source_of(tmp_path / "run.glass") is None
    assert sha(plain) == sha(same)


def test_a_source_that_no_file_can_hold() -> None:
    with pytest.raises(TrainingError, match="JSON"):
        Recording("run.glass", {"table": object()})
    with pytest.raises(TrainingError, match="JSON"):
        Recording("run.glass", {"fraction": float("nan")})

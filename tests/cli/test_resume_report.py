"""`glassnet resume RUN --report`: the page that the fit itself writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.test_fit_record import run
from tests.cli.test_resume_fit import write
from tests.estimators import older


def test_the_page_is_that_of_the_fit(tmp_path: Path) -> None:
    table, path, model = write(tmp_path / "t.csv", 60), tmp_path / "r.glass", tmp_path / "m"
    first, second = tmp_path / "first.html", tmp_path / "second.html"
    asked = ("--metric", "f1", "--epochs", "2", "--report", first)
    begin = ("fit", table, "-t", "d", "--record", path, "-o", model, *asked)
    assert run(*begin) == 0
    assert run("resume", path, "-o", model, "--report", second) == 0
    fitted, resumed = (
        re.sub("<code>glassnet.*?</code>", "", own.read_text()) for own in (first, second)
    )
    assert "<h2>Reproduce</h2>" in fitted
    assert fitted == resumed


def test_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run whose rows were scored by networks that are not kept."""
    older.use(monkeypatch)
    table, path, model = write(tmp_path / "t.csv", 60), tmp_path / "r.glass", tmp_path / "m"
    assert run("fit", table, "-t", "d", "--record", path, "-o", model, "--epochs", "1") == 0
    page = tmp_path / "page.html"
    assert run("resume", path, "-o", model, "--report", page) == 2
    assert f"glassnet evaluate {model} TABLE --report" in capsys.readouterr().err
    assert run("resume", path, "-o", model, "--report", table) == 2
    assert "t.csv" in capsys.readouterr().err
    assert not page.exists()

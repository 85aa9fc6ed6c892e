"""`glassnet resume` of a fit: killed wherever it may be, it ends with the very model file.

In: small tables, and a fit that is killed by SIGKILL. Out: the bytes of model files side by side.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glassnet.ops import philox
from glassnet.runs.disk import is_run
from glassnet.runs.file import RunFile
from tests.cli.test_fit_record import run
from tests.data import ROOT
from tests.estimators import older

Capture = pytest.CaptureFixture[str]
SMALL, LARGE = 300, 2100  # rows: the one is scored in folds, the other by rows held out
EPOCHS = (
    "5" if "GLASSNET_KILLS" in os.environ else "10"
)  # from one kill to the next; `make kill` tries more


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def write(path: Path, rows: int) -> Path:
    x = philox.normal(rows * 3, 4).reshape(rows, 3)
    z = x[:, 0] * x[:, 1] + 0.3 * x[:, 2]
    told = np.where(z > 0, "up", "down") if rows < LARGE else z
    lines = [f"{a},{b},{c},{d}" for (a, b, c), d in zip(x, told, strict=True)]
    path.write_text("\n".join(["a,b,c,d", *lines]) + "\n")
    return path


@pytest.fixture(autouse=True)
def older_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    older.use(monkeypatch)


def until(moment: str, cache: Path, *arguments: str | Path, recipe: str = " older") -> int:
    """The exit status of a command that is killed at a moment, if it comes to that."""
    moment += recipe
    command = [sys.executable, "-m", "tests.cli.killed", moment, *map(str, arguments)]
    around = {**os.environ, "GLASSNET_CACHE_DIR": str(cache)}
    return subprocess.run(command, cwd=ROOT, env=around, capture_output=True).returncode


def whole(rows: int, cache: Path) -> tuple[bytes, int]:
    """The model file of a fit that nobody ends, and how many epochs it took."""
    folder = cache / f"whole{rows}"
    model, path = folder / "m.safetensors", folder / "r.glass"
    if not folder.exists():
        folder.mkdir()
        table = write(folder / "t.csv", rows)
        assert until("never", cache, "fit", table, "-t", "d", "--record", path, "-o", model) == 0
    phases = [own for own in folder.glob("*.glass") if is_run(own)]
    assert len(phases) == 3
    return model.read_bytes(), sum(done(own) for own in phases)


def done(path: Path) -> int:
    with RunFile.read(path) as file:
        return len(file.history()[0])


@pytest.mark.parametrize("rows", [SMALL, LARGE])
def test_killed_again_and_again(rows: int, tmp_path: Path, cache: Path) -> None:
    table = write(tmp_path / "t.csv", rows)
    wanted, epochs = whole(rows, cache)
    path, model = tmp_path / "run.glass", tmp_path / "model.safetensors"
    first = "fold" if rows < LARGE else "1"
    begin = ("fit", table, "-t", "d", "--record", path, "-o", model)
    assert until(first, cache, *begin) == -signal.SIGKILL
    kills = 1
    while (status := until(EPOCHS, cache, "resume", path)) == -signal.SIGKILL:
        kills += 1
        assert kills <= epochs
    assert status == 0
    assert kills > 1
    assert model.read_bytes() == wanted


def test_a_pack_that_is_killed_again_and_again(tmp_path: Path, cache: Path) -> None:
    """In its training, or when that is over and the score is taken."""
    models: list[bytes] = []
    for name, moment in (("whole", "never"), ("killed", "4"), ("scored", "save")):
        folder = tmp_path / name
        folder.mkdir()
        table, path, model = (
            write(folder / "t.csv", SMALL),
            folder / "r.glass",
            folder / "m.safetensors",
        )
        status = until(
            moment, cache, "fit", table, "-t", "d", "--record", path, "-o", model, recipe=""
        )
        while status == -signal.SIGKILL and moment != "never":
            status = until("6", cache, "resume", path, recipe="")
        assert status == 0
        models.append(model.read_bytes())
    assert models[0] == models[1] == models[2]


def test_killed_before_the_model_is_written(tmp_path: Path, cache: Path) -> None:
    table = write(tmp_path / "t.csv", SMALL)
    wanted, _ = whole(SMALL, cache)
    path, model = tmp_path / "run.glass", tmp_path / "model.safetensors"
    begin = ("fit", table, "-t", "d", "--record", path, "-o", model)
    assert until("save", cache, *begin) == -signal.SIGKILL
    assert not model.exists()
    table.unlink()  # a small run holds its rows
    other = tmp_path / "other.safetensors"
    assert run("resume", tmp_path / "run.phase2.glass", "-o", other) == 0
    assert other.read_bytes() == wanted
    assert not model.exists()
    assert run("resume", path) == 0
    assert model.read_bytes() == wanted


def test_a_limit_of_epochs_is_moved(tmp_path: Path, cache: Path, capsys: Capture) -> None:
    table = write(tmp_path / "t.csv", SMALL)
    wanted, epochs = whole(SMALL, cache)
    path, model = tmp_path / "run.glass", tmp_path / "model.safetensors"
    begin = ("fit", table, "-t", "d", "--record", path, "-o", model, "--epochs", "2")
    assert until("never", cache, *begin) == 0
    assert until("2", cache, "resume", path, "--epochs", "30") == -signal.SIGKILL
    assert run("resume", path, "--json") == 0  # with 30 epochs, as said before
    told = json.loads(capsys.readouterr().out)
    assert told["epochs"] == epochs
    assert model.read_bytes() == wanted
    before = [own.read_bytes() for own in sorted(tmp_path.glob("run*.glass"))]
    assert run("resume", path, "--epochs", str(epochs - 1)) == 2
    assert f"less than the {epochs} epochs" in capsys.readouterr().err
    assert [own.read_bytes() for own in sorted(tmp_path.glob("run*.glass"))] == before


def test_the_rows_held_out_are_those_of_then(tmp_path: Path, cache: Path, capsys: Capture) -> None:
    table = write(tmp_path / "t.csv", LARGE)
    path, model = tmp_path / "run.glass", tmp_path / "model.safetensors"
    begin = ("fit", table, "-t", "d", "--record", path, "-o", model)
    assert until("4", cache, *begin) == -signal.SIGKILL
    lines = table.read_text().splitlines()
    moved = table.with_name("moved.csv")
    for row in range(1, 40):  # some of these rows are held out
        *inputs, truth = lines[row].split(",")
        lines[row] = ",".join([*inputs, str(float(truth) + 1)])
    moved.write_text("\n".join(lines) + "\n")
    assert run("resume", path, moved) == 2
    assert "is not what it was" in capsys.readouterr().err
    table.rename(moved)
    assert run("resume", path) == 2
    assert "name it after the run" in capsys.readouterr().err
    assert run("resume", path, moved) == 0
    assert model.is_file()


def test_options_of_a_fit_are_for_fits(tmp_path: Path, capsys: Capture) -> None:
    from tests.record.common import train

    path = tmp_path / "run.glass"
    train(path, epochs=2)
    for option in (("-o", tmp_path / "m.safetensors"), ("--time", "5s")):
        assert run("resume", path, *option) == 2
        assert "recorded by gn.train" in capsys.readouterr().err


def test_a_fit_that_was_ended_in_its_score_has_no_step(
    tmp_path: Path, cache: Path, capsys: Capture
) -> None:
    table = write(tmp_path / "t.csv", SMALL)
    path = tmp_path / "run.glass"
    assert until("fold", cache, "fit", table, "-t", "d", "--record", path) == -signal.SIGKILL
    for command in ("step", "check"):
        assert run(command, path) == 1
        assert f"glassnet resume {path}" in capsys.readouterr().err
    assert run("runs", tmp_path) == 0
    assert "0/30 epochs  unfinished" in capsys.readouterr().out

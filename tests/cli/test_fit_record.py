"""`glassnet fit --record`: the run files of a fit, and the way back to the rows of its table.

In: tables, some of which move or change. Out: models, steps and checks beside independent ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.errors import OutputError
from glassnet.estimators.tabular import phases
from glassnet.estimators.tabular.fit_record import phase_path
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.runs import recorder
from glassnet.runs.file import RunFile
from glassnet.runs.lock import WriterLock
from glassnet.runs.recording import source_of
from glassnet.tables import split
from tests.estimators import older

Capture = pytest.CaptureFixture[str]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture(autouse=True)
def few_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score is not what is tested here, and each fold is a training of its own."""
    monkeypatch.setattr(split, "FOLDS", 2)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tumours.csv"
    assert run("data", "breast-cancer", "-o", path) == 0
    return path


def fit(table: Path, *options: str | Path, target: str = "target") -> Path:
    path = table.parent / "run.glass"
    model = table.parent / "model.safetensors"
    assert (
        run("fit", table, "-t", target, "--record", path, "--overwrite", "-o", model, *options) == 0
    )
    return path


def result(path: Path) -> bytes:
    with RunFile.read(path) as file:
        found = file.result()
    assert found is not None
    return found.tobytes()


def weights(table: Path) -> bytes:
    return TableModel.load(table.parent / "model.safetensors").network.W.tobytes()


def test_a_record_changes_no_byte_of_the_model(table: Path, tmp_path: Path) -> None:
    path = fit(table, "--epochs", "4")
    plain = tmp_path / "plain.safetensors"
    assert run("fit", table, "-t", "target", "-o", plain, "--epochs", "4") == 0
    assert plain.read_bytes() == (tmp_path / "model.safetensors").read_bytes()
    source = source_of(path)
    assert source is not None
    assert (source["table"], source["target"], source["phase"]) == (str(table), "target", 1)


def test_every_phase_is_a_run(
    table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    older.use(monkeypatch)
    path = fit(table, "--json")
    told = json.loads(capsys.readouterr().out)
    paths = [Path(own) for own in told["runs"]]
    assert paths == [phase_path(path, phase) for phase in range(len(paths))]
    assert len(paths) > 1
    assert weights(table) in [result(own) for own in paths]
    assert run("runs", table.parent, "--json") == 0
    listed = json.loads(capsys.readouterr().out)["runs"]
    assert sum(own["done"] for own in listed) == told["epochs"]
    assert {(own["table"], own["target"]) for own in listed} == {(str(table), "target")}
    fit(table, "--epochs", "2")  # one phase: the others were of another fit
    assert [own.exists() for own in paths] == [True] + [False] * (len(paths) - 1)


@pytest.mark.parametrize("target", ["target", "mean radius"])
def test_the_rows_are_found_in_the_table(
    table: Path, target: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(recorder, "SMALL", 0)
    monkeypatch.setattr(recorder, "EVERY", 1e9)  # checkpoints at both ends, however long it takes
    path = fit(table, "--epochs", "2", target=target)
    with pytest.raises(gn.errors.TrainingError, match="does not hold its data"):
        gn.open_step(path)
    capsys.readouterr()
    assert run("step", path, "--json") == 0
    step = json.loads(capsys.readouterr().out)
    assert len(step["rows"]) == 64
    run("check", path, "--json")  # differences may cross a kink of ReLU: the steps are what counts
    steps = json.loads(capsys.readouterr().out)["checks"][-1]
    assert steps["ok"] is True
    assert steps["what"] == "steps of epochs 1 to 2 against the record"
    assert run("resume", path, "--epochs", "3") == 0
    again = result(path)
    fit(table, "--epochs", "3", "--overwrite", target=target)
    assert result(path) == again


def test_a_query_and_a_missing_text_are_read_again(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SMALL", 0)
    lines = table.read_text().splitlines()
    lines[3] = "absent" + lines[3][lines[3].index(",") :]
    table.write_text("\n".join(lines).replace(",", ";") + "\n")
    query = 'SELECT "mean radius", "mean area", target FROM data WHERE "mean area" > 400'
    path = fit(table, "--epochs", "2", "--sql", query, "--missing", "absent", "--delimiter", ";")
    assert run("step", path, "--json") == 0


def test_a_moved_table_is_named(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(recorder, "SMALL", 0)
    path = fit(table, "--epochs", "2")
    moved = table.rename(table.with_name("moved.csv"))
    capsys.readouterr()
    for command in ("step", "check", "resume"):
        assert run(command, path) == 2
        told = capsys.readouterr().err
        assert str(table) in told
        assert f"name it after the run: {path} TABLE" in told
        assert run(command, path, moved) == 0
        capsys.readouterr()


def test_a_changed_table_is_refused(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(recorder, "SMALL", 0)
    path = fit(table, "--epochs", "2")
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *lines[2:], lines[1]]) + "\n")  # the rows of then, turned
    capsys.readouterr()
    for command in ("step", "check", "resume"):
        assert run(command, path) == 2
        assert "is not what it was when" in capsys.readouterr().err
    table.write_text("\n".join([lines[0].replace("mean area", "area"), *lines[1:]]) + "\n")
    assert run("step", path) == 2
    said = capsys.readouterr().err  # a file may name any other, so its cells are not quoted
    assert "to see why, name it yourself" in said
    assert "area" not in said
    assert run("step", path, table) == 2
    assert "lacks the column 'mean area'" in capsys.readouterr().err


def test_a_small_run_needs_no_table(table: Path, capsys: Capture) -> None:
    path = fit(table, "--epochs", "2")
    table.unlink()
    assert [run(command, path) for command in ("step", "check", "resume")] == [0, 0, 0]


def test_nothing_else_is_written_over(
    table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    older.use(monkeypatch)
    other = table.with_name("run.phase2.glass")
    other.write_text("notes")
    for place in (other, table, other.with_name("run.glass")):
        assert run("fit", table, "-t", "target", "--record", place) == 2
    assert "run.phase2.glass is there and is not a run file" in capsys.readouterr().err
    assert other.read_text() == "notes"
    capsys.readouterr()
    both = table.with_name("m.glass")
    assert run("fit", table, "-t", "target", "--record", both, "-o", both) == 2
    assert "the model file and a run file" in capsys.readouterr().err


def test_a_fit_that_is_being_recorded_is_left_alone(
    table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    older.use(monkeypatch)
    path = fit(table, "--epochs", "2")
    later = phase_path(path, 1)
    later.write_bytes(path.read_bytes())
    before = path.read_bytes()
    lock = WriterLock(later)
    for command in (("fit", table, "-t", "target", "--record", path), ("resume", path)):
        capsys.readouterr()
        assert run(*command) == 2
        assert "another training run" in capsys.readouterr().err
    lock.release()
    assert (path.read_bytes(), later.read_bytes()) == (before, before)


def test_a_full_disk_costs_the_record_only(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    fit(table, "--epochs", "3")
    wanted = weights(table)

    def full(*_: object) -> None:
        raise OutputError("run.glass cannot be written: disk full; make room")

    monkeypatch.setattr(phases, "phase_recording", full)
    capsys.readouterr()
    fit(table, "--epochs", "3", "--json")
    shown = capsys.readouterr()
    assert json.loads(shown.out)["runs"] == []
    assert json.loads(shown.out)["unrecorded"].startswith("run.glass cannot be written")
    assert shown.err.count("cannot be written: disk full") == 1
    assert np.array_equal(np.frombuffer(weights(table)), np.frombuffer(wanted))


def test_the_end_that_the_disk_refused_is_said_once(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*_: object) -> None:
        raise OutputError("full") from OSError("disk full")

    monkeypatch.setattr(recorder.Recorder, "_write", refuse)
    fit(table, "--epochs", "2", "--json")
    shown = capsys.readouterr()
    assert "glassnet resume" in json.loads(shown.out)["unrecorded"]
    assert shown.err.count("disk full") == 1
    assert "RecordingWarning" not in shown.err

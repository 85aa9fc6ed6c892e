"""What readers of a run file leave beside it, and what is said where the disk refuses."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ModelFileError, OutputError
from glassnet.runs import disk
from glassnet.runs.disk import is_run, unreadable_error, unwritable_reason
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint
from tests.cli.command import glassnet, refused, started
from tests.record.common import sha, train


def put(file: RunFile, epoch: int) -> None:
    with file.change() as database:
        put_checkpoint(database, Checkpoint(epoch, {"W": np.full(3, epoch)}, {}))


def contents(folder: Path) -> dict[str, bytes]:
    return {own.name: own.read_bytes() for own in folder.iterdir()}


@pytest.mark.parametrize(
    "command", [["runs"], ["show", "run.glass"], ["step", "run.glass"], ["check", "run.glass"]]
)
def test_reading_leaves_nothing(command: list[str], tmp_path: Path) -> None:
    train(tmp_path / "run.glass", epochs=2)
    before = contents(tmp_path)
    result = glassnet(*command, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path) == before


def test_nor_does_reading_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(ModelFileError, match="format 9"):
        RunFile.read(path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ModelFileError, match="damaged"):
        RunFile.read(path)
    assert [own.name for own in tmp_path.iterdir()] == ["run.glass"]


def test_a_run_that_is_written_meanwhile_is_read_and_unharmed(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2)
    with RunFile.append(path) as file:
        put(file, 3)
        beside = {own.name for own in tmp_path.iterdir()}
        code = (
            "import sys; from glassnet.runs.file import RunFile\n"
            "with RunFile.read(sys.argv[1]) as file: print(file.epochs())"
        )
        command = [sys.executable, "-c", code, str(path)]
        assert subprocess.run(command, capture_output=True, text=True).stdout == "[0, 2, 3]\n"
        assert {own.name for own in tmp_path.iterdir()} == beside
        put(file, 4)
    with RunFile.read(path) as file:
        assert file.epochs() == [0, 2, 3, 4]
    assert [own.name for own in tmp_path.iterdir()] == ["run.glass"]


def test_a_reader_that_leaves_after_the_writer_tidies_up(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2)
    writer = RunFile.append(path)
    put(writer, 3)
    with RunFile.read(path) as reader:
        writer.close()
        assert (tmp_path / "run.glass-wal").stat().st_size  # else there is nothing to lose
        assert reader.epochs() == [0, 2, 3]
    assert [own.name for own in tmp_path.iterdir()] == ["run.glass"]
    with RunFile.read(path) as reader:
        assert reader.epochs() == [0, 2, 3]


def test_what_a_killed_writer_left_stays_as_it_is(tmp_path: Path) -> None:
    path, killed = tmp_path / "run.glass", tmp_path / "killed"
    train(path, epochs=2)
    with RunFile.append(path) as file:
        put(file, 3)
        shutil.copytree(tmp_path, killed)
    before = contents(killed)
    with RunFile.read(killed / "run.glass") as reader:
        assert reader.epochs() == [0, 2, 3]
    after = contents(killed)
    for scratch in (before, after):
        del scratch["run.glass-shm"]  # where readers of now note what they read
    assert after == before
    assert set(after) == {"run.glass", "run.glass-lock", "run.glass-wal"}


def test_a_folder_where_nothing_may_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2)
    monkeypatch.setattr(os, "access", lambda *_: False)  # chmod does not bind root
    with RunFile.read(path) as file:
        assert file.epochs() == [0, 2]
        assert [own.name for own in tmp_path.iterdir()] == ["run.glass"]


def test_a_log_where_nothing_may_be_made(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    assert "check the disk" in str(unreadable_error(path, fault("SQLITE_CANTOPEN")))
    (tmp_path / "run.glass-wal").write_bytes(b"what is not in the file yet")
    told = str(unreadable_error(path, fault("SQLITE_CANTOPEN")))
    assert "a part of it is in run.glass-wal" in told
    assert "copy both files" in told


def test_which_files_are_runs(tmp_path: Path) -> None:
    path, other = tmp_path / "run.glass", tmp_path / "other.db"
    with RunFile.create(path) as file:
        with file.begin():
            pass
        assert is_run(path)  # its mark is not in the file yet
    train(path, epochs=2)
    assert is_run(path)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine(x)")
    database.close()
    assert not is_run(other)
    assert not is_run(tmp_path)
    assert not is_run(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    assert not is_run(tmp_path / "pipe")  # nobody writes to it: to open it would never end


def test_a_folder_is_no_place_for_a_run(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is a folder; name a file in it: record='.*run\.glass'"):
        train(tmp_path)
    x, y = np.zeros((8, 2)), np.arange(8) % 2
    with pytest.raises(OutputError, match=r"is a folder; name a file in it: record='.*run\.glass'"):
        gn.MLPClassifier((3,), record=tmp_path).fit(x, y)
    with pytest.raises(ModelFileError, match="is a folder; name a run file in it"):
        RunFile.read(tmp_path)
    assert list(tmp_path.iterdir()) == []


ROWS = "x,y\n" + "".join(f"{number},{number % 7}\n" for number in range(60))


def test_a_folder_to_record_to(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ROWS)
    result = glassnet("fit", "t.csv", "-t", "y", "--record", ".", folder=tmp_path)
    refused(result, ". is a folder", "--record, like ./run.glass")


def fault(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "free", "parts"),
    [
        ("SQLITE_FULL", 0, ["the disk is full (0 bytes are free in"]),
        ("SQLITE_IOERR_SHMSIZE", 0, ["the disk is full (0 bytes are free in"]),
        ("SQLITE_FULL", 5_000_000_000, ["the disk is full"]),
        ("SQLITE_IOERR_WRITE", 5_000_000_000, ["the disk refused (disk", "quota", "ulimit -f"]),
        ("SQLITE_READONLY", 5_000_000_000, ["cannot be written: disk I/O error"]),
    ],
)
def test_why_the_disk_refuses(
    name: str, free: int, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage(10, 10, free))
    text = unwritable_reason(tmp_path / "run.glass", fault(name))
    assert all(part in text for part in parts), text
    assert ("are free" in text) == (free == 0)


def test_a_record_that_finds_no_room(tmp_path: Path) -> None:
    """A limit on the size of files refuses the run file, before anything is trained."""
    (tmp_path / "t.csv").write_text(ROWS)
    arguments = ("fit", "t.csv", "-t", "y", "--epochs", "2", "-o", "m", "--record", "run.glass")
    result = started(*arguments, folder=tmp_path, file_size=100_000)
    assert result.returncode == 2
    told = result.stderr.splitlines()[-1]  # on a slow machine progress is told before
    assert told.startswith("glassnet: run.glass cannot be written: ")
    assert "bytes: make room, or record to another folder" in told
    assert [own.name for own in tmp_path.iterdir()] == ["t.csv"]


def test_training_says_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise fault("SQLITE_FULL")

    monkeypatch.setattr("glassnet.runs.recorder.put_result", full)
    with pytest.warns(gn.errors.RecordingWarning, match=r"the disk is full; .*`glassnet resume"):
        model, _ = train(tmp_path / "run.glass", epochs=2)
    assert sha(model) == sha(train(epochs=2)[0])

"""Run files that are renamed, removed or replaced while a training writes them.

It ends with a whole file under one of the names, and with a true word about it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import RecordingWarning
from glassnet.runs import moved, recorder
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint
from tests.cli.command import started
from tests.record.common import HALF, data, network, often, sha

EPOCHS = 6


class Act(gn.callbacks.Callback):
    """Does something in the midst of a training."""

    def __init__(self, act: Callable[[], object], epoch: int = 3) -> None:
        self.act, self.epoch = act, epoch

    def epoch_end(self, run: Any) -> None:
        if run.epoch == self.epoch:
            self.act()


def train(path: Path | str, act: Callable[[], object], epoch: int = 3) -> tuple[Any, Any]:
    model = network()
    history = gn.train(
        model, *data(), loss=HALF, optimizer=gn.optim.Adam(lr=0.01), seed=5, epochs=EPOCHS,
        record=path, callbacks=[Act(act, epoch)],
    )  # fmt: skip
    return model, history


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train(tmp_path_factory.mktemp("whole") / "run.glass", lambda: None)


def assert_whole(path: Path, undisturbed: Any) -> None:
    """The file has all of the run, and nothing of it is beside it."""
    model, history = undisturbed
    assert not [own for own in path.parent.iterdir() if own.name.startswith(f"{path.name}-")]
    with RunFile.read(path) as file:
        assert file.rows("PRAGMA integrity_check") == [("ok",)]
        assert file.history()[0] == history.loss
        assert file.values()["ended"]["stopped"] == "epochs"
        result = file.result()
    assert result is not None
    assert result.tobytes() == model.W.tobytes()
    assert sha(gn.resume(path)[0]) == sha(model)


@pytest.mark.parametrize("writes", ["often", "seldom"])
def test_a_file_that_is_renamed(
    writes: str, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if writes == "often":
        often(monkeypatch)
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"
    with pytest.warns(RecordingWarning, match=r"run.glass was renamed to .*kept.glass") as told:
        model, history = train(path, lambda: path.rename(new))
    assert len(told) == 1
    assert sha(model) == sha(undisturbed[0])
    assert [own.name for own in tmp_path.iterdir()] == ["kept.glass"]
    assert_whole(new, undisturbed)
    assert (history.recorded, history.unrecorded) == (str(new), None)
    assert "was renamed to" in history.moved


def test_twice(undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    names = [tmp_path / name for name in ("run.glass", "b.glass", "c.glass", "d.glass")]
    moves = iter(range(3))

    def move() -> None:
        place = next(moves)
        names[place].rename(names[place + 1])

    model = network()
    with pytest.warns(RecordingWarning, match="was renamed to"):
        gn.train(
            model, *data(), loss=HALF, optimizer=gn.optim.Adam(lr=0.01), seed=5, epochs=EPOCHS,
            record=names[0], callbacks=[Act(move, 2), Act(move, 4), Act(move, 6)],
        )  # fmt: skip
    assert [own.name for own in tmp_path.iterdir()] == ["d.glass"]
    assert_whole(names[3], undisturbed)


def test_into_another_folder(undisturbed: Any, tmp_path: Path) -> None:
    path, new = tmp_path / "run.glass", tmp_path / "sub" / "run.glass"
    new.parent.mkdir()
    with pytest.warns(RecordingWarning, match="was renamed to"):
        train(path, lambda: path.rename(new))
    assert [own.name for own in tmp_path.iterdir()] == ["sub"]
    assert_whole(new, undisturbed)


@pytest.mark.parametrize("relative", [False, True])
def test_the_folder_is_renamed(
    relative: bool, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the training works in that folder, whose relative names go on leading there."""
    folder, new = tmp_path / "old", tmp_path / "new"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = Path("run.glass") if relative else folder / "run.glass"
    with pytest.warns(RecordingWarning, match="was renamed to"):
        train(path, lambda: folder.rename(new))
    assert [own.name for own in new.iterdir()] == ["run.glass"]
    assert_whole(new / "run.glass", undisturbed)


def test_the_working_folder_changes(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    train(Path("run.glass"), lambda: monkeypatch.chdir(tmp_path / "other"))
    assert_whole(tmp_path / "run.glass", undisturbed)


@pytest.mark.parametrize("pattern", ["run.glass", "run.glass*", "run.glass-*"])
def test_a_file_that_is_removed_is_written_again(
    pattern: str, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    path = tmp_path / "run.glass"

    def remove() -> None:
        for own in tmp_path.glob(pattern):
            own.unlink()

    if pattern == "run.glass-*":  # the file itself is there: SQLite has all else open
        train(path, remove)
    else:
        with pytest.warns(RecordingWarning, match="run.glass was removed while") as told:
            train(path, remove)
        assert len(told) == 1
    assert [own.name for own in tmp_path.iterdir()] == ["run.glass"]
    assert_whole(path, undisturbed)


def test_a_file_that_is_moved_to_another_disk(undisturbed: Any, tmp_path: Path) -> None:
    """That is a copy of what is in the file by then, and the end of the file."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two disks")
    path, new = tmp_path / "run.glass", other / f"glassnet-{os.getpid()}.glass"
    try:
        with pytest.warns(RecordingWarning, match="was removed while"):
            train(path, lambda: shutil.move(path, new))
        with RunFile.read(new) as file:  # its beginning
            assert file.epochs() == [0]
    finally:
        new.unlink(missing_ok=True)
    assert_whole(path, undisturbed)


def test_a_file_that_another_takes_the_place_of(undisturbed: Any, tmp_path: Path) -> None:
    """A file of the user's is not written over: the run is kept beside it."""
    path, mine = tmp_path / "run.glass", tmp_path / "mine"
    mine.write_text("mine")
    with pytest.warns(RecordingWarning, match=r"replaced by another file.*run\.saved\.glass"):
        _, history = train(path, lambda: mine.rename(path))
    assert path.read_text() == "mine"
    assert history.recorded == str(tmp_path / "run.saved.glass")
    assert_whole(tmp_path / "run.saved.glass", undisturbed)


def test_a_folder_that_is_removed(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    path = tmp_path / "runs" / "run.glass"
    path.parent.mkdir()
    with pytest.warns(RecordingWarning, match="was removed while .* with its folder") as told:
        model, history = train(path, lambda: shutil.rmtree(path.parent))
    assert len(told) == 2  # when it was noticed, and at the end
    assert "training goes on without its record" in str(told[0].message)
    assert history.unrecorded.endswith("with its folder; the model in memory is trained")
    assert sha(model) == sha(undisturbed[0])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_comes_back(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a disk does which is taken away for a while."""
    often(monkeypatch)
    path = tmp_path / "runs" / "run.glass"
    path.parent.mkdir()

    def act() -> None:
        if path.parent.is_dir():
            shutil.rmtree(path.parent)
        else:
            path.parent.mkdir()

    model = network()
    with pytest.warns(RecordingWarning):
        history = gn.train(
            model, *data(), loss=HALF, optimizer=gn.optim.Adam(lr=0.01), seed=5, epochs=EPOCHS,
            record=path, callbacks=[Act(act, 2), Act(act, 4)],
        )  # fmt: skip
    assert history.unrecorded is None
    assert_whole(path, undisturbed)


def test_a_system_that_does_not_know_names(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the file is written wherever it is, and whole after every time."""
    often(monkeypatch)
    monkeypatch.setattr(moved, "_path_of", lambda _: None)
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"
    with pytest.warns(RecordingWarning, match="to where is not known") as told:
        _, history = train(path, lambda: path.rename(new))
    assert len(told) == 1
    assert history.unrecorded is None
    assert [own.name for own in tmp_path.iterdir()] == ["kept.glass"]
    assert_whole(new, undisturbed)


def test_someone_goes_on_with_the_renamed_file(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is that one's then: this training leaves it alone, and says so."""
    often(monkeypatch)
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"

    def act() -> None:
        path.rename(new)
        result = started("resume", new, "--json", folder=tmp_path)
        assert json.loads(result.stdout)["sha256"] == sha(undisturbed[0])

    with pytest.warns(RecordingWarning, match="another program has written to it since"):
        model, history = train(path, act)
    assert sha(model) == sha(undisturbed[0])
    assert "its recording ended there" in history.unrecorded
    assert [own.name for own in tmp_path.iterdir()] == ["kept.glass"]
    assert_whole(new, undisturbed)


def test_someone_is_writing_the_renamed_file(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"
    held: list[RunFile] = []

    def act() -> None:
        path.rename(new)
        held.append(RunFile.append(new))

    with pytest.warns(RecordingWarning, match="is being written by another training run"):
        train(path, act)
    held[0].close()
    assert [own.name for own in tmp_path.iterdir()] == ["kept.glass"]
    assert sha(gn.resume(new, epochs=EPOCHS)[0]) == sha(undisturbed[0])
    assert_whole(new, undisturbed)


def put(file: RunFile, epoch: int) -> None:
    with file.change() as database:
        put_checkpoint(database, Checkpoint(epoch, {"W": np.full(3, epoch)}, {}))


def test_renamed_after_the_last_word(tmp_path: Path, undisturbed: Any) -> None:
    """Between what is written last and the end of the program."""
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"
    train(path, lambda: None)
    file = RunFile.append(path)
    put(file, 9)
    path.rename(new)
    with pytest.warns(RecordingWarning, match="was renamed"):
        file.close()
    assert [own.name for own in tmp_path.iterdir()] == ["kept.glass"]
    with RunFile.read(new) as file:
        assert file.epochs()[-1] == 9


def test_renamed_while_someone_reads(tmp_path: Path) -> None:
    """A reader of the log keeps it from being emptied; nothing is lost meanwhile."""
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"
    train(path, lambda: None)
    file = RunFile.append(path)
    put(file, 7)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT max(epoch) FROM checkpoint").fetchone() == (7,)
        put(file, 8)
        path.rename(new)
        put(file, 9)
        assert reader.execute("SELECT max(epoch) FROM checkpoint").fetchone() == (7,)
    put(file, 10)
    with pytest.warns(RecordingWarning, match="was renamed"):
        file.close()
    with RunFile.read(new) as file:
        assert file.epochs()[-4:] == [7, 8, 9, 10]
        assert file.rows("PRAGMA integrity_check") == [("ok",)]


def test_what_is_written_is_looked_at_between_checkpoints(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is followed within a second or so, however rare checkpoints are."""
    monkeypatch.setattr(recorder, "EVERY", 1.0)
    seen: list[bool] = []
    path, new = tmp_path / "run.glass", tmp_path / "kept.glass"
    ticks = iter(np.arange(0.0, 1000.0, 0.75))
    own = recorder.Recorder.__init__

    def slow(self: Any, *arguments: Any) -> None:
        own(self, *arguments, clock=lambda: float(next(ticks)))
        self._pause = 1e9

    monkeypatch.setattr(recorder.Recorder, "__init__", slow)
    model = network()
    with pytest.warns(RecordingWarning, match="was renamed"):
        gn.train(
            model, *data(), loss=HALF, optimizer=gn.optim.Adam(lr=0.01), seed=5, epochs=EPOCHS,
            record=path, callbacks=[
                Act(lambda: path.rename(new), 2),
                Act(lambda: seen.append((tmp_path / "kept.glass-lock").exists()), 5),
            ],
        )  # fmt: skip
    assert seen == [True]
    assert_whole(new, undisturbed)

"""Runs whose writer was killed, in folders and files that their reader may not write.

They are read with all that was recorded, or not at all; never in the older state that the file has
without its log.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import glassnet as gn
from tests.record.common import often, train

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" and os.geteuid() == 0, reason="modes do not bind the superuser"
)
OVERRIDES = (1, 2)  # Linux's numbers of the powers to write and to read in spite of modes
DROP = 24  # and that of the call that takes them from a process and from what it starts
READ = """
import contextlib, io, json
import glassnet as gn
from glassnet.cli.app import main

told = []
for command in (["runs"], ["show", "run.glass"], ["step", "run.glass", "--epoch", "3"]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(command)
        except SystemExit as end:
            told.append((end.code, out.getvalue(), err.getvalue()))
try:
    told.append((0, str(gn.open_step("run.glass", epoch=3)), ""))
except gn.errors.GlassnetError as error:
    told.append((2, "", f"glassnet: {error}"))
print(json.dumps(told))
"""
BESIDE = "a part of it is in run.glass-wal, which SQLite reads only in a folder that it may write"


def modes_bind() -> None:
    """For a child that is about to run a program: what modes do not allow, it cannot do, though it
    were the superuser's."""
    if os.geteuid() == 0:
        for power in OVERRIDES:
            assert ctypes.CDLL(None).prctl(DROP, power, 0, 0, 0) == 0


def answers(folder: Path) -> list[tuple[int, str, str]]:
    """Status, output and error of every reader."""
    result = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=folder,
        preexec_fn=modes_bind,
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stderr
    return [tuple(own) for own in json.loads(result.stdout)]


class Copies(gn.callbacks.Callback):
    """Copies the files when epoch 4 is over and not recorded yet, as a kill would leave them."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target

    def epoch_end(self, run: Any) -> None:
        if run.epoch == 4:
            shutil.copytree(self.source, self.target)


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two epochs in the file, a third in its log; of the five that were to be."""
    often(monkeypatch)
    source = tmp_path / "source"
    source.mkdir()
    train(source / "run.glass", epochs=2)
    copies = Copies(source, tmp_path / "killed")
    gn.resume(source / "run.glass", epochs=5, callbacks=[copies])
    return tmp_path / "killed"


def copy(
    killed: Path,
    name: str,
    missing: tuple[str, ...] = (),
    folder: int = 0o755,
    file: int = 0o644,
) -> Path:
    made = killed.with_name(name)
    shutil.copytree(killed, made)
    for ending in missing:
        (made / f"run.glass-{ending}").unlink()
    for own in made.iterdir():
        own.chmod(file)
    made.chmod(folder)
    return made


def test_what_there_is_to_read(killed: Path) -> None:
    """And that the file alone would be an older state, which nobody could tell from a right one."""
    _, history = train(epochs=5)
    runs, _, step, opened = answers(copy(killed, "whole"))
    assert runs[::2] == (0, "")
    assert (
        runs[1].splitlines()[0] == f"run.glass  3/5 epochs  unfinished  loss {history.loss[2]:.6g}"
    )
    assert step[0] == opened[0] == 0
    runs, _, step, opened = answers(copy(killed, "old", ("wal", "shm", "lock")))
    assert runs[1].startswith("run.glass  2/2 epochs")
    assert step[0] == opened[0] == 2


@pytest.mark.parametrize("missing", [(), ("shm",)], ids=str)
def test_all_or_an_error(missing: tuple[str, ...], killed: Path) -> None:
    whole = answers(copy(killed, "whole"))
    assert answers(copy(killed, "file", missing, file=0o444)) == whole
    for name, file in (("folder", 0o644), ("both", 0o444)):
        found = answers(copy(killed, name, missing, 0o555, file))
        if not missing:
            assert found == whole
            continue
        assert found[0][:2] == (0, "no run files in .\n")
        assert [own[:2] for own in found[1:]] == [(2, "")] * 3
        assert all(f"{BESIDE}; copy both files to one" in own[2] for own in found)
        moved = killed.with_name(f"{name}, as the error says")
        moved.mkdir()
        for ending in ("", "-wal"):
            shutil.copyfile(
                killed.with_name(name) / f"run.glass{ending}", moved / f"run.glass{ending}"
            )
        assert answers(moved) == whole


def test_a_log_that_may_not_be_read(killed: Path) -> None:
    made = copy(killed, "made", ("shm",))
    (made / "run.glass-wal").chmod(0)
    for _, _, error in answers(made):
        assert "run.glass cannot be read without run.glass-wal, which has a part of it" in error
        assert "chmod" in error


@pytest.mark.parametrize("index", [bytes(32768), b"glassnet" * 4096], ids=["0", "words"])
def test_an_index_of_another_time(index: bytes, killed: Path) -> None:
    """The file -shm may be of before or after the log; who reads alone works it out again."""
    whole = answers(copy(killed, "whole"))
    (killed / "run.glass-shm").write_bytes(index)
    assert answers(copy(killed, "both", (), 0o555, 0o444)) == whole

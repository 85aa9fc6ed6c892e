"""Files that hold streamed rows: none is left, a full disk is told, memory stays small."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import glassnet as gn
from glassnet.errors import OutputError
from glassnet.training import Callback, memmap
from tests.data import HANG
from tests.training.test_stream import CROSS, ROWS, train, written


class Fault(Callback):
    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = folder, ["no epoch"]

    def epoch_end(self, run: Any) -> None:
        self.seen = os.listdir(self.folder)
        raise RuntimeError("planted")


def test_no_file_is_left_however_training_ends(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (tmp_path / "rows").mkdir()
    keep = ["a", "b", "c"]
    given = gn.stream(written(tmp_path / "rows"), target="y", features=keep, scratch=room)
    fault = Fault(room)
    with pytest.raises(RuntimeError, match="planted"):
        train(given, callbacks=[fault])
    assert fault.seen == []
    assert os.listdir(room) == []
    child = f"""
import os, signal, glassnet as gn
from glassnet.training import Callback
class Kill(Callback):
    def epoch_end(self, run): os.kill(os.getpid(), signal.SIGKILL)
given = gn.stream({str(tmp_path / "rows")!r}, "y", features={keep!r}, scratch={str(room)!r})
gn.train(gn.nn.Sequential(gn.nn.Linear(3, 3)), given, loss=gn.losses.CrossEntropy(),
         optimizer=gn.optim.SGD(0.1), epochs=3, callbacks=[Kill()])
"""
    done = subprocess.run([sys.executable, "-c", child], timeout=HANG, check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(room) == []


def test_ctrl_c_while_the_rows_are_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (tmp_path / "rows").mkdir()
    given = gn.stream(written(tmp_path / "rows"), target="y", scratch=room)
    append = memmap.MappedWriter.append

    def interrupted(own: memmap.MappedWriter, parts: Any) -> None:
        append(own, parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(memmap.MappedWriter, "append", interrupted)
    model = gn.nn.Sequential(gn.nn.Linear(4, 3))
    with pytest.raises(KeyboardInterrupt):
        gn.train(model, given, loss=CROSS, optimizer=gn.optim.SGD(0.1), epochs=1)
    assert os.listdir(room) == []


def test_too_little_room_is_told_before_the_rows_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ["a", "b", "c"]
    given = gn.stream(written(tmp_path), target="y", features=keep, scratch=tmp_path)
    usage = type("Usage", (), {"free": ROWS * (3 * 4 + 4) - 1})
    monkeypatch.setattr(memmap.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match=r"the rows take 0.00368 MB .* name a folder with more"):
        train(given)
    usage.free += 1
    train(given)
    absent = gn.stream(tmp_path, target="y", features=keep, scratch=tmp_path / "absent")
    monkeypatch.undo()
    with pytest.raises(OutputError, match=r"absent .*No such file.*scratch="):
        train(absent)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_disk_that_fills_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = gn.stream(written(tmp_path), target="y", features=["a", "b", "c"], scratch=tmp_path)

    def full(dir: str, prefix: str, buffering: int = -1) -> Any:
        return open("/dev/full", "w+b", buffering=buffering)

    monkeypatch.setattr(memmap.tempfile, "TemporaryFile", full)
    with pytest.raises(OutputError, match=r"cannot be written to .*No space left.*scratch="):
        train(given)


def test_the_folder_is_the_chosen_one_then_tmpdir_then_one_on_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert memmap.temporary_folder("/chosen") == "/chosen"
    assert memmap.temporary_folder(None) == "/somewhere"
    monkeypatch.delenv("TMPDIR")
    assert os.path.isdir(memmap.temporary_folder(None))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """208 MB of rows in less than half of that, and not so when they are arrays."""
    part = np.random.default_rng(0).normal(size=(100, 10_000)).astype(np.float32)
    names = [*(f"c{i}" for i in range(99)), "y"]
    table = pa.table(dict(zip(names, part, strict=True)))
    path = tmp_path / "big.parquet"
    copies, found = 52, {}
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as file:
        for _ in range(copies):
            file.write_table(table)
    for way in ("stream", "arrays"):
        child = [sys.executable, str(Path(__file__).with_name("stream_child.py")), str(path), way]
        done = subprocess.run(child, capture_output=True, text=True, timeout=HANG, check=False)
        assert done.returncode == 0, done.stderr
        found[way] = json.loads(done.stdout)
    size = copies * part.nbytes
    assert found["stream"]["loss"] == found["arrays"]["loss"]
    assert found["stream"]["peak"] - found["stream"]["before"] < size / 2
    assert found["arrays"]["peak"] - found["arrays"]["before"] > size

"""A path that is not a plain file, wherever a file is read: an error at once, and nothing waits."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import model_file
from glassnet.cli.resume import arrays, run_arrays
from glassnet.errors import GlassnetError
from glassnet.estimators.tabular.fit_resume import recorded_fit
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.estimators.tabular.target_models import TargetModels
from glassnet.runs.disk import is_run
from tests.data import ROOT

OLD = ROOT / "tests" / "files" / "old"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "odd")
    return folder / "odd"


def linked(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    (folder / "odd").symlink_to("pipe")
    return folder / "odd"


def a_socket(folder: Path) -> Path:
    at = os.getcwd()
    os.chdir(folder)  # addresses of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as own:
            own.bind("odd")
    finally:
        os.chdir(at)
    return folder / "odd"


def sparse(folder: Path) -> Path:
    with (folder / "odd").open("wb") as file:
        file.truncate(10 << 30)
    return folder / "odd"


def sparse_model(folder: Path) -> Path:
    """It begins as a model does, and goes on for ten gigabytes."""
    (folder / "odd").write_bytes((OLD / "classes.safetensors").read_bytes())
    os.truncate(folder / "odd", 10 << 30)
    return folder / "odd"


ODD: dict[str, Callable[[Path], Path]] = {
    "pipe": pipe,
    "link to a pipe": linked,
    "socket": a_socket,
    "endless device": lambda folder: Path("/dev/zero"),
    "empty device": lambda folder: Path("/dev/null"),
    "folder": lambda folder: folder,
    "dangling link": lambda folder: (folder / "odd").symlink_to("nowhere") or folder / "odd",  # type: ignore[func-returns-value]
    "loop of links": lambda folder: (folder / "odd").symlink_to("odd") or folder / "odd",  # type: ignore[func-returns-value]
    "empty file": lambda folder: ((folder / "odd").write_bytes(b"") and None) or folder / "odd",
    "10 GB of zeros": sparse,
    "10 GB after a model": sparse_model,
}
READERS: dict[str, Callable[[Path], Any]] = {
    "model": TableModel.load,
    "models": TargetModels.load,
    "network": gn.load,
    "estimator": gn.TabularClassifier.load,
    "run": gn.resume,
    "step": gn.open_step,
    "fit": recorded_fit,
    "arrays": lambda path: arrays(str(path)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_of_that_kind_is_refused_at_once(
    kind: str, reader: str, tmp_path: Path
) -> None:
    path = ODD[kind](tmp_path)
    found: list[BaseException | None] = []

    def read() -> None:
        try:
            READERS[reader](path)
            found.append(None)
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=read, daemon=True)  # one that waits would wait for ever
    thread.start()
    thread.join(60)
    assert len(found) == 1, "it waits"
    assert isinstance(found[0], GlassnetError), repr(found[0])
    assert path.name in str(found[0])


def test_a_link_to_a_model_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(OLD / "classes.safetensors")
    assert TableModel.load(tmp_path / "link").schema.target.name == "level"


def test_arrays_are_read_from_a_plain_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.eye(2), y=np.ones(2))
    assert arrays(str(tmp_path / "d.npz"))["x"].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("kind", ["pipe", "socket", "endless device", "folder"])
def test_no_run_is_looked_for_in_it(kind: str, tmp_path: Path) -> None:
    path = ODD[kind](tmp_path)
    assert not is_run(path)
    with pytest.raises(GlassnetError):
        run_arrays(str(OLD / "train.glass"), str(path))


def test_a_large_model_is_looked_at_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "_AT_ONCE", 100)
    content = (OLD / "classes.safetensors").read_bytes()
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    assert TableModel.load(path).network.W.size > 0
    path.write_bytes(content + bytes(8))
    with pytest.raises(gn.nn.module.GlassnetError, match="a length other than"):  # type: ignore[attr-defined]
        TableModel.load(path)

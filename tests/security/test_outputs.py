"""No file that a command writes is one that it reads, or writes for something else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from glassnet import outputs
from glassnet.errors import OutputError
from glassnet.estimators.tabular.fit_record import check_recordable
from glassnet.outputs import FileUse, check_apart, check_writable
from tests.record.common import seldom, train

NAMES = [
    "run.glass", "run.glass-wal", "run.glass-shm", "run.glass-journal", "run.glass-lock",
    "run.phase2.glass", "run.phase2.glass-wal", "run.phase3.glass", "run.phase3.glass-lock",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", ["its name", "a detour", "a link", "a link to the folder"])
def test_a_model_in_the_place_of_a_record(name: str, by: str, tmp_path: Path) -> None:
    ways: dict[str, Callable[[], Path]] = {
        "its name": lambda: tmp_path / name,
        "a detour": lambda: tmp_path / "x" / ".." / name,
        "a link": lambda: linked(tmp_path / "m", tmp_path / name),
        "a link to the folder": lambda: linked(tmp_path / "y", tmp_path) / name,
    }
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputError, match="would be the model file and a"):
        check_recordable(tmp_path / "run.glass", 3, ways[by]())


def linked(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_table_in_the_place_of_a_record(name: str, tmp_path: Path) -> None:
    table, other = tmp_path / name, tmp_path / "t.csv"
    table.write_text("x,y\n1,2\n")
    os.link(table, other)  # the same file by another name
    for own in (table, other):
        with pytest.raises(OutputError, match="is read by this command"):
            check_recordable(tmp_path / "run.glass", 3, tmp_path / "m", [FileUse(own, "the table")])
    assert table.read_text() == "x,y\n1,2\n"


def test_names_that_differ_in_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are one where the folder takes them for one, and two where it does not."""
    uses = [FileUse(tmp_path / "M", "the model"), FileUse(tmp_path / "m", "the report")]
    check_apart(uses, [], "-o")
    monkeypatch.setattr(outputs, "_ignores_case", lambda _: True)
    with pytest.raises(OutputError, match="would be the model and the report"):
        check_apart(uses, [], "-o")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run.glass"
    with pytest.MonkeyPatch.context() as patch:
        seldom(patch)
        train(path, epochs=1)
    return path


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal", "-lock"])
def test_other_runs_are_not_written_over(ending: str, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.glass"
    shutil.copy(run, path)
    with pytest.raises(OutputError, match=r"is a run file|would be taken for a part of"):
        check_writable(f"{path}{ending}")
    with pytest.raises(OutputError, match=r"is a run file|would be taken for a part of"):
        check_writable(linked(tmp_path / "m", Path(f"{path}{ending}")))
    check_writable(tmp_path / "free-wal")


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal", "-lock"])
def test_a_run_is_not_recorded_as_a_part_of_another(ending: str, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.glass"
    shutil.copy(run, path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"would be taken for a part of other\.glass"):
        train(Path(f"{path}{ending}"), epochs=1)
    with pytest.raises(OutputError, match=r"would be taken for a part of other\.glass"):
        check_writable(f"{path}{ending}", option="--record")
    assert path.read_bytes() == before
    assert [own.name for own in tmp_path.iterdir()] == ["other.glass"]
    train(tmp_path / f"alone{ending}", epochs=1)  # a name like any other

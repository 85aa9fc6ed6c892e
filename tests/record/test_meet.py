"""Two programs that meet at one run file: each ends with whole files and with a true word."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from glassnet.runs.file import RunFile
from tests.cli.command import glassnet, refused
from tests.data import HANG, ROOT
from tests.drawn import EVERY
from tests.record import meeting

ROWS = "x,y\n" + "".join(f"{number},{number % 7}\n" for number in range(60))


class Child:
    """The program of meeting.py, which waits after its first epoch."""

    def __init__(self, what: str, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "tests.record.meeting", what, *map(str, arguments)]
        around = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> dict[str, Any]:
        """Let it go on to its end."""
        out, _ = self.process.communicate("\n", timeout=300)
        assert self.process.returncode == 0
        return json.loads((self.first + out).splitlines()[-1])


def ended(what: str, *arguments: str | Path) -> dict[str, Any]:
    """The same program to its end, in this process; `make nightly` starts one for it."""
    if EVERY:
        with Child(what, *arguments) as child:
            return child.end()
    out = io.StringIO()
    with mock.patch.object(sys, "stdin", io.StringIO("\n")), contextlib.redirect_stdout(out):
        meeting.main(what, *map(str, arguments))
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(ROWS)
    return path


def files(folder: Path) -> set[str]:
    return {own.name for own in folder.iterdir()}


def assert_whole(path: Path) -> None:
    with RunFile.read(path) as file:
        assert file.rows("PRAGMA integrity_check") == [("ok",)]
        assert file.values()["ended"] is not None
        assert file.result() is not None


def test_others_meet_a_fit(table: Path, tmp_path: Path) -> None:
    """From its first moment, while the score is taken in folds, to its end: all its files are its
    own; who reads is not kept from it."""
    path = tmp_path / "run.glass"
    with Child("older fit", path, table) as first:
        assert first.first == "ready\n"
        holder = f"(process {first.process.pid})"
        fit = ("fit", table, "-t", "y", "--epochs", "2")
        for record in ("run.glass", "run.phase2.glass"):
            result = glassnet(*fit, "--record", record, folder=tmp_path)
            refused(result, "is being written by another training run", holder, "wait until")
        assert not (tmp_path / "t.safetensors").exists()
        resumed = glassnet("resume", path, table, "-o", "m", folder=tmp_path)
        refused(resumed, "another training run", holder)
        for what in ("train", "estimator"):
            assert holder in ended(what, path)["error"]
        assert holder in ended("train", tmp_path / "run.phase3.glass")["error"]
        result = glassnet("runs", folder=tmp_path)
        assert result.stdout.startswith("run.glass  0/2 epochs  unfinished")
        refused(glassnet("step", path, folder=tmp_path), "before its first step", status=1)
        told = first.end()
    assert files(tmp_path) == {"t.csv", *(Path(own).name for own in told["runs"])}
    for own in told["runs"]:
        assert_whole(Path(own))
    assert ended("older fit", tmp_path / "alone.glass", table)["sha256"] == told["sha256"]


def test_others_meet_a_fit_of_a_pack(table: Path, tmp_path: Path) -> None:
    """The default recipe trains once, so that the record holds steps while the fit goes on."""
    path = tmp_path / "run.glass"
    with Child("fit", path, table) as first:
        assert first.first == "ready\n"
        holder = f"(process {first.process.pid})"
        fit = ("fit", table, "-t", "y", "--epochs", "2", "--record", "run.glass")
        refused(glassnet(*fit, folder=tmp_path), "another training run", holder, "wait until")
        refused(glassnet("resume", path, table, "-o", "m", folder=tmp_path), holder)
        for what in ("train", "estimator"):
            assert holder in ended(what, path)["error"]
        assert glassnet("runs", folder=tmp_path).stdout.startswith("run.glass  ")
        step = glassnet("step", path, folder=tmp_path)
        assert step.returncode == 0, step.stderr
        told = first.end()
    assert files(tmp_path) == {"t.csv", "run.glass"}
    assert_whole(path)
    assert ended("fit", tmp_path / "alone.glass", table)["sha256"] == told["sha256"]


@pytest.mark.parametrize("what", ["train", "estimator"])
def test_others_meet_a_training(what: str, table: Path, tmp_path: Path) -> None:
    path, link = tmp_path / "run.glass", tmp_path / "link.glass"
    with Child(what, path) as first:
        assert first.first == "ready\n"
        holder = f"(process {first.process.pid})"
        fit = ("fit", table, "-t", "y", "--record", path)
        refused(glassnet(*fit, folder=tmp_path), holder)
        refused(glassnet("resume", path, folder=tmp_path), holder)
        assert holder in ended(what, path)["error"]
        link.symlink_to(path)  # the same file by another name
        assert holder in ended(what, link)["error"]
        link.unlink()
        result = glassnet("step", path, folder=tmp_path)
        assert result.returncode == 0, result.stderr
        first.end()
    assert files(tmp_path) == {"t.csv", "run.glass"}
    assert_whole(path)


def test_several_go_on_with_one_run(tmp_path: Path) -> None:
    """Of many that come at once one goes on, and the others are told so."""
    path = tmp_path / "run.glass"
    ended("train", path)
    command = [sys.executable, "-m", "glassnet", "resume", str(path), "--epochs", "300", "--json"]
    around = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, env=around, **pipes) for _ in range(3)]
    ends = [(*own.communicate(timeout=300), own.returncode) for own in running]
    done = [json.loads(out) for out, _, status in ends if status == 0]
    assert done
    assert all("another training run" in err for _, err, status in ends if status)
    assert {own["sha256"] for own in done} == {done[0]["sha256"]}
    assert files(tmp_path) == {"run.glass"}
    assert_whole(path)


def rename(path: Path) -> Path:
    return path.rename(path.with_name("kept.glass"))


def remove(path: Path) -> Path:
    path.unlink()
    return path


@pytest.mark.parametrize("act", [rename, remove])
def test_a_training_whose_file_is_taken_away(act: Callable[[Path], Path], tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    with Child("train", path) as first:
        assert first.first == "ready\n"
        place = act(path)
        first.end()
    assert files(tmp_path) == {place.name}
    assert_whole(place)


RENAMING = """
import os, sys
from glassnet.cli import main
from glassnet.estimators.tabular import phases, rung

train, stops = rung.train_in_phases, phases._stops


class Rename:
    def epoch_end(self, run):
        if os.path.exists("run.glass"):
            os.rename("run.glass", "kept.glass")


def recorded(*arguments, record=None, **settings):
    if record is not None:  # the last training; those of the score are not recorded
        phases._stops = lambda *given: [*stops(*given), Rename()]
    return train(*arguments, record=record, **settings)


rung.train_in_phases = recorded
main(sys.argv[1:])
"""


def test_a_fit_whose_file_is_renamed(table: Path, tmp_path: Path) -> None:
    """It says so at its end, lists the file by its new name, and resume finds all of it there."""
    command = ["fit", "t.csv", "-t", "y", "--epochs", "3", "--record", "run.glass", "-o", "m"]
    around = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(
        [sys.executable, "-c", RENAMING, *command, "--json"], cwd=tmp_path, env=around,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["runs"] == ["kept.glass"]
    assert "run.glass was renamed to" in result.stderr.splitlines()[-1]
    assert "was renamed to" in told["moved"]
    assert files(tmp_path) == {"t.csv", "kept.glass", "m"}
    again = glassnet("resume", "kept.glass", "-o", "m2", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "m2").read_bytes() == (tmp_path / "m").read_bytes()


MEETING = """
import sys
from pathlib import Path
from glassnet.cli import main
from glassnet.estimators.tabular import rung

train = rung.train_in_phases


def meanwhile(*arguments, **settings):
    Path("m").write_text("what another program has written")
    return train(*arguments, **settings)


rung.train_in_phases = meanwhile
main(sys.argv[1:])
"""


def test_two_fits_that_write_one_model(table: Path, tmp_path: Path) -> None:
    """The last one wins, with a whole file, and says so; alone it says nothing."""
    command = ["fit", "t.csv", "-t", "y", "--epochs", "3", "-o", "m", "--json"]
    around = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(
        [sys.executable, "-c", MEETING, *command], cwd=tmp_path, env=around,
        capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "m was written by another program while this command ran" in result.stderr
    both = (tmp_path / "m").read_bytes()
    alone = glassnet(*command, folder=tmp_path)
    assert "another program" not in alone.stderr
    assert (tmp_path / "m").read_bytes() == both

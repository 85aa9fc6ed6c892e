"""Commands that are given a hostile file end with one sentence, soon, and write nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data import ROOT
from tests.security.canary import Canary, attacked
from tests.security.mutations import deep
from tests.security.test_fuzz_files import altered, changed, fresh, setting

OLD = ROOT / "tests" / "files" / "old"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 << 30)


def model(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(altered(name, change)) and None


def run(key: str, value: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        fresh("train.glass", path)
        changed(path, key, value)

    return make


MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (pipe, "it is a pipe"),
    "ten gigabytes": (sparse, "is not a model file"),
    "deep JSON": (model("schema", setting("columns", 0, "name", to=deep(100_000))), "deeper than"),
    "no such class": (model("schema", setting("target", "common", to=99)), "common is 99"),
    "a title for the terminal": (
        model("network", setting("dtype", to="\x1b]0;x\x07")), "network.dtype is '\\x1b]0;x\\x07'",
    ),
}  # fmt: skip
RUNS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no batch": (run("batch_size", 0), "batch_size is 0"),
    "a layer for an optimiser": (run("optimizer", {"class": "Linear"}), "a Linear where Optimizer"),
    "a huge model": (
        run("model", {"class": "Linear", "fan_in": 2**40, "fan_out": 2**20}), "is of another one",
    ),
    "deep JSON": (run("model", deep(100_000)), "deeper than"),
}  # fmt: skip


@pytest.mark.parametrize("what", MODELS)
def test_a_hostile_model(what: str, tmp_path: Path) -> None:
    canary = Canary(tmp_path / "home")
    make, told = MODELS[what]
    path = tmp_path / "m.safetensors"  # outside of what is watched, which is read for it
    make(path)
    shutil.copy(OLD / "table.csv", canary.here)
    for command in ("predict", "evaluate"):
        attacked(command, path, "table.csv", canary=canary).harmless(told)


@pytest.mark.parametrize("what", RUNS)
def test_a_hostile_run(what: str, tmp_path: Path) -> None:
    canary = Canary(tmp_path / "home")
    make, told = RUNS[what]
    make(canary.here / "r.glass")
    for command in ("resume", "step"):
        found = attacked(command, "r.glass", canary=canary, named=["r.glass", "r.glass-wal"])
        found.harmless(told, status=(1, 2))

"""Killed at random moments, a run ends with the same bits, and its file is never lost.

GLASSNET_KILLS says how many kills there are; `make kill` asks for 200.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from glassnet.runs.file import RunFile
from tests.data import HANG, ROOT

KILLS = int(os.environ.get("GLASSNET_KILLS", "10"))
EPOCHS = 3000
A_RUN = 10  # kills before a run is left to end


def start(path: Path, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.record.child", str(path), str(EPOCHS)]
    around = {**os.environ, "GLASSNET_CACHE_DIR": str(cache)}
    return subprocess.Popen(command, cwd=ROOT, env=around, stdout=subprocess.PIPE, text=True)


def finished(path: Path, cache: Path) -> str:
    child = start(path, cache)
    output, _ = child.communicate(timeout=HANG)
    assert child.returncode == 0
    return output.split()[-1]


def kill(path: Path, cache: Path, chance: random.Random, seconds: float) -> None:
    """Start, and kill at a moment from well before to well into the training."""
    child = start(path, cache)
    assert child.stdout is not None
    if chance.random() < 0.8:
        child.stdout.readline()  # ready
        time.sleep(chance.uniform(0.0, seconds))
    else:
        time.sleep(chance.uniform(0.1, 0.6))
    child.kill()
    child.communicate()


def test_kills(tmp_path: Path) -> None:
    chance = random.Random(KILLS)
    before = time.perf_counter()
    whole = finished(tmp_path / "whole.glass", tmp_path)
    seconds = (time.perf_counter() - before) / 4
    with RunFile.read(tmp_path / "whole.glass") as file:
        history = file.history()
    assert len(history[0]) == EPOCHS
    for run in range(-(-KILLS // A_RUN)):
        path = tmp_path / f"run{run}.glass"
        for _ in range(min(A_RUN, KILLS - run * A_RUN)):
            kill(path, tmp_path, chance, seconds)
        assert finished(path, tmp_path) == whole
        with RunFile.read(path) as file:
            assert file.history() == history

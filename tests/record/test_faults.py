"""A disk that fails, or a process that dies, at a system call of the run file: nothing is lost.

In: every so many of the calls (all with GLASSNET_FAULTS=1, `make kill`). Out: a failure where
training crashed, the file was not whole, or the run did not end with the undisturbed bits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.data import ROOT
from tests.record.faulty import KINDS

EACH = os.environ.get("GLASSNET_FAULTS", "67")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="needs Linux and gcc"
)


def found(folder: Path) -> list[dict[str, Any]]:
    library, source = folder / "faults.so", Path(__file__).with_name("faults.c")
    compiler = ["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(compiler, check=True)
    around = {
        **os.environ, "LD_PRELOAD": str(library), "FAULTS_FOLDER": str(folder / "disk"),
        "GLASSNET_CACHE_DIR": str(folder / "cache"),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.record.faulty", str(library), str(folder), EACH]
    child = subprocess.run([*command, *KINDS], cwd=ROOT, env=around, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return [json.loads(line) for line in child.stdout.splitlines()]


def wrong(run: dict[str, Any], clean: dict[str, Any]) -> bool:
    first, last, before = run["first"], run["last"], run["state"]
    done = not first or "crash" in first or ("error" not in first and first["sha"] == clean["sha"])
    return (
        "crash" in first
        or not (done or "error" in first)
        or before["whole"] not in ("ok", "absent", "unread")
        or (before["whole"] != "ok" and run["resumed"])
        or "error" in last
        or (last.get("sha"), last.get("loss")) != (clean["sha"], clean["loss"])
    )


def test_a_fault_at_a_system_call_loses_nothing(tmp_path: Path) -> None:
    runs = found(tmp_path)
    clean = next(run["clean"]["first"] for run in runs if "clean" in run)
    tried = [run for run in runs if "kind" in run]
    assert {run["kind"] for run in tried} == set(KINDS)
    assert [run for run in tried if wrong(run, clean)] == []

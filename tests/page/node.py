"""Runs the page's JavaScript in Node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glassnet import page
from glassnet.llvm.wasm import Mode
from glassnet.page.fragments import Built
from tests.wasm.node import NODE, flags

WEB = Path(page.__file__).parent / "web"


def run(script: str, folder: Path, made: Built, mode: Mode, jobs: Sequence[Any]) -> list[Any]:
    """What a script of this folder makes of jobs, with the library and the module of a mode."""
    assert NODE is not None
    library = {"fragments": made.fragments, "scratch": made.scratch}
    (folder / "library.json").write_text(json.dumps(library))
    (folder / f"{mode}.wasm").write_bytes(made.modules[mode])
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [NODE, *flags(), Path(__file__).with_name(script), WEB, folder, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "results.json").read_text())

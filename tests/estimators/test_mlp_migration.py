"""The script that proves the swap runs, on a table too, and finds the two libraries to agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.data import ROOT


def test_the_script_on_a_table(tmp_path: Path) -> None:
    lines = [f"{i % 7},{'ab'[i % 2]},{('no', 'yes')[i % 7 > 3]}" for i in range(120)]
    (tmp_path / "table.csv").write_text("\n".join(["size,kind,good", *lines]) + "\n")
    command = [sys.executable, ROOT / "examples" / "migration.py", "table.csv", "good"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MLPClassifier, 90 rows, 3 columns\n")
    assert "test rows with the same answer: 30 of 30" in done.stdout
    gap = re.search(r"largest difference of a weight: (\S+)", done.stdout)
    assert gap is not None
    assert float(gap[1]) < 1e-9

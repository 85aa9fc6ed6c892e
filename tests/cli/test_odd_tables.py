"""Tables with numbers far from 1 and with long texts: what is printed and written stays right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import glassnet


@pytest.mark.parametrize("unit", ["e-50", "e9", "e50"])
def test_predicted_numbers_tell_all_that_the_network_does(tmp_path: Path, unit: str) -> None:
    # 17 digits of a column of numbers that float32 rounds to one or two values, to 0 or to inf
    near = [f"1.70000000{place:02d}{unit}" for place in range(40)] * 2
    rows = "".join(f"{place % 40},{text}\n" for place, text in enumerate(near))
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    fitted = glassnet("fit", "t.csv", "-t", "y", "--epochs", "30", folder=tmp_path)
    assert fitted.returncode == 0, fitted.stderr
    lines = glassnet("predict", "t.safetensors", "t.csv", folder=tmp_path).stdout.split()[1:]
    exact = glassnet("predict", "t.safetensors", "t.csv", "--json", folder=tmp_path).stdout
    wanted = np.array(json.loads(exact)["predictions"])
    spread = np.std([float(text) for text in near])
    assert np.abs(np.array(lines, float) - wanted).max() < 1e-7 * spread
    assert max(map(len, lines)) <= 22


def test_a_long_line_of_the_table_leaves_the_other_columns_whole(tmp_path: Path) -> None:
    classes = [f"a class with the long name {place}" for place in range(6)]
    rows = "".join(f"{place % 7},{classes[place % 6]}\n" for place in range(60))
    (tmp_path / "t.csv").write_text("size,y\n" + rows)
    result = glassnet("fit", "t.csv", "-t", "y", "--epochs", "1", folder=tmp_path)
    _, _, header, size, target, *_ = result.stdout.splitlines()
    assert header.split() == ["column", "kind", "missing", "inputs", "values"]
    assert size.split() == ["size", "number", "1", "0", "…", "6,", "median", "3"]
    assert target.split()[:4] == ["y", "target", "6", "classes:"]
    assert target.endswith("…")

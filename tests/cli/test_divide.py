"""Groups, time and test tables on the command line; a resumed fit keeps them to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glassnet.ops import philox
from tests.cli.command import here
from tests.drawn import drawn


def write(path: Path, rows: int, seed: int = 4, header: str = "who,when,a,b,y") -> Path:
    x = philox.normal(rows * 2, seed).reshape(rows, 2)
    lines = [
        f"p{row % 40},2024-{row % 12 + 1:02d}-{row % 28 + 1:02d},{a:.4f},{b:.4f},{a * b:.4f}"
        for row, (a, b) in enumerate(x)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


WAYS = [
    (["--group", "who"], 300, {"group": "who"}),
    (["--group", "who"], 2200, {"group": "who"}),
    (["--order", "when"], 300, {"order": "when"}),
    (["--order", "when", "--kind", "when=drop"], 2200, {"order": "when"}),
    (["--test", "test.csv"], 300, {"test": "test.csv"}),
    (["--test", "test.csv", "--group", "who"], 2200, {"group": "who", "test": "test.csv"}),
    (["--equal-rows", "together", "--kind", "a=drop"], 300, {}),
]


@pytest.mark.parametrize(("way", "rows", "told"), drawn(WAYS, 3, "divisions"))
def test_resumed_to_the_same_bytes(
    way: list[str], rows: int, told: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "t.csv", rows)
    write(tmp_path / "test.csv", 100, seed=9)
    begin = ["fit", "t.csv", "-t", "y", *way, "--json"]
    whole = here(*begin, "-o", "whole.safetensors", "--epochs", "6", folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    found = json.loads(whole.stdout)
    assert found["division"] == told
    first = [*begin, "-o", "m.safetensors", "--record", "r.glass", "--epochs", "2"]
    assert here(*first, folder=tmp_path).returncode == 0
    resumed = here("resume", "r.glass", "--epochs", "6", "--json", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    again = json.loads(resumed.stdout)
    assert again["score"] == found["score"]
    assert again["scored_on"] == found["scored_on"]
    names = "whole.safetensors", "m.safetensors"
    first_bytes, second = ((tmp_path / name).read_bytes() for name in names)
    assert first_bytes == second
    assert here("check", "r.glass", folder=tmp_path).returncode == 0


def test_a_test_table_that_was_moved_or_changed(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", 100)
    write(tmp_path / "test.csv", 50, seed=9)
    begin = ["fit", "t.csv", "-t", "y", "--test", "test.csv", "--record", "r.glass"]
    assert here(*begin, "--epochs", "2", folder=tmp_path).returncode == 0
    (tmp_path / "test.csv").rename(tmp_path / "elsewhere.csv")
    lost = here("resume", "r.glass", "--epochs", "4", folder=tmp_path)
    assert lost.returncode == 2
    assert "--test TABLE" in lost.stderr
    found = here("resume", "r.glass", "--epochs", "4", "--test", "elsewhere.csv", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    write(tmp_path / "elsewhere.csv", 50, seed=10)
    other = here("resume", "r.glass", "--epochs", "5", "--test", "elsewhere.csv", folder=tmp_path)
    assert other.returncode == 2
    assert "another SHA-256" in other.stderr


def test_a_run_file_does_not_choose_the_test_table(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write(folder / "t.csv", 100)
    write(tmp_path / "test.csv", 50, seed=9)
    begin = ["fit", "t.csv", "-t", "y", "--test", "../test.csv", "--record", "r.glass"]
    assert here(*begin, "--epochs", "2", folder=folder).returncode == 0
    far = here("resume", "r.glass", "--epochs", "4", folder=folder)
    assert far.returncode == 2
    assert "outside its folder" in far.stderr


def test_what_is_said(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", 300)
    found = here("fit", "t.csv", "-t", "y", "--group", "who", "--epochs", "2", folder=tmp_path)
    assert "column 'who' has 40 groups, each of which stays on one side" in " ".join(
        found.stdout.split()
    )
    assert "by a network trained without it and others of its 'who'" in " ".join(
        found.stdout.split()
    )
    plain = here("fit", "t.csv", "-t", "y", "--epochs", "2", folder=tmp_path)
    assert plain.returncode == 0
    wrong = here("fit", "t.csv", "-t", "y", "--equal-rows", "never", folder=tmp_path)
    assert wrong.returncode == 2
    assert "together or apart" in wrong.stderr


def test_evaluate_says_what_training_has_seen(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", 300)
    assert here("fit", "t.csv", "-t", "y", "--epochs", "2", folder=tmp_path).returncode == 0
    found = here("evaluate", "t.safetensors", "t.csv", folder=tmp_path)
    assert "all 300 rows were in the training table" in found.stdout
    told = json.loads(here("evaluate", "t.safetensors", "t.csv", "--json", folder=tmp_path).stdout)
    assert told["seen_rows"] == 300
    assert told["remarks"][0]["rule"] == "seen rows"
    write(tmp_path / "new.csv", 200, seed=8)
    fresh = here("evaluate", "t.safetensors", "new.csv", folder=tmp_path)
    assert "training table" not in fresh.stdout
    text = (tmp_path / "t.csv").read_text() + (tmp_path / "new.csv").read_text().partition("\n")[2]
    (tmp_path / "both.csv").write_text(text)
    both = here("evaluate", "t.safetensors", "both.csv", folder=tmp_path)
    assert "300 of 500 rows were in the training table" in both.stdout
    assert "on 200 rows that training had not seen" in both.stdout
    test = here(
        "fit", "t.csv", "-t", "y", "--test", "both.csv", "--epochs", "2", folder=tmp_path
    )  # fmt: skip
    assert "300 of 500 rows were in the training table" in test.stdout


def test_predictions_beside_columns_of_the_table(tmp_path: Path) -> None:
    text = "id,a,b,y\n" + "".join(
        f"row {n},{n},{n * 7 % 13},{'up' if n % 2 else 'down'}\n" for n in range(40)
    )
    (tmp_path / "t.csv").write_text(text + "=1+1,,3,up\n")
    assert here("fit", "t.csv", "-t", "y", "--epochs", "1", folder=tmp_path).returncode == 0
    plain = here("predict", "t.safetensors", "t.csv", "-o", "p.csv", folder=tmp_path)
    kept = here(
        "predict", "t.safetensors", "t.csv", "--keep", "id", "--keep", "a", "-o", "k.csv",
        folder=tmp_path,
    )  # fmt: skip
    assert plain.returncode == kept.returncode == 0
    assert "begins like a formula" in kept.stderr
    bare, beside = ((tmp_path / name).read_text().splitlines() for name in ("p.csv", "k.csv"))
    assert beside[0] == "id,a," + bare[0]
    assert beside[1] == "row 0,0," + bare[1]
    assert beside[-1] == "=1+1,," + bare[-1]
    wrong = here("predict", "t.safetensors", "t.csv", "--keep", "ids", folder=tmp_path)
    assert wrong.returncode == 2
    assert "did you mean 'id'" in wrong.stderr

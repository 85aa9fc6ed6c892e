"""Bad input: one sentence with cause, place and way out, exit status 2, and nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import Result, glassnet, here, refused, started

GOOD = "x,c,y\n" + "".join(f"{n * 7 % 13}.5,{'ab'[n % 2]},{'pq'[n % 3 == 0]}\n" for n in range(40))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "good.csv").write_text(GOOD)
    result = glassnet("fit", "good.csv", "-t", "y", "--epochs", "1", folder=folder)
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(folder)) == ["good.csv", "good.safetensors"]
    return folder / "good.safetensors"


def rows(cell: str, at: int = 4) -> bytes:
    """The good table with another x in one row."""
    lines = GOOD.splitlines()
    lines[at] = cell + lines[at][lines[at].index(",") :]
    return "\n".join(lines).encode()


HEAD = GOOD.encode()
TABLES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty file": (b"", ("bad.csv is empty", "header line and rows")),
    "header only": (b"x,c,y\n", ("header line but no rows", "add rows")),
    "longer rows": (HEAD + b"1,a,p,q\n" * 30, ("line 42 (row 41)", "4 fields", "header has 3")),
    "shorter rows": (HEAD + b"1,a\n" * 30, ("line 42 (row 41)", "2 fields", "'y'")),
    "every row shorter": (b"x,c,y\n1,p\n3,q\n", ("every row has 2 fields", "--delimiter")),
    "unclosed quote": (HEAD + b'"1,a,p\n', ("line 42 (row 41, column 1 'x')", "never closed")),
    "NUL bytes": (HEAD + b"1,\0,p\n", ("line 42 (row 41, column 2 'c')", "NUL", "UTF-8")),
    "unknown target": (b"x,Y1\n1,p\n2,q\n", ("no column 'y'", "did you mean 'Y1'")),
    "one class": (GOOD.replace(",q", ",p").encode(), ("'y' is 'p' in every row", "different")),
    "no target at all": (b"x,y\n1,\n2,\n", ("'y' has no value",)),
    "too few rows": (b"x,y\n1,p\n2,q\n3,p\n", ("3 rows", "at least 10 rows")),
    "a page": (b"<!DOCTYPE html>\n<html><table>", ("saved web page", "CSV")),
    "a damaged zip": (b"PK\x03\x04" + bytes(50), ("damaged", "zip")),
    "a damaged gzip": (b"\x1f\x8b\x08\x00" + bytes(50), ("gzip", "fetch it again")),
    "a damaged Parquet": (b"PAR1" + bytes(50) + b"PAR1", ("bad.csv cannot be read",)),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table(tmp_path: Path, name: str) -> None:
    content, parts = TABLES[name]
    (tmp_path / "bad.csv").write_bytes(content)
    refused(here("fit", "bad.csv", "--target", "y", folder=tmp_path), "bad.csv", *parts)
    assert os.listdir(tmp_path) == ["bad.csv"]


def test_na_can_be_missing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(rows("NA"))
    arguments = ("fit", "t.csv", "-t", "y", "--missing", "NA", "--epochs", "1")
    result = glassnet(*arguments, folder=tmp_path)
    assert result.returncode == 0, result.stderr


USES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "missing file": (("fit", "none.csv", "-t", "y"), ("none.csv does not exist", "check")),
    "a folder": (("fit", ".", "-t", "y"), ("is a folder", "name a file")),
    "no target": (("fit", "good.csv"), ("--target", "glassnet fit --help")),
    "no table": (("fit",), ("TABLE", "--help")),
    "unknown option": (("fit", "good.csv", "-t", "y", "--best"), ("--best", "--help")),
    "unknown command": (("guess",), ("guess", "--help")),
    "endless": (("fit", "good.csv", "-t", "y", "--time", "9" * 400 + "h"), ("duration", "60s")),
    "epochs beyond files": (
        ("fit", "good.csv", "-t", "y", "--epochs", f"{(1 << 40) + 1}"),
        ("--epochs",),
    ),
    "no duration": (("fit", "good.csv", "-t", "y", "--time", "soon"), ("'soon'", "60s")),
    "no kind": (("fit", "good.csv", "-t", "y", "--kind", "x"), ("COLUMN=KIND",)),
    "unknown kind": (("fit", "good.csv", "-t", "y", "--kind", "x=int"), ("'int'", "number")),
    "no epochs": (("fit", "good.csv", "-t", "y", "--epochs", "0"), ("--epochs", "--help")),
    "long delimiter": (("fit", "good.csv", "-t", "y", "--delimiter", "::"), ("one character",)),
    "bad query": (("fit", "good.csv", "-t", "y", "--sql", "SELEC"), ("syntax error",)),
    "no such folder": (("fit", "good.csv", "-t", "y", "-o", "no/m"), ("no/m", "create it first")),
    "output a folder": (("fit", "good.csv", "-t", "y", "-o", "."), ("is a folder", "-o")),
    "output the table": (("fit", "good.csv", "-t", "y", "-o", "./good.csv"), ("is read by", "-o")),
    "a device": (("fit", "/dev/zero", "-t", "y"), ("pipe or a device", "save")),
    "no place": (("fit", "good.csv", "-t", "y", "-o", "/proc/m"), ("/proc/m", "-o")),
    "model missing": (("predict", "none", "good.csv"), ("none does not exist",)),
    "model is a table": (("predict", "good.csv", "good.csv"), ("not a model file", "fit")),
    "unknown data set": (("data", "mars"), ("'mars'", "iris")),
}


@pytest.mark.parametrize("name", USES)
def test_wrong_use(tmp_path: Path, name: str) -> None:
    arguments, parts = USES[name]
    (tmp_path / "good.csv").write_text(GOOD)
    refused(here(*arguments, folder=tmp_path), *parts)
    assert os.listdir(tmp_path) == ["good.csv"]


def test_a_column_missing_at_prediction(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("c,X\na,1\n")
    result = started("predict", model, "t.csv", "-o", "out.csv", folder=tmp_path)
    refused(result, "lacks the column 'x'", "t.csv")
    assert os.listdir(tmp_path) == ["t.csv"]


def test_a_cell_that_does_not_fit_the_model(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("c,x\na,1\nb,many\n")
    refused(here("predict", model, "t.csv", folder=tmp_path), "row 2 of column 'x'")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_model_file(model: Path, tmp_path: Path, command: str, damage: str) -> None:
    content = bytearray(model.read_bytes())
    if damage == "cut":
        del content[-1000:]
    else:
        content[-1000] ^= 1
    (tmp_path / "m").write_bytes(content)
    (tmp_path / "t.csv").write_text(GOOD)
    refused(here(command, "m", "t.csv", folder=tmp_path), "m is damaged", "SHA-256")


def test_no_target_to_evaluate(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD.replace("y", "z", 1))
    refused(here("evaluate", model, "t.csv", folder=tmp_path), "no column 'y'")


def full_disk(result: Result, *parts: str) -> None:
    assert result.returncode == 2
    # a fit that takes long, on a busy machine, says before how far it is
    *progress, said = result.stderr.splitlines()
    assert all(" epoch " in line for line in progress)
    for part in ("cannot be written", *parts):
        assert part in said


def test_a_disk_that_fills_while_the_model_is_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    (tmp_path / "m").write_bytes(b"the model of yesterday")
    arguments = ("fit", "t.csv", "-t", "y", "--epochs", "1", "-o", "m")
    full_disk(started(*arguments, folder=tmp_path, file_size=4096), "m ", "-o")
    assert (tmp_path / "m").read_bytes() == b"the model of yesterday"
    assert sorted(os.listdir(tmp_path)) == ["m", "t.csv"]


def test_a_disk_that_fills_while_predictions_are_written(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    result = started("predict", model, "t.csv", "-o", "p.csv", folder=tmp_path, file_size=64)
    full_disk(result, "p.csv", "File too large")
    assert os.listdir(tmp_path) == ["t.csv"]


def test_a_full_device(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    full_disk(started("predict", model, "t.csv", "-o", "/dev/full", folder=tmp_path), "No space")
    with open("/dev/full", "w") as full:
        result = started("predict", model, "t.csv", folder=tmp_path, stdout=full)
    full_disk(result, "standard output", "-o")


def test_a_traceback_is_shown_if_asked(tmp_path: Path) -> None:
    result = here("fit", "none.csv", "-t", "y", "--debug", folder=tmp_path)
    assert result.returncode == 2
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("check the path and the spelling\n")

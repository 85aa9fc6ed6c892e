"""The commands as a user types them: fit, predict, evaluate and data, and what they print."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from glassnet.cli import main
from glassnet.cli.data import SETS, table_csv
from glassnet.cli.options import duration
from glassnet.cli.terminal_progress import TerminalProgress
from glassnet.version import __version__
from tests.cli.command import glassnet, started
from tests.data import HANG


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the iris table and a model of it."""
    folder = tmp_path_factory.mktemp("iris")
    assert started("data", "iris", "-o", "iris.csv", folder=folder).returncode == 0
    result = started("fit", "iris.csv", "--target", "target", "--seed", "3", folder=folder)
    assert result.returncode == 0, result.stderr
    (folder / "report.txt").write_text(result.stdout)
    return folder


def cells(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text())))


def test_fit_prints_the_table_the_plan_and_the_score(iris: Path) -> None:
    lines = (iris / "report.txt").read_text().splitlines()
    assert lines[0] == "iris.csv: 150 rows, 5 columns"
    assert " ".join(lines[3].split()) == "sepal length (cm) number 1 4.3 … 7.9, median 5.8"
    target = "target target 3 classes: setosa 50, versicolor 50, virginica 50"
    assert " ".join(lines[7].split()) == target
    text = "\n".join(lines)
    assert "150, in 5 folds; for the score, each fold is predicted by networks" in text
    assert "4 → 20 × (32 → 64 → 64 → 3), relu" in text
    assert "constant  0.3333 (always 'setosa')" in text
    assert "model     iris.safetensors" in text
    score = next(line for line in lines if line.startswith("accuracy"))
    assert float(score.split()[1]) > 0.9


def test_predict_writes_one_line_a_row(iris: Path) -> None:
    result = glassnet("predict", "iris.safetensors", "iris.csv", folder=iris)
    assert result.returncode == 0, result.stderr
    header, *rows = list(csv.reader(io.StringIO(result.stdout)))
    classes = ["setosa", "versicolor", "virginica"]
    assert header == ["target", *(f"probability_{name}" for name in classes)]
    assert len(rows) == 150
    for name, *probabilities in rows:
        numbers = [float(text) for text in probabilities]
        assert abs(sum(numbers) - 1) < 1e-6
        assert name == classes[int(np.argmax(numbers))]
    truth = [row[-1] for row in cells(iris / "iris.csv")][1:]
    assert np.mean([row[0] == name for row, name in zip(rows, truth, strict=True)]) > 0.9
    same = started("predict", "iris.safetensors", "iris.csv", "-o", "out.csv", folder=iris)
    assert same.stdout == ""
    assert (iris / "out.csv").read_text() == result.stdout


def test_the_order_of_columns_and_further_ones_do_not_matter(iris: Path) -> None:
    lines = cells(iris / "iris.csv")
    with (iris / "turned.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["extra", *line[-2::-1]] for line in lines])
    expected = glassnet("predict", "iris.safetensors", "iris.csv", folder=iris).stdout
    assert glassnet("predict", "iris.safetensors", "turned.csv", folder=iris).stdout == expected


def test_evaluate_prints_the_score(iris: Path) -> None:
    result = glassnet("evaluate", "iris.safetensors", "iris.csv", folder=iris)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("accuracy  0.9")
    assert "on 150 rows of iris.csv" in result.stdout
    asked = started("evaluate", "iris.safetensors", "iris.csv", "--json", folder=iris)
    score = json.loads(asked.stdout)["score"]
    assert f"{score['value']:.4f} ± {score['standard_error']:.4f}" in result.stdout
    assert score["constant"] == pytest.approx(1 / 3)


def test_evaluate_tells_the_rows_that_it_could_not_score_as_others(iris: Path) -> None:
    lines = (iris / "iris.csv").read_text().splitlines()
    lines[1] = lines[1].replace("setosa", "")
    lines[2] = lines[2].replace("setosa", "tulip")
    (iris / "odd.csv").write_text("\n".join(lines) + "\n")
    result = glassnet("evaluate", "iris.safetensors", "odd.csv", folder=iris)
    assert "on 149 rows of odd.csv" in result.stdout
    assert "left out  1 row without a target" in result.stdout
    assert "1 cell held a value that training had not, or too rarely (target 1)" in result.stderr


def test_fit_can_print_json(iris: Path) -> None:
    arguments = ("fit", "iris.csv", "-t", "target", "--json", "-o", "j", "--epochs", "2")
    result = glassnet(*arguments, folder=iris)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert found["model"] == "j"
    assert found["bytes"] == (iris / "j").stat().st_size
    assert found["epochs"] == len(found["loss"]) == len(found["validation_loss"]) == 2
    assert found["rows"]["all"] == 150
    assert found["target"]["classes"] == ["setosa", "versicolor", "virginica"]


def test_what_was_unseen_is_said(tmp_path: Path) -> None:
    table = "c,y\n" + "".join(f"{'ab'[n % 2]},{n % 2}\n" for n in range(30))
    (tmp_path / "t.csv").write_text(table)
    (tmp_path / "p.csv").write_text('c\nz\n""\na\nz\n')
    assert glassnet("fit", "t.csv", "-t", "y", "--epochs", "1", folder=tmp_path).returncode == 0
    result = glassnet("predict", "t.safetensors", "p.csv", folder=tmp_path)
    assert result.returncode == 0
    assert "note: 2 cells held a value that training had not, or too rarely (c 2)" in result.stderr
    assert "note: 1 cell was missing and filled in (c 1)" in result.stderr


def test_a_number_is_predicted_in_its_own_unit(tmp_path: Path) -> None:
    table = "x,y\n" + "".join(f"{n / 10},{1000 + n}\n" for n in range(200))
    (tmp_path / "t.csv").write_text(table)
    result = glassnet("fit", "t.csv", "-t", "y", "--epochs", "100", folder=tmp_path)
    assert "RMSE" in result.stdout
    predicted = glassnet("predict", "t.safetensors", "t.csv", folder=tmp_path).stdout.split()
    assert predicted[0] == "y"
    errors = np.array(predicted[1:], float) - np.arange(1000, 1200)
    assert np.abs(errors).max() < 20


@pytest.mark.parametrize("name", SETS)
def test_data_writes_the_real_tables(name: str) -> None:
    header, *rows = list(csv.reader(io.StringIO(table_csv(name))))
    assert header[-1] == "target"
    count, what = SETS[name].split(" ")[0], SETS[name]
    assert len(rows) == int(count)
    loader = getattr(datasets, "load_" + name.replace("-", "_"))
    data = (loader(scaled=False) if name == "diabetes" else loader()).data
    np.testing.assert_array_equal(np.array([row[:-1] for row in rows], float), data)
    if "classes" in what:
        classes = len({row[-1] for row in rows})
        assert f"{classes} classes" in what
        assert rows[0][-1] == {"breast-cancer": "malignant", "digits": "0", "iris": "setosa",
                               "wine": "class_0"}[name]  # fmt: skip


def test_help_and_version(tmp_path: Path) -> None:
    assert started("--version", folder=tmp_path).stdout == f"glassnet {__version__}\n"
    text = started("--help", folder=tmp_path).stdout
    for command in ("fit", "predict", "evaluate", "data"):
        assert command in text
        assert "--help" in glassnet(command, "--help", folder=tmp_path).stdout
    # what a docstring holds in several lines flows
    wide = glassnet("--help", folder=tmp_path, columns="300").stdout
    assert "kernels, as loops, or as machine code." in wide


def test_output_into_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m glassnet data digits | head -1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0
    assert result.stderr == ""


@pytest.mark.parametrize("command", ["--help", "predict iris.safetensors iris.csv"])
def test_a_reader_who_has_had_enough_is_no_failure(iris: Path, command: str) -> None:
    assert piped_to_nobody(command, iris).returncode == 0


def test_a_fit_without_a_reader_still_writes_its_model(iris: Path) -> None:
    command = "fit iris.csv -t target --epochs 2 -o unread.safetensors"
    result = piped_to_nobody(command, iris)
    assert result.returncode == 0, result.stderr
    assert (iris / "unread.safetensors").exists()


def piped_to_nobody(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    line = f"{sys.executable} -m glassnet {command} | true"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, cwd=folder
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_fit_keeps_the_best_so_far(tmp_path: Path, number: int) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(20_000, 4))
    text = "a,b,c,y\n" + "\n".join(",".join(map("{:.4f}".format, row)) for row in values)
    (tmp_path / "t.csv").write_text(text + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "glassnet", "fit", "t.csv", "-t", "y", "--time", "1h"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("network"):
            break
    time.sleep(0.7)  # most likely into the training
    process.send_signal(number)
    out, error = process.communicate(timeout=HANG)
    if process.returncode == 0:
        pytest.skip("the fit was over before the signal")
    assert process.returncode == 130
    assert error == "glassnet: interrupted\n"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    if "training" in out:
        assert "(interrupted)" in out
        assert glassnet("evaluate", "t.safetensors", "t.csv", folder=tmp_path).returncode == 0


def test_a_command_leaves_the_signal_handlers_as_they_were() -> None:
    """A program may call `main`, and be ended later."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        main(["runs", "--help"])
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_while_modules_load_is_told_in_one_line() -> None:
    code = (
        "import sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from glassnet.cli import main\n"
        "main(['runs'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "glassnet: interrupted\n")


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("90", 90), ("1.5m", 90), ("2h", 7200), ("250ms", 0.25)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def __init__(self, live: bool) -> None:
        super().__init__()
        self.live = live

    def isatty(self) -> bool:
        return self.live


def run_of(epoch: int, losses: list[float]) -> Any:
    history = SimpleNamespace(loss=losses, validation_loss=losses)
    return SimpleNamespace(history=history, epoch=epoch, epochs=10, steps_done=5, steps_total=10)


def test_a_terminal_gets_one_line_repainted_now_and_then() -> None:
    stream = Terminal(live=True)
    run = run_of(5, [3.0, 2.0, 2.5])
    start = time.monotonic()
    with TerminalProgress(10, stream) as progress:
        for _ in range(1000):
            progress.epoch_end(run)
        while stream.getvalue().count("epoch 5/10") < 3:
            time.sleep(0.05)
    passed = time.monotonic() - start
    text = stream.getvalue()
    assert "\n" not in text
    assert text.endswith("\r\x1b[K")
    assert 3 <= text.count("epoch 5/10") <= passed / 0.1  # ten times a second at most
    assert "loss 2.5  validation 2.5 (best 2)" in text


def test_elsewhere_lines_are_rare() -> None:
    stream = Terminal(live=False)
    with TerminalProgress(10, stream) as progress:
        for epoch in range(1000):
            progress.epoch_end(run_of(epoch, [1.0]))
    assert stream.getvalue() == ""
    with TerminalProgress(10, stream) as progress:
        progress.last_line -= 60
        for epoch in range(1000):
            progress.epoch_end(run_of(epoch, [1.0]))
    assert stream.getvalue().count("\n") == 1


def test_phases_count_on() -> None:
    progress = TerminalProgress(10, Terminal(live=False))
    progress.epoch_end(run_of(4, [1.0]))
    progress.epoch_end(run_of(2, [3.0]))
    assert "epoch 6/10" in progress.text()
    assert "(best 1)" in progress.text()
    progress.stage("fold 2 of 5")
    assert progress.text().startswith("fold 2 of 5  compiling")

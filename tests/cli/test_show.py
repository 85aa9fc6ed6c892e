"""`glassnet show` prints every stage of a run, of a model, and of a network in a Python file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from glassnet.cli import main
from glassnet.stages import STAGES
from tests.record.common import data, train

# what only that stage can hold: a forward pass has no learning rate, machine code has instructions
SIGNS = {
    "graph": "tanh(",
    "grad": "lr: f32[]",
    "simplified": "lr: f32[]",
    "kernels": "contract",
    "loops": "for ",
    "llvm": "define ",
    "asm": "fmadd",
}

TWO = """
import glassnet as gn
a, b = gn.nn.Sequential(gn.nn.Linear(2, 3)), gn.nn.Sequential(gn.nn.Linear(2, 4))
"""


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("stage", SIGNS)
def test_stages_of_a_run(stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "run.glass", epochs=1)
    assert status("show", str(tmp_path / "run.glass"), "--stage", stage) == 0
    told = capsys.readouterr().out
    assert SIGNS[stage] in told
    assert ("lr: f32[]" in told) == (stage in ("grad", "simplified"))


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x, y = data(60)
    folder = tmp_path_factory.mktemp("model")
    table, model = folder / "t.csv", folder / "m.safetensors"
    lines = [f"{a},{b},{c}" for (a, b), c in zip(x[:, :2], y[:, 0], strict=True)]
    table.write_text("\n".join(["a,b,c", *lines]) + "\n")
    assert status("fit", str(table), "-t", "c", "--epochs", "1", "-o", str(model)) == 0
    return model


def shown_well(stage: str, told: str, activation: str) -> bool:
    """What only that stage can hold: the graph has no loss, its gradients have labels."""
    sign = {"graph": activation, "grad": "y: ", "simplified": "y: "}.get(stage, SIGNS[stage])
    return sign in told and ("y: " in told) == (stage in ("grad", "simplified"))


@pytest.mark.parametrize("stage", SIGNS)
def test_stages_of_a_model(
    stage: str, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("show", str(model_file), "--stage", stage) == 0
    told = capsys.readouterr().out
    assert shown_well(stage, told, "%0 x: f32[n,3]"), told[:200]


def test_wrong_use(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("show", str(model_file), "--stage", "loop") == 2
    assert ", ".join(STAGES) in capsys.readouterr().err
    assert status("show", str(model_file), "--classes") == 2
    assert "--classes is for a network in a Python file" in capsys.readouterr().err


OWN = """
from dataclasses import dataclass

import glassnet as gn
from glassnet.nn.module import Module, Parameter
from {beside} import WIDTH


@dataclass(frozen=True, eq=False)
class Scale(Module):
    width: int

    def parameter_specs(self):
        return {{"scale": Parameter((self.width,), "ones")}}

    def build(self, x, parameters):
        return gn.ops.tanh(x * parameters["scale"])


net = gn.nn.Sequential(gn.nn.Linear(2, WIDTH), Scale(WIDTH))
"""


@pytest.mark.parametrize("stage", SIGNS)
def test_stages_of_a_network_of_ones_own(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = f"beside_{stage}"  # a module is loaded once a process
    (tmp_path / f"{beside}.py").write_text("WIDTH = 3\n")
    (tmp_path / "own.py").write_text(OWN.format(beside=beside))
    before = list(sys.path)
    assert status("show", f"{tmp_path}/own.py:net", "--stage", stage) == 0
    told = capsys.readouterr().out
    assert shown_well(stage, told, "tanh("), told[:200]
    assert stage not in ("grad", "simplified") or "y: f32[n,3]" in told
    assert sys.path == before
    assert status("show", f"{tmp_path}/own.py", "--stage", stage, "--classes") == 0
    classes = capsys.readouterr().out
    assert ("y: i32[n]" in classes) == (stage in ("grad", "simplified"))


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("1 / 0", "net", "own.py ended with ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('no')", "net", "own.py ended with SystemExit: no"),
        ("net = 3", "net", "own.py has no network 'net'; it holds no network"),
        ("net = 3", "", "it holds no network"),
        (TWO, "", "own.py; its networks are a, b"),
        (TWO, "c", "own.py has no network 'c'; its networks are a, b"),
        (None, "net", "there is no file"),
    ],
)
def test_python_files_that_do_not_fit(
    text: str | None, name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.py"
    if text is not None:
        file.write_text(text)
    assert status("show", f"{file}:{name}" if name else str(file)) == 2
    assert message in capsys.readouterr().err


def test_without_llvmlite_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "glassnet.inspect.show_stages", None)
    assert status("show", "m.safetensors") == 2
    told = capsys.readouterr().err
    assert "glassnet: the stages cannot be shown, since llvmlite does not load here" in told


def test_every_stage_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(SIGNS) == set(STAGES)
    assert status("show", "--help") == 0
    told = capsys.readouterr().out
    assert all(f"{stage}:" in told for stage in STAGES)

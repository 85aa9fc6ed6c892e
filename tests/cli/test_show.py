"""`glassnet show` prints every stage of a run and of a model."""

from __future__ import annotations

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


def test_a_model_and_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = data(60)
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    lines = [f"{a},{b},{c}" for (a, b), c in zip(x[:, :2], y[:, 0], strict=True)]
    table.write_text("\n".join(["a,b,c", *lines]) + "\n")
    assert status("fit", str(table), "-t", "c", "--epochs", "1", "-o", str(model)) == 0
    capsys.readouterr()
    assert status("show", str(model)) == 0
    assert "%0 x: f32[n,2]" in capsys.readouterr().out
    assert status("show", str(model), "--stage", "kernels") == 0
    assert status("show", str(model), "--stage", "loop") == 2
    assert ", ".join(STAGES) in capsys.readouterr().err


def test_every_stage_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(SIGNS) == set(STAGES)
    assert status("show", "--help") == 0
    told = capsys.readouterr().out
    assert all(f"{stage}:" in told for stage in STAGES)

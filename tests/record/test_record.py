"""What a run file holds, and who may write it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ModelFileError, OutputError, ShapeError, TrainingError
from glassnet.nn.loss import Loss
from glassnet.runs import recorder
from glassnet.runs.descriptions import as_data, from_data
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint
from tests.record.common import data, often, sha, train


def test_recording_changes_no_bit(tmp_path: Path) -> None:
    plain, history = train()
    recorded, same = train(tmp_path / "run.glass")
    assert sha(plain) == sha(recorded)
    assert history.loss == same.loss


def test_any_program_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model, history = train(path)
    database = sqlite3.connect(path)
    losses = [row[0] for row in database.execute("SELECT loss FROM history ORDER BY epoch")]
    assert losses == history.loss
    values = {k: json.loads(v) for k, v in database.execute("SELECT key, value FROM run")}
    assert (values["seed"], values["epochs"], values["batch_size"], values["rows"]) == (
        5,
        6,
        32,
        70,
    )
    assert values["model"]["layers"][0] == {
        "class": "Linear", "fan_in": 3, "fan_out": 5, "bias": True,
        "initializer": "glorot_uniform",
    }  # fmt: skip
    assert values["ended"]["stopped"] == "epochs"
    content = database.execute("SELECT content FROM result").fetchone()[0]
    assert np.frombuffer(content, "<f4").tolist() == model.W.tolist()
    assert [row[0] for row in database.execute("SELECT epoch FROM checkpoint")] == [0, 6]
    database.close()
    assert [p.name for p in tmp_path.iterdir()] == ["run.glass"]


def test_the_fingerprint_is_the_sha256_of_the_arrays(tmp_path: Path) -> None:
    train(tmp_path / "run.glass")
    x, y = (part.astype("<f4") for part in data())
    head_x, head_y = b"x float32 (70, 3)\n", b"y float32 (70, 2)\n"
    wanted = hashlib.sha256(head_x + x.tobytes() + head_y + y.tobytes()).hexdigest()
    with RunFile.read(tmp_path / "run.glass") as file:
        assert file.values()["sha256"] == {"training": wanted}


def test_checkpoints_are_a_second_apart_and_at_most_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    monkeypatch.setattr(recorder, "MOST", 8)
    train(tmp_path / "run.glass", epochs=40)
    with RunFile.read(tmp_path / "run.glass") as file:
        kept = file.epochs()
    assert kept[0] == 0
    assert kept[-1] == 40
    assert len(kept) <= 8


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path)
    with RunFile.append(path), pytest.raises(OutputError, match="another training run"):
        train(path)
    train(path, overwrite=True)  # and after the first has gone it is not


def test_a_reader_reads_while_a_run_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    path = tmp_path / "run.glass"
    seen: list[int] = []

    class Reader(gn.callbacks.Callback):
        def epoch_end(self, run: Any) -> None:
            with RunFile.read(path) as file:
                seen.append(len(file.history()[0]))

    train(path, callbacks=[Reader()])
    assert seen == [0, 1, 2, 3, 4, 5]  # the recorder comes after the other callbacks


def test_a_run_in_a_folder_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = train(tmp_path / "run.glass")
    monkeypatch.setattr("os.access", lambda *_: False)  # modes do not bind the superuser
    with RunFile.read(tmp_path / "run.glass") as file:
        found = file.result()
        assert found is not None
        assert found.tobytes() == model.W.tobytes()
        # SQLite makes files beside one that it might have to share; here it could not
        assert [place.name for place in tmp_path.iterdir()] == ["run.glass"]


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, which are longer than nothing\n" * 100)
    with pytest.raises(ModelFileError, match="is not a run file"):
        train(path)
    assert path.read_text().startswith("my notes")
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine(x)")
    other.commit()
    other.close()
    with pytest.raises(ModelFileError, match="is not a run file"):
        train(tmp_path / "other.db")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        train(tmp_path / "missing" / "run.glass")


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path)
    database = sqlite3.connect(path)
    content = bytearray(
        database.execute("SELECT content FROM checkpoint WHERE epoch=6").fetchone()[0]
    )
    content[7] ^= 1
    database.execute("UPDATE checkpoint SET content = ? WHERE epoch = 6", (bytes(content),))
    database.commit()
    database.close()
    with RunFile.read(path) as file, pytest.raises(ModelFileError, match="SHA-256"):
        file.checkpoint(6)


def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    with RunFile.append(path) as file:
        before = file.checkpoint(3).arrays["W"].tobytes()
        with file.change() as database:
            database.execute("PRAGMA max_page_count = 10")  # SQLite then says that the disk is full
        states = Checkpoint(3, {"W": np.zeros(3)}, {}), Checkpoint(4, {"W": np.zeros(100_000)}, {})

        def write() -> None:
            with file.change() as database:
                for state in states:
                    put_checkpoint(database, state)

        with pytest.raises(OutputError, match="full"):
            write()
    with RunFile.read(path) as file:
        assert file.epochs() == [0, 3]
        assert file.checkpoint(9).arrays["W"].tobytes() == before
    model, _ = gn.resume(path, epochs=6)
    assert sha(model) == sha(train(epochs=6)[0])


MODELS = [
    gn.nn.Sequential(gn.nn.Columns(0, 2), gn.nn.Residual(gn.nn.Linear(2, 2), gn.nn.GELU()), seed=4),
    gn.nn.Sequential(
        gn.nn.Parallel(gn.nn.Neuron(3, gn.nn.Tanh()), gn.nn.PiecewiseLinear([[0, 1, 2]] * 3)),
        dtype="float64",
    ),
]
PARTS = [
    gn.optim.AdamW(gn.optim.Warmup(gn.optim.Cosine(0.01), 5), groups=(gn.optim.Group("*.bias"),)),
    gn.optim.SGD(0.1, 0.9, nesterov=True, clip_norm=1.0),
    gn.losses.CrossEntropy((1.0, 2.5), label_smoothing=0.1),
    gn.losses.Quantile((0.1, 0.9)),
]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_network_survives_being_data(model: Any) -> None:
    again = from_data(json.loads(json.dumps(as_data(model))))
    assert repr(again) == repr(model)
    assert (again.seed, again.dtype) == (model.seed, model.dtype)
    assert again.W.tobytes() == model.W.tobytes()


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_losses_and_optimisers_survive_being_data(part: Any) -> None:
    place = "loss" if isinstance(part, Loss) else "optimizer"
    assert from_data(json.loads(json.dumps(as_data(part))), place) == part


def test_code_is_named_and_never_run() -> None:
    model = gn.nn.Sequential(gn.nn.Linear(2, 1), np.tanh)  # type: ignore[arg-type]
    assert as_data(model)["layers"][1] == {"code": "tanh"}
    with pytest.raises(TrainingError, match="model=…"):
        from_data(as_data(model))
    with pytest.raises(TrainingError, match="does not have"):
        from_data({"class": "system", "command": "true"})
    with pytest.raises(ShapeError):
        from_data({"class": "Linear", "fan_in": -1, "fan_out": 2})

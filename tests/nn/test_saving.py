"""Networks in files: the same layers and the same bits, and nothing that is code."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import glassnet as gn
from glassnet import model_file, nn, ops
from glassnet.errors import GlassnetError, ModelFileError, OutputError
from glassnet.graph.op import Value
from glassnet.nn.module import Module

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
TIED = nn.Linear(3, 3)


def networks() -> dict[str, Any]:
    return {
        "nested": nn.Sequential(
            nn.Parallel(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.PReLU(width=4)),
                        nn.Residual(nn.Linear(3, 3, bias=False), nn.Tanh())),
            nn.LayerNorm(7), nn.Neuron(7, nn.GELU()), seed=5),
        "float64": nn.Sequential(nn.Linear(3, 2), nn.Softmax(), dtype="float64"),
        "tied": nn.Sequential(TIED, nn.Tanh(), nn.Residual(TIED), nn.RMSNorm(3)),
        "categories": nn.Sequential(
            nn.Parallel(nn.Sequential(nn.Columns(0), nn.Embedding(5, 2, unknown=True)),
                        nn.Sequential(nn.Columns(1, 2), nn.Periodic(2, 2))), nn.Linear(10, 2)),
        "members": nn.Sequential(
            nn.Repeat(2), nn.BatchEnsemble(3, 4, 2), nn.ReLU(), nn.BatchEnsemble(4, 1, 2),
            nn.Average(2)),
        "one layer": nn.Linear(3, 2),
        "without parameters": nn.Sequential(nn.Tanh()),
        "an initialiser of one's own": nn.Linear(3, 2, True, lambda shape, *_: np.ones(shape)),
    }  # fmt: skip


@pytest.mark.parametrize("name", networks())
def test_a_network_comes_back_with_the_bits_that_it_had(name: str, tmp_path: Path) -> None:
    model, path = networks()[name], tmp_path / "m.safetensors"
    model.W[...] = np.random.default_rng(1).normal(size=model.W.size)
    size = gn.save(model, path)
    assert size == path.stat().st_size
    again = gn.load(path)
    assert repr(again) == repr(model)
    assert again.dtype == model.dtype
    assert again.W.tobytes() == model.W.tobytes()
    assert list(again.parameters()) == list(model.parameters())
    x = X.astype(model.dtype)
    assert again(x).tobytes() == model(x).tobytes()
    gn.save(again, tmp_path / "again")
    initialised = name.startswith("an init")  # its function is code
    assert initialised or (tmp_path / "again").read_bytes() == path.read_bytes()


def test_parts_of_a_loaded_network_are_views(tmp_path: Path) -> None:
    gn.save(networks()["tied"], tmp_path / "m")
    again = gn.load(tmp_path / "m")
    assert again[2][0] is again[0]
    assert again.W.size == 3 * 3 + 3 + 3
    again.W[...] = 7
    assert again[0].parameters()["weight"].tolist() == [[7, 7, 7]] * 3
    again[2][0].parameters()["bias"][...] = 1
    assert again.parameters()["linear1.bias"].tolist() == [1, 1, 1]


def test_running_numbers_of_a_normalisation_are_kept_and_training_goes_on(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Linear(4, 1))
    how: dict[str, Any] = {
        "loss": gn.losses.MSE(), "optimizer": gn.optim.SGD(0.1), "epochs": 2, "batch_size": 4,
    }  # fmt: skip
    y = X.sum(1)
    gn.train(model, X, y, **how)
    gn.save(model, tmp_path / "m")
    again = gn.load(tmp_path / "m")
    assert again.parameters()["batchnorm1.mean"].any()
    gn.train(model, X, y, seed=1, **how)
    gn.train(again, X, y, seed=1, **how)
    assert again.W.tobytes() == model.W.tobytes()


def test_a_part_of_a_network_can_be_saved(tmp_path: Path) -> None:
    model = networks()["nested"]
    gn.save(model[0], tmp_path / "part")
    again = gn.load(tmp_path / "part")
    assert again.W.tobytes() == model[0].W.tobytes()
    assert again(X).tobytes() == model[0](X).tobytes()


def test_other_programs_read_the_parameters(tmp_path: Path) -> None:
    model = networks()["nested"]
    gn.save(model, tmp_path / "m")
    found = safetensors.numpy.load_file(tmp_path / "m")
    assert {n: a.tobytes() for n, a in found.items()} == {
        n: a.tobytes() for n, a in model.parameters().items()
    }


class Block(Module):
    def __init__(self, size: int, *, scale: float = 1.0) -> None:
        self.hidden, self.scale = nn.Linear(size, size), scale

    def build(self, x: Value, parameters: Any) -> Value:
        return ops.tanh(self.hidden(x)) * self.scale


def test_a_layer_of_ones_own_is_brought_by_name(tmp_path: Path) -> None:
    def wave(x: Value) -> Any:
        return ops.sin(x)

    model = nn.Sequential(nn.Linear(3, 4), Block(4, scale=0.5), wave, Block(4))
    gn.save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"contains Block.*\n.*layers=\{'Block': …\}"):
        gn.load(tmp_path / "m")
    with pytest.raises(ModelFileError, match="contains wave"):
        gn.load(tmp_path / "m", layers={"Block": Block})
    again = gn.load(tmp_path / "m", layers={"Block": Block, "wave": wave})
    assert again(X).tobytes() == model(X).tobytes()
    third = nn.Sequential(nn.Linear(3, 4), Block(4, scale=0.5), wave, Block(4), seed=9)
    assert gn.load(tmp_path / "m", third) is third
    assert third(X).tobytes() == model(X).tobytes()


def test_what_copies_are_made_of_can_be_saved_too(tmp_path: Path) -> None:
    model = nn.Sequential(Block(3, scale=0.25))
    for own in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.astype("float64")):
        gn.save(own, tmp_path / "m")
        again = gn.load(tmp_path / "m", layers={"Block": Block})
        assert (again.dtype, again[0].scale) == (own.dtype, 0.25)
        assert again.W.tobytes() == own.W.tobytes()


def test_a_network_that_does_not_fit_is_shown_beside_the_file(tmp_path: Path) -> None:
    gn.save(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)), tmp_path / "m")
    other = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1))
    before = other.W.copy()
    with pytest.raises(ModelFileError) as caught:
        gn.load(tmp_path / "m", other)
    lines = str(caught.value).splitlines()
    assert lines[1].split() == ["network", "file"]
    assert lines[2].split() == ["≠", "linear1.weight", "[3,", "5]", "linear1.weight", "[3,", "4]"]
    assert lines[5].split() == ["linear2.bias", "[1]", "linear2.bias", "[1]"]
    assert other.W.tobytes() == before.tobytes()
    wide = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1), dtype="float64")
    with pytest.raises(ModelFileError, match=r'astype\("float32"\)'):
        gn.load(tmp_path / "m", wide)


def test_what_a_file_cannot_describe_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    neuron = nn.Neuron(3)
    shared = nn.Sequential(nn.Parallel(neuron, neuron.linear))
    with pytest.raises(GlassnetError, match="shares parameters"):
        gn.save(shared, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GlassnetError, match="to_network"):
        gn.save(gn.MLPClassifier(), tmp_path / "m")  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="is a folder"):
        gn.save(TIED, tmp_path)
    with pytest.raises(OutputError, match="is not a folder"):
        gn.save(TIED, tmp_path / "none" / "m")
    with pytest.raises(ModelFileError, match="does not exist"):
        gn.load(tmp_path / "m")


def test_a_run_file_is_never_replaced(tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    settings: Any = {"loss": gn.losses.MSE(), "optimizer": gn.optim.SGD(0.1), "epochs": 1}
    gn.train(model, X, X.sum(1), record=tmp_path / "run.glass", **settings)
    with pytest.raises(OutputError, match="is a run file"):
        gn.save(model, tmp_path / "run.glass")


def sealed(path: Path, tensors: dict[str, Any], **texts: str) -> Path:
    usual = {"format": "glassnet network", "format_version": "1", "numerics_version": "5",
             "glassnet": "0", "network": "{}"}  # fmt: skip
    model_file.save(path, tensors, {**usual, **texts})
    return path


LINEAR = {"class": "Linear", "fan_in": 1 << 39, "fan_out": 1 << 39}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"network": "{"}, "cannot be used"),
        ({"network": "[" * 100_000}, "deeper than 64"),
        ({"network": "7"}, "no object"),
        ({"network": json.dumps({"class": "Popen", "args": "true"})}, "does not have"),
        ({"network": json.dumps({"class": "MSE"})}, "where Module belongs"),
        ({"network": json.dumps(LINEAR)}, "does not contain"),
        ({"network": json.dumps({"class": "Linear", "fan_in": -1, "fan_out": 1})}, "1 or more"),
        ({"network": json.dumps({"class": "Repeat", "members": 10**12})}, "up to 4,096"),
        ({"network": json.dumps({"class": "Repeat", "members": 4097})}, "up to 4,096"),
        ({"network": json.dumps({"code": "Block\x1b[2J", "settings": {}})}, "contain no code"),
        ({"numerics_version": "x"}, "cannot be used"),
        ({"format": "other"}, "is not a model file"),
        ({"format_version": "2"}, "update glassnet"),
    ],
)
def test_a_hostile_file_is_refused_in_words(
    texts: dict[str, str], words: str, tmp_path: Path
) -> None:
    path = sealed(tmp_path / "m", {"weight": np.zeros((1, 1), np.float32)}, **texts)
    with pytest.raises(ModelFileError, match=words) as caught:
        gn.load(path)
    assert "\x1b" not in str(caught.value)


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m"
    gn.save(nn.Linear(1, 1), path)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ModelFileError):
            gn.load(path)
        path.write_bytes(content[:place])
        with pytest.raises(ModelFileError):
            gn.load(path)


def test_an_older_arithmetic_is_said(tmp_path: Path) -> None:
    text = json.dumps({"class": "BatchNorm", "width": 1})
    one = np.ones(1, np.float32)
    names = ("scale", "shift", "mean", "variance")
    path = sealed(tmp_path / "m", dict.fromkeys(names, one), network=text, numerics_version="4")
    with pytest.warns(UserWarning, match="numerics version 4.*last digits"):
        gn.load(path)


def test_a_model_of_a_table_is_told_from_a_network(tmp_path: Path) -> None:
    path = sealed(tmp_path / "m", {}, format="glassnet table model")
    with pytest.raises(ModelFileError, match=r"TabularClassifier\.load"):
        gn.load(path)
    gn.save(TIED, tmp_path / "n")
    with pytest.raises(ModelFileError, match="is not a table model"):
        gn.TabularClassifier.load(tmp_path / "n")

"""State dicts to and from PyTorch: right numbers by hand, and by PyTorch itself where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.errors import GlassnetError, ShapeError
from glassnet.nn.pytorch import _entries

X = np.array([[1, 2, 3], [-1, 0.5, 2]], np.float32)


def test_weights_are_transposed() -> None:
    """y = x Aᵀ + b, as PyTorch writes it: [1, 2, 3] gives 1·1 + 2·2 + 3·3 + 0.5 = 14.5, …"""
    state = {"fc.weight": np.array([[1.0, 2, 3], [0, 1, 0]]), "fc.bias": np.array([0.5, -1])}
    model = gn.from_torch(state, nn.Sequential(nn.Linear(3, 2)))
    assert model(X).tolist() == [[14.5, 1.0], [6.5, -0.5]]
    assert model[0].parameters()["weight"].tolist() == [[1, 0], [2, 1], [3, 0]]


def test_a_normalisation_has_its_running_numbers() -> None:
    """(x − mean) / √(variance + eps) · weight + bias, with eps = 0."""
    state = {
        "bn.weight": np.array([2.0]), "bn.bias": np.array([1.0]),
        "bn.running_mean": np.array([3.0]), "bn.running_var": np.array([4.0]),
        "bn.num_batches_tracked": np.array(7),
    }  # fmt: skip
    model = gn.from_torch(state, nn.Sequential(nn.BatchNorm(1, eps=0.0)))
    assert model(np.array([[5.0]], np.float32)).tolist() == [[3.0]]


def test_other_layers() -> None:
    state = {"0.weight": np.array([[1.0, 2], [3, 4]]), "1.weight": np.array([0.5])}
    model = nn.Sequential(nn.Embedding(2, 2), nn.PReLU())
    gn.from_torch(state, model)
    assert model(np.array([[1], [0]], np.float32)).tolist() == [[3, 4], [1, 2]]
    assert model[1](np.array([[-2.0]], np.float32)).tolist() == [[-1.0]]


def test_names_decide_where_they_are_ours() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1))
    state = {"2.bias": [4.0], "2.weight": [[3.0]], "0.weight": [[1.0]], "0.bias": [2.0]}
    gn.from_torch(state, model)
    assert model.W.tolist() == [1, 2, 3, 4]


def test_names_of_nested_networks() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), nn.Residual(nn.Linear(3, 3)))
    assert [own.name for own in _entries_of(model)] == [
        "0.0.weight", "0.0.bias", "1.0.weight", "1.0.bias",
    ]  # fmt: skip


def _entries_of(model: Any) -> list[Any]:
    return list(_entries(model))


def test_what_does_not_fit_is_shown_side_by_side() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    before = model.W.copy()
    with pytest.raises(ShapeError) as caught:
        gn.from_torch({"a.weight": np.ones((3, 2)), "a.bias": np.ones(2), "b": np.ones(1)}, model)
    lines = [line.split() for line in str(caught.value).splitlines()[2:]]
    assert lines[0] == ["≠", "0.weight", "[2,", "3]", "a.weight", "[3,", "2]"]
    assert lines[1] == ["≠", "0.bias", "[2]", "a.bias", "[2]"]
    assert lines[2] == ["≠", "-", "b", "[1]"]
    assert model.W.tobytes() == before.tobytes()


def test_what_has_the_shape_but_is_of_another_kind_is_refused() -> None:
    with pytest.raises(ShapeError, match="does not fit"):
        gn.from_torch({"n.bias": np.ones(2), "n.weight": np.ones(2)}, nn.LayerNorm(2))


def test_tied_layers_take_one_value() -> None:
    tied = nn.Linear(1, 1, bias=False)
    model = nn.Sequential(tied, nn.Tanh(), tied)
    gn.from_torch({"0.weight": [[2.0]], "2.weight": [[2.0]]}, model)
    assert model.W.tolist() == [2.0]
    with pytest.raises(ShapeError, match=r"0\.weight and 2\.weight are one parameter"):
        gn.from_torch({"0.weight": [[2.0]], "2.weight": [[3.0]]}, model)


def test_odd_arguments() -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    with pytest.raises(ShapeError, match="state dict first"):
        gn.from_torch(model, {})  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="is not a state dict"):
        gn.from_torch([1, 2], model)
    with pytest.raises(ShapeError, match="numbers belong"):
        gn.from_torch({"0.weight": "a", "0.bias": "b"}, model)


def test_without_pytorch_the_way_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(GlassnetError, match="pip install torch"):
        gn.to_torch(nn.Linear(1, 1))


def test_there_and_back_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.PReLU(4),
        torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4), torch.nn.Tanh()),
        torch.nn.Linear(4, 2, bias=False),
    )  # fmt: skip
    theirs(torch.randn(16, 3))  # moves the running numbers
    theirs.eval()
    ours = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm(4), nn.PReLU(width=4),
        nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Tanh()), nn.Linear(4, 2, bias=False),
    )  # fmt: skip
    gn.from_torch(theirs, ours)
    wanted = theirs(torch.from_numpy(X)).detach().numpy()
    assert np.allclose(ours(X), wanted, rtol=1e-5, atol=1e-6)
    ours.W[...] += 0.5
    theirs.load_state_dict(gn.to_torch(ours))
    assert np.allclose(ours(X), theirs(torch.from_numpy(X)).detach().numpy(), rtol=1e-5, atol=1e-6)
    half = theirs.to(torch.bfloat16)
    gn.from_torch(half.state_dict(), ours)
    assert ours.parameters()["linear1.bias"].tolist() == half[0].bias.float().tolist()

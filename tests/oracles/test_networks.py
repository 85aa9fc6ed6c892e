"""Losses, layers and activations against PyTorch's: values and gradients; needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.ops import philox
from glassnet.training import value_and_grad

torch = pytest.importorskip("torch")

nn, L = gn.nn, gn.losses
ROWS, WIDTH = 9, 4
X = philox.normal(ROWS * WIDTH, 1).reshape(ROWS, WIDTH)
NUMBERS = philox.normal(ROWS * WIDTH, 2).reshape(ROWS, WIDTH)
CLASSES = np.arange(ROWS) % WIDTH
PARTS = philox.uniform(ROWS * WIDTH, 3).reshape(ROWS, WIDTH)
COUNTS = np.floor(PARTS * 5)
F = torch.nn.functional

# ours, labels, PyTorch's, and by how much ours is larger
LOSSES: list[tuple[Any, Any, Any, float]] = [
    (L.HalfMSE(), NUMBERS, F.mse_loss, WIDTH / 2),
    (L.MSE(), NUMBERS, F.mse_loss, WIDTH),
    (L.MAE(), NUMBERS, F.l1_loss, WIDTH),
    (L.Huber(0.7), NUMBERS, lambda p, y: F.huber_loss(p, y, delta=0.7), WIDTH),
    (L.CrossEntropy(), CLASSES, F.cross_entropy, 1),
    (L.CrossEntropy(label_smoothing=0.2), CLASSES,
     lambda p, y: F.cross_entropy(p, y, label_smoothing=0.2), 1),
    (L.CrossEntropy(class_weight=(1, 2, 0.5, 3)), CLASSES,
     lambda p, y: F.cross_entropy(p, y, weight=torch.tensor([1, 2, 0.5, 3]).double()), 1),
    (L.BCEWithLogits(), PARTS, F.binary_cross_entropy_with_logits, WIDTH),
    (L.PoissonNLL(), COUNTS, F.poisson_nll_loss, WIDTH),
    (L.GaussianNLL(), NUMBERS[:, :2],
     lambda p, y: F.gaussian_nll_loss(p[:, :2], y, torch.exp(p[:, 2:])), WIDTH / 2),
    (L.Hinge(), CLASSES, F.multi_margin_loss, WIDTH),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "y", "theirs", "factor"), LOSSES, ids=[str(c[0]) for c in LOSSES])
def test_losses(loss: Any, y: Any, theirs: Any, factor: float) -> None:
    labels = loss.labels(y, WIDTH, "float64")
    value, slope = gn.value_and_grad(lambda p: loss(p, p.builder.constant(labels)))(X)
    p = torch.tensor(X, requires_grad=True)
    wanted = theirs(p, torch.tensor(y)) * factor
    wanted.backward()
    np.testing.assert_allclose(value, wanted.item(), rtol=1e-10)
    np.testing.assert_allclose(slope, p.grad.numpy(), rtol=1e-10, atol=1e-14)


T = torch.nn
LAYERS: list[tuple[Any, Any]] = [
    (nn.Identity(), T.Identity()), (nn.Sigmoid(), T.Sigmoid()), (nn.Tanh(), T.Tanh()),
    (nn.ReLU(), T.ReLU()), (nn.LeakyReLU(0.2), T.LeakyReLU(0.2)), (nn.PReLU(), T.PReLU()),
    (nn.PReLU(width=WIDTH), T.PReLU(WIDTH)), (nn.ELU(1.5), T.ELU(1.5)), (nn.SELU(), T.SELU()),
    (nn.GELU(), T.GELU()), (nn.SiLU(), T.SiLU()), (nn.Mish(), T.Mish()),
    (nn.Softplus(), T.Softplus(threshold=1e9)), (nn.Softmax(), T.Softmax(dim=1)),
    (nn.LayerNorm(WIDTH), T.LayerNorm(WIDTH)), (nn.RMSNorm(WIDTH), T.RMSNorm(WIDTH, 1e-6)),
    (nn.BatchNorm(WIDTH), T.BatchNorm1d(WIDTH)),
]  # fmt: skip


def networks(ours: Any, theirs: Any) -> tuple[gn.nn.Sequential, Any]:
    """Two networks with the same numbers; PyTorch's weights are (fan_out, fan_in)."""
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), ours, nn.Linear(WIDTH, 2), dtype="float64")
    other = T.Sequential(T.Linear(WIDTH, WIDTH), theirs, T.Linear(WIDTH, 2)).double()
    with torch.no_grad():
        for name, place in (("linear1", 0), ("linear2", 2)):
            parts = model.parameters()
            other[place].weight.copy_(torch.tensor(parts[f"{name}.weight"].T.copy()))
            other[place].bias.copy_(torch.tensor(parts[f"{name}.bias"]))
        for parameter in theirs.parameters():
            if isinstance(theirs, T.PReLU):
                parameter.fill_(0.25)
    return model, other


def flat(tensors: Any, model: gn.nn.Sequential) -> np.ndarray:
    """PyTorch's parameters or gradients in the layout of W."""
    rows = [t.detach().numpy() for t in tensors]
    return np.concatenate([r.T.ravel() if r.ndim == 2 else r.ravel() for r in rows])


@pytest.mark.parametrize(("ours", "theirs"), LAYERS, ids=[str(c[0]) for c in LAYERS])
def test_layers(ours: Any, theirs: Any) -> None:
    model, other = networks(ours, theirs)
    other.eval()
    y = NUMBERS[:, :2]
    wanted = ((other(torch.tensor(X)) - torch.tensor(y)) ** 2).sum() / (2 * ROWS)
    wanted.backward()
    value, slope = value_and_grad(L.HalfMSE())(model, X, y)
    np.testing.assert_allclose(value, wanted.item(), rtol=1e-10)
    trained = np.concatenate([np.full(p.size, p.trained) for p in model.declared().values()])
    gradients = flat((p.grad for p in other.parameters()), model)
    np.testing.assert_allclose(slope[trained], gradients, rtol=1e-10, atol=1e-14)


def test_batch_norm_in_training() -> None:
    model, other = networks(nn.BatchNorm(WIDTH), T.BatchNorm1d(WIDTH))
    y = NUMBERS[:, :2]
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        (((other(torch.tensor(X)) - torch.tensor(y)) ** 2).sum() / (2 * ROWS)).backward()
        optimizer.step()
    gn.train(
        model, X, y, loss=L.HalfMSE(), optimizer=gn.optim.SGD(0.1), epochs=20, batch_size=ROWS,
        shuffle=False,
    )  # fmt: skip
    other.eval()
    parts = model.parameters()
    np.testing.assert_allclose(parts["batchnorm1.mean"], other[1].running_mean, rtol=1e-9)
    np.testing.assert_allclose(parts["batchnorm1.variance"], other[1].running_var, rtol=1e-9)
    np.testing.assert_allclose(model(X), other(torch.tensor(X)).detach().numpy(), rtol=1e-8)


def test_an_embedding() -> None:
    model = nn.Sequential(nn.Embedding(WIDTH, 3), nn.Linear(3, 2), dtype="float64")
    parts = model.parameters()
    table, weight = (
        torch.tensor(parts[name].copy(), requires_grad=True)
        for name in ("embedding1.weight", "linear1.weight")
    )
    y = NUMBERS[:, :2]
    prediction = F.embedding(torch.tensor(CLASSES), table) @ weight
    (((prediction - torch.tensor(y)) ** 2).sum() / (2 * ROWS)).backward()
    _, slope = value_and_grad(L.HalfMSE())(model, CLASSES[:, None], y)
    wanted = np.concatenate([table.grad.numpy().ravel(), weight.grad.numpy().ravel()])
    np.testing.assert_allclose(slope[:-2], wanted, rtol=1e-10, atol=1e-14)

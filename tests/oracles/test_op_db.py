"""Our ops against PyTorch's, over the float64 samples that PyTorch tests its own with: results and
gradients; needs torch and expecttest.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.op import OPS, Value
from glassnet.graph.types import type_of
from glassnet.pipeline import compile_graph
from tests.oracles.adapters import Left
from tests.oracles.table import NOT_THERE, TABLE, Peer

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    database = pytest.importorskip("torch.testing._internal.common_methods_invocations")

INTEGERS = {"nn.functional.one_hot"}
INFOS = [
    info for info in database.op_db
    if info.name in TABLE and (torch.float64 in info.dtypes or info.name in INTEGERS)
]  # fmt: skip
SEEN: set[str] = set()
COUNTS = {"compared": 0, "left": 0, "gradients": 0}


def tensors(item: Any) -> Iterator[Any]:
    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, list | tuple):
        for part in item:
            yield from tensors(part)


def replaced(item: Any, values: Iterator[Value]) -> Any:
    """The same arguments with graph values in the place of tensors."""
    if isinstance(item, torch.Tensor):
        return next(values)
    if isinstance(item, list | tuple):
        return type(item)(replaced(part, values) for part in item)
    return item


def samples(info: Any) -> Iterator[Any]:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dtype = torch.int64 if info.name in INTEGERS else torch.float64
        trained = info.supports_autograd and dtype.is_floating_point
        yield from info.sample_inputs("cpu", dtype, requires_grad=trained)


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


class Trial:
    """One sample: PyTorch's results, and the graph of ours."""

    def __init__(self, info: Any, peer: Peer, sample: Any) -> None:
        arguments = [sample.input, sample.args, tuple(sample.kwargs.values())]
        self.tensors = list(tensors(arguments))
        self.arrays = [t.detach().resolve_conj().numpy().copy() for t in self.tensors]
        self.builder = GraphBuilder()
        values = [self.builder.input(f"x{i}", type_of(x)) for i, x in enumerate(self.arrays)]
        first, args, named = replaced(arguments, iter(values))
        result = peer.f(first, *args, **dict(zip(sample.kwargs, named, strict=True)))
        self.ours = [self.lifted(part) for part in outputs(result)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = info.op(sample.input, *sample.args, **sample.kwargs)
        self.theirs = outputs(theirs)[: len(self.ours)]
        self.trained = [i for i, t in enumerate(self.tensors) if t.requires_grad]
        self.values = [values[i] for i in self.trained]

    def lifted(self, part: Any) -> Value:
        return part if isinstance(part, Value) else self.builder.constant(part, "float64")

    def run(self, graph: Graph) -> list[np.ndarray]:
        return compile_graph(graph).run(dict(zip(graph.inputs, self.arrays, strict=True)))

    def gradients(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of a weighted sum of the results, by every tensor that PyTorch would train."""
        pairs = [
            (mine, other) for mine, other in zip(self.ours, self.theirs, strict=True)
            if other.requires_grad
        ]  # fmt: skip
        if not pairs or not self.trained:
            return []
        total, sums = None, 0
        for mine, other in pairs:
            weights = np.cos(np.arange(float(np.prod(mine.shape)))).reshape(mine.shape)
            weights = weights.astype(mine.dtype)
            part = ops.sum(mine * weights) if mine.shape else mine * weights.item()
            total = part if total is None else total + part
            sums = sums + (other * torch.tensor(weights)).sum()
        trained = [self.tensors[i] for i in self.trained]
        wanted = torch.autograd.grad(sums, trained, allow_unused=True)
        found = self.run(self.builder.finish(gradients(total, self.values)))
        return [
            (mine, np.zeros_like(mine) if other is None else other.numpy(force=True))
            for mine, other in zip(found, wanted, strict=True)
        ]


def assert_near(got: np.ndarray, wanted: np.ndarray, rtol: float, sums: bool, where: str) -> None:
    assert got.shape == wanted.shape, where
    if rtol == 0.0:
        np.testing.assert_array_equal(got, wanted, err_msg=where)
        return
    finite = wanted[np.isfinite(wanted)]
    scale = max(1.0, *np.abs(finite).ravel()) if sums and finite.size else 0.0
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * scale, err_msg=where)


def name_of(info: Any) -> str:
    return " ".join(filter(None, (info.name, info.variant_test_name)))


@pytest.mark.parametrize("info", INFOS, ids=name_of)
def test_samples(info: Any) -> None:
    peer, left, compared, slopes = TABLE[info.name], [], 0, 0
    for number, sample in enumerate(samples(info)):
        where = f"{name_of(info)}, sample {number}: {sample.input}, {sample.args}, {sample.kwargs}"
        try:
            trial = Trial(info, peer, sample)
        except Left as reason:
            left.append(str(reason))
            continue
        graph = trial.builder.finish(trial.ours)
        SEEN.update(node.op.name for node in graph.nodes)
        for got, wanted in zip(trial.run(graph), trial.theirs, strict=True):
            reference = wanted.detach().resolve_conj().numpy()
            assert got.dtype == reference.dtype, where
            assert_near(got, reference, peer.rtol, peer.sums, where)
        compared += 1
        for got, wanted in trial.gradients() if peer.gradient else []:
            assert_near(got, wanted, GRADIENT, True, where)
            slopes += 1
    assert compared or left, "PyTorch has no sample"
    COUNTS["compared"] += compared
    COUNTS["left"] += len(left)
    COUNTS["gradients"] += slopes


GRADIENT = 1e-12  # relative to the largest element


def test_every_op_is_compared_or_said_not_to_be() -> None:
    """Runs after the samples; alone it has nothing to say."""
    if len(SEEN) < 10:
        pytest.skip("the samples did not run in this process")
    assert sorted(set(OPS) - SEEN - set(NOT_THERE)) == []
    print(COUNTS)


def test_every_name_is_one_of_pytorch() -> None:
    assert sorted(set(TABLE) - {info.name for info in database.op_db}) == []

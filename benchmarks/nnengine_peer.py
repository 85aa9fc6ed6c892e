"""nn-engine-core as a contender: its training loop in C++, over whole epochs.

In: a case and its data; its layers have no sigmoid, so classifiers with Adam only. Out: as in
`peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .cases import LR, Case, Data, Run

TASKS = ("adam",)


def compiled(case: Case, data: Data) -> tuple[Run, Callable[[], np.ndarray]]:
    """Epochs by `JITCompiler.fit`, which stops early unless told not to. The first call takes one
    step more than it should, so the weights are one step ahead of the others."""
    import nnengine as nn

    dense: list[Any] = [nn.DenseLayer(*w.shape) for w, _ in data.layers]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLULayer()
            for i, layer in enumerate(dense):
                setattr(self, f"dense{i}", layer)

        def forward(self, x: Any) -> Any:
            for layer in dense[:-1]:
                x = self.relu.forward(layer.forward(x))
            return dense[-1].forward(x)

    for layer, (w, b) in zip(dense, data.layers, strict=True):
        for own, first in zip(layer.parameters(), (w, b), strict=True):
            own.data = first.reshape(own.data.shape)
    labels = np.eye(case.sizes[-1], dtype=np.float32)[data.y]
    rows = nn.DataLoader(data.x, labels, case.batch, False)
    parts = Network(), nn.Adam(LR["adam"]), nn.SoftmaxCrossEntropyLoss()
    trainer = nn.JITCompiler(*parts)
    epochs = case.steps // case.batches

    def run() -> None:
        assert parts  # the trainer does not keep them alive
        rows.reset()
        trainer.fit(rows, epochs, tol=0.0, n_iter_no_change=1 << 30, verbose=False)

    def weights() -> np.ndarray:
        return np.concatenate([p.data.ravel() for layer in dense for p in layer.parameters()])

    return run, weights

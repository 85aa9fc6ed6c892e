"""nn-engine-core as a contender: its training loop in C++, over whole epochs.

In: a case and its data; its layers have no sigmoid, so classifiers with Adam only. Out: as in
`peers`. The loop is recorded by taking a step, which is undone here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .cases import LR, Case, Data, Run

TASKS = ("adam",)


def compiled(case: Case, data: Data) -> tuple[Run, Callable[[], np.ndarray]]:
    """Epochs by `JITCompiler.fit`, which stops early unless told not to."""
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

    labels = np.eye(case.sizes[-1], dtype=np.float32)[data.y]
    rows = nn.DataLoader(data.x, labels, case.batch, False)
    parts = Network(), nn.Adam(LR["adam"]), nn.SoftmaxCrossEntropyLoss()
    trainer = nn.JITCompiler(*parts)
    epochs = case.steps // case.batches
    held = [parameter for layer in dense for parameter in layer.parameters()]

    def fit(epochs: int) -> None:
        assert parts  # the trainer does not keep them alive
        rows.reset()
        trainer.fit(rows, epochs, tol=0.0, n_iter_no_change=1 << 30, verbose=False)

    fit(0)  # records
    forget(trainer, [parameter.data.size for parameter in held])
    for own, first in zip(held, (part for pair in data.layers for part in pair), strict=True):
        own.data = first.reshape(own.data.shape)

    def weights() -> np.ndarray:
        return np.concatenate([parameter.data.ravel() for parameter in held])

    return lambda: fit(epochs), weights


def forget(trainer: Any, sizes: list[int]) -> None:
    """Put Adam's memory back to 0. It can be reached through the trainer's file only: the number
    of the step (4 bytes), of parameters (8), of each parameter its shape (16) and first moments,
    then all second moments."""
    with TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/kept")
        file = Path(folder) / "kept.opt.nne"
        kept = bytearray(file.read_bytes())
        kept[:4] = bytes(4)
        place = 12
        for size in sizes:
            place += 16
            kept[place : place + 4 * size] = bytes(4 * size)
            place += 4 * size
        kept[place:] = bytes(len(kept) - place)
        file.write_bytes(kept)
        trainer.load_checkpoint(f"{folder}/kept")

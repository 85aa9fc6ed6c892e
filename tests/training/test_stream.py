"""Training on rows in files: the same bits as on arrays, in bounded memory, and no file left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import glassnet as gn
from glassnet.errors import ShapeError, TrainingError
from glassnet.ops import philox
from glassnet.runs import recorder
from glassnet.runs.file import RunFile
from glassnet.tables import stream as streams
from glassnet.training import batch_order as orders
from glassnet.training import data_checks as check
from glassnet.training import find_lr, memmap, step_runner
from glassnet.training.batch_order import Order
from tests.data import HANG

ROWS = 230
CROSS = gn.losses.CrossEntropy()


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = philox.normal(ROWS * 3, 1).reshape(ROWS, 3)
    return x, (x[:, 0] > 0) * 1 + (x[:, 1] > 1) * 1, np.round(np.abs(x[:, 2]), 1)


def written(folder: Path, files: int = 3) -> Path:
    """The rows in several files, a few row groups each."""
    x, y, weight = arrays()
    for number, part in enumerate(np.array_split(np.arange(ROWS), files)):
        columns = {"a": x[part, 0], "y": y[part], "b": x[part, 1], "c": x[part, 2]}
        table = pa.table({**columns, "w": weight[part]})
        pq.write_table(table, folder / f"part{number}.parquet", row_group_size=20)
    return folder


def train(*data: Any, **more: Any) -> tuple[bytes, list[float], list[float]]:
    model = gn.nn.Sequential(
        gn.nn.Linear(3, 4), gn.nn.Tanh(), gn.nn.Dropout(0.2), gn.nn.Linear(4, 3), dtype=DTYPE
    )
    settings = {"loss": CROSS, "optimizer": gn.optim.Adam(0.01), "epochs": 4, "batch_size": 16}
    history = gn.train(model, *data, **{**settings, **more})
    return model.W.tobytes(), history.loss, history.validation_loss


DTYPE = "float32"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PART", 16 * 3 * 4)
    monkeypatch.setattr(check, "PART", 32)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"shuffle": False},
        {"seed": 7, "validation": 0.25},
        {"loss": gn.losses.CrossEntropy(class_weight=(1.0, 2.0, 0.5))},
        {"optimizer": gn.optim.LBFGS()},
        {"optimizer": gn.optim.RandomSearch()},
        {"batch_size": 1000},
    ],
    ids=str,
)
def test_the_weights_are_those_of_the_same_rows_as_arrays(more: Any, tmp_path: Path) -> None:
    x, y, weight = arrays()
    keep = ["a", "b", "c"]
    given = gn.stream(written(tmp_path), target="y", features=keep)
    assert train(given, **more) == train(x, y, **more)
    heavy = gn.stream(tmp_path, target="y", features=keep, weight="w")
    assert train(heavy, **more) == train(x, y, sample_weight=weight, **more)


def test_validation_data_may_be_a_stream(tmp_path: Path) -> None:
    x, y, weight = arrays()
    written(tmp_path)
    given = gn.stream(tmp_path, target="y", weight="w")
    apart = gn.stream(tmp_path / "part1.parquet", target="y", weight="w")
    part = np.array_split(np.arange(ROWS), 3)[1]
    known = (x[part], y[part], weight[part])
    both = train(given, validation=apart)
    assert both == train(x, y, sample_weight=weight, validation=known)
    assert both == train(given, validation=known)
    other = gn.stream(tmp_path, target="y", features=["a", "c", "b"])
    with pytest.raises(TrainingError, match="column 1 of x is 'b' in the training data and 'c'"):
        train(given, validation=other)


def test_a_learning_rate_is_found_on_a_stream(tmp_path: Path) -> None:
    x, y, _ = arrays()
    given = gn.stream(written(tmp_path), target="y", features=["a", "b", "c"])
    model = gn.nn.Sequential(gn.nn.Linear(3, 3))
    sgd = gn.optim.SGD(1.0)
    found = [
        find_lr(model, *data, loss=CROSS, optimizer=sgd, steps=20) for data in ((given,), (x, y))
    ]
    assert found[0] == found[1]


def test_the_order_of_many_rows_is_that_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked out in blocks it is the order that the whole permutation gives."""
    monkeypatch.setattr(orders, "TOGETHER", 50)  # below that, orders of epochs are kept
    for count, size in ((103, 10), (100, 10), (64, 7), (9, 30)):
        order = Order(count, min(size, count), 5)
        for epoch in (0, 3):
            wanted = philox.permutation(count, 5, orders.SHUFFLE, epoch)
            still = np.arange(count)
            for block in (1, 16, 40, 1 << 20):
                monkeypatch.setattr(orders, "BLOCK", block)
                parts = [rows.ravel() for rows in order.parts(epoch)]
                expected = still if order.steps == 1 else wanted
                assert (np.concatenate(parts) == expected).all()
                alone = Order(count, min(size, count), None)
                parts = [rows.ravel() for rows in alone.parts(epoch)]
                assert (np.concatenate(parts) == still).all()
                sizes = [len(rows) for part in order.parts(epoch) for rows in part]
                assert sizes == [order.size] * (count // order.size) + [count % order.size] * (
                    count % order.size > 0
                )


def test_blocks_and_rows_asked_for_early_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, _ = arrays()
    wanted = train(x, y)
    asked: list[int] = []
    soon = memmap.MappedRows.soon

    def told(own: memmap.MappedRows, rows: np.ndarray) -> None:
        asked.append(rows.size)
        soon(own, rows)

    waits: Iterator[int] = iter(range(10**9))
    monkeypatch.setattr(orders, "BLOCK", 50)
    monkeypatch.setattr(orders, "TOGETHER", 0)
    monkeypatch.setattr(step_runner, "AT_ONCE", 16)
    monkeypatch.setattr(memmap, "_waits", lambda: next(waits))
    monkeypatch.setattr(memmap.MappedRows, "soon", told)
    given = gn.stream(written(tmp_path), target="y", features=["a", "b", "c"])
    assert train(given) == wanted
    assert asked.count(16) > 4


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"y": [0, 1, 3]}, r"from row 2 on .*class numbers 0 to 2 .*labels run from 3 to 3"),
    ({"y": [0.0, 0.5, 1.0]}, r"from row 1 on .*not all whole"),
    ({"w": [1.0, -1.0, 1.0]}, r"from row 1 on .*weights are 0 or more"),
    ({"w": [0.0, 0.0, 0.0]}, "the weights of the rows are all 0"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_rows_that_do_not_fit_are_named(wrong: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    good = {"a": [1.0, 2, 3], "b": [1.0, 2, 3], "c": [1.0, 2, 3], "y": [0, 1, 2], "w": [1.0, 2, 0]}
    pq.write_table(pa.table({**good, **wrong}), path)
    with pytest.raises((ShapeError, TrainingError), match=sentence):
        train(gn.stream(path, target="y", weight="w"))


def test_what_a_stream_has_is_not_given_beside_it(tmp_path: Path) -> None:
    given = gn.stream(written(tmp_path), target="y")
    _, y, weight = arrays()
    with pytest.raises(ShapeError, match=r"y was given beside .*gn\.stream"):
        train(given, y)
    with pytest.raises(ShapeError, match="sample_weight was given beside"):
        train(given, sample_weight=weight)
    with pytest.raises(
        ShapeError, match=r"x has 4 columns in .*\(a, b, c, w\); the network takes 3"
    ):
        train(given)


def test_a_recorded_stream_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint is that of the arrays, and every command that opens a run finds the files."""

    monkeypatch.setattr(recorder, "SMALL", 0)
    x, y, weight = arrays()
    part = np.array_split(np.arange(ROWS), 3)[1]
    (tmp_path / "rows").mkdir()
    given = gn.stream(written(tmp_path / "rows"), target="y", weight="w")
    apart = gn.stream(tmp_path / "rows" / "part1.parquet", target="y", weight="w")
    run, other = str(tmp_path / "run.glass"), str(tmp_path / "arrays.glass")
    train(given, validation=apart, record=run)
    known = (x[part], y[part], weight[part])
    train(x, y, sample_weight=weight, validation=known, record=other)
    prints: list[Any] = []
    for path in (run, other):
        with RunFile.read(path) as file:
            prints.append(file.values()["sha256"])
    assert prints[0] == prints[1]
    with pytest.raises(TrainingError, match=r"gn\.stream\(\[.*part0.*target='y', weight='w'\)"):
        gn.resume(run)
    model, _ = gn.resume(run, given, validation=apart, epochs=5)
    assert model.W.tobytes() == train(given, validation=apart, epochs=5)[0]
    opened = gn.open_step(run, given, validation=apart, epoch=2, batch=1)
    assert (opened.x == x[opened.rows].astype(DTYPE)).all()
    again = gn.open_step(run, epoch=2, batch=1)
    assert again.L == opened.L
    assert (again.rows == opened.rows).all()
    monkeypatch.chdir(tmp_path)
    assert "epochs" in glassnet("resume", run, "--epochs", "6")
    assert "epoch 2, batch 3" in glassnet("step", run, "--epoch", "2", "--batch", "3")
    assert "y of " in glassnet("runs", ".")
    (tmp_path / "rows").rename(tmp_path / "moved")
    assert "does not exist" in glassnet("step", run)


def glassnet(*words: str) -> str:
    command = [sys.executable, "-m", "glassnet", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    return done.stdout + done.stderr


def test_a_run_with_weights_of_classes_can_be_resumed(tmp_path: Path) -> None:
    x, y, _ = arrays()
    loss = gn.losses.CrossEntropy(class_weight=(1.0, 2.0, 0.5))
    run = str(tmp_path / "run.glass")
    train(x, y, loss=loss, record=run, epochs=2)
    wanted = train(x, y, loss=loss)[0]
    assert gn.resume(run, epochs=4)[0].W.tobytes() == wanted
    train(x, y, loss=loss, record=run, overwrite=True, epochs=2)
    assert gn.resume(run, x, y, epochs=4)[0].W.tobytes() == wanted

"""Trains on the rows of a Parquet file, and tells how much memory of its own that took.

In: the file, and "stream" or "arrays". Out: JSON with "before" and "peak", bytes of memory that
belongs to no file, and the loss.
"""

from __future__ import annotations

import json
import sys
import threading

import numpy as np

import glassnet as gn


def own_memory() -> int:
    """Pages that are not of a file: those of mapped files the system can drop at any time."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def train(path: str, way: str) -> float:
    width = 99
    model = gn.nn.Sequential(gn.nn.Linear(width, 2), gn.nn.Tanh(), gn.nn.Linear(2, 1))
    if way == "stream":
        data = (gn.stream(path, target="y"),)
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        columns = [table.column(i).to_numpy() for i in range(width + 1)]
        data = (np.column_stack(columns[:width]), columns[width])
    loss, optimizer = gn.losses.HalfMSE(), gn.optim.SGD(1e-3)
    kept = gn.train(model, *data, loss=loss, optimizer=optimizer, epochs=1, batch_size=256)
    return kept.loss[0]


def main() -> None:
    gn.train(gn.nn.Sequential(gn.nn.Linear(1, 1)), np.ones((2, 1)), np.ones(2),
             loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(0.1), epochs=1)  # fmt: skip
    before = own_memory()
    seen = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            seen.append(own_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    loss = train(*sys.argv[1:3])
    done.set()
    thread.join()
    print(json.dumps({"before": before, "peak": max(seen), "loss": loss}))


main()

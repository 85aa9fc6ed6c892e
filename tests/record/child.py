"""A program to be killed: it goes on with a run where there is one, begins it where there is none,
and prints the SHA-256 of the final weights.

In: the path of the run file, and the number of epochs. Out: "ready", then the digest.
"""

from __future__ import annotations

import sys
from typing import Any

import glassnet as gn
from glassnet.errors import ModelFileError
from glassnet.runs import recorder
from tests.record.common import HALF, data, network, sha


class Ready(gn.callbacks.Callback):
    def train_begin(self, run: Any) -> None:
        print("ready", flush=True)


def main(path: str, epochs: int) -> None:
    recorder.EVERY, recorder.SHARE, recorder.MOST = 0.002, 0.0, 16
    x, y = data(400)
    try:
        model, _ = gn.resume(path, x, y, callbacks=[Ready()])
    except ModelFileError:  # killed before the state before the first step was on the disk
        model = network()
        gn.train(
            model, x, y, loss=HALF, optimizer=gn.optim.Adam(lr=0.003), epochs=epochs, seed=5,
            record=path, callbacks=[Ready()],
        )  # fmt: skip
    print(sha(model), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

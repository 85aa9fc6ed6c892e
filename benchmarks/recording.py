"""What do a run file and a progress bar cost?

In: nothing. Out: seconds of whole calls of `gn.train` on made-up images, 784-128-10 in batches of
64: alone, with `record=`, and with the progress line of `glassnet fit` on a terminal;
`build/benchmarks/recording.json`. A run file has a price a run (a digest of all rows, taken in a
thread beside the training, and the first and the last checkpoint) and one a second (checkpoints, a
hundredth of the time at most), so a short and a long run are measured, on one core and on two.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import glassnet as gn
from glassnet.cli.terminal_progress import TerminalProgress

from .machine import describe, pin
from .report import Result, load, own_folder, table, versions
from .timing import alternate

SIZES, BATCH = (784, 128, 10), 64
CORES = (1, 2)
Train = Callable[..., Any]


class Terminal(io.StringIO):
    """A stream that a progress line takes for a terminal."""

    def isatty(self) -> bool:
        return True


def trainer(rows: int, epochs: int) -> Train:
    """Training from the same weights every time, on the same rows."""
    rng = np.random.default_rng(0)
    # of one sign, such numbers would silence all hidden units, and denormal memories slow Adam down
    x = rng.standard_normal((rows, SIZES[0]), dtype=np.float32)
    y = rng.integers(0, SIZES[-1], rows)
    layers = gn.nn.Linear(*SIZES[:2]), gn.nn.ReLU(), gn.nn.Linear(*SIZES[1:])
    model = gn.nn.Sequential(*layers)
    first = model.W.copy()

    def train(**more: Any) -> None:
        model.W = first
        loss, optimizer = gn.losses.CrossEntropy(), gn.optim.Adam(lr=1e-3)
        gn.train(
            model, x, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=BATCH, **more
        )

    return train


def measure(epochs: int, options: argparse.Namespace) -> dict[str, Any]:
    train = trainer(options.rows, epochs)

    def painted() -> None:
        with TerminalProgress(epochs, Terminal()) as progress:
            train(callbacks=[progress])

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.glass"
        work = {
            "alone": train,
            "recorded": lambda: train(record=path, overwrite=True),
            "painted": painted,
        }
        found = alternate(work, options.turns, options.seconds)
    alone = found["alone"]
    return {
        "epochs": epochs,
        "cores": options.cores,
        **{name: {"least": own.least, "median": own.median} for name, own in found.items()},
        **{
            f"price of {name}": {
                "least": own.least / alone.least - 1,
                "median": own.median / alone.median - 1,
            }
            for name, own in found.items()
            if name != "alone"
        },
        "turns": len(alone.seconds),
    }


def page(result: Result) -> str:
    def both(price: dict[str, float]) -> str:
        return f"{price['least']:+.1%} ({price['median']:+.1%})"

    lines = [
        [
            str(row["epochs"]),
            str(row["cores"]),
            *(f"{row[name]['least']:.2f}" for name in ("alone", "recorded", "painted")),
            both(row["price of recorded"]),
            both(row["price of painted"]),
        ]
        for row in result.rows
    ]
    head = ["epochs", "cores", "alone", "recorded", "progress bar", "run file", "progress bar"]
    return f"{table(head, lines)}\n\n{versions(result)}"


def on_cores(cores: int, options: argparse.Namespace) -> Result:
    """In a process that may use so many."""
    module = __spec__.name if __spec__ is not None else __name__
    given = {"cores": cores, "rows": options.rows, "turns": options.turns}
    command = [sys.executable, "-m", module, "--seconds", str(options.seconds)]
    command += [part for name, value in given.items() for part in (f"--{name}", str(value))]
    subprocess.run([*command, "--epochs", *map(str, options.epochs)], check=True)
    found = load(f"recording-{cores}", own_folder())[0]
    (own_folder() / f"recording-{cores}.json").unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cores", type=int, choices=CORES, help="by default one, then two")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60.0, help="about so long a line")
    options = parser.parse_args()
    if options.cores is None:
        parts = [on_cores(cores, options) for cores in CORES]
        result = Result("recording", parts[-1].machine, [row for own in parts for row in own.rows])
        result.save()
        print(page(result))
        return
    pin(options.cores)
    result = Result(f"recording-{options.cores}", describe(options.cores))
    result.rows += [measure(epochs, options) for epochs in options.epochs]
    result.save()


if __name__ == "__main__":
    main()

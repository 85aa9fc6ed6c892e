"""`glassnet rerun`: train a recorded run again from one of its steps, with other settings.

In: a run file, a step, other settings. Out: a run file; the last loss and the hash of the weights.
"""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.cli.options import Json, Trust
from glassnet.cli.status import INTERRUPTED
from glassnet.cli.step import DataPath, RunPath

FromStep = Annotated[
    int, typer.Option("--from-step", metavar="K", help="The first step that differs, from 1.")
]
Record = Annotated[str, typer.Option(metavar="NEW", help="The run file to write.")]
Lr = Annotated[float | None, typer.Option("--lr", metavar="RATE", help="A new learning rate.")]
BatchSize = Annotated[
    int | None, typer.Option(metavar="N", help="A new batch size, from the start of an epoch on.")
]
Epochs = Annotated[int | None, typer.Option(metavar="N", help="The new total number of epochs.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a run that NEW holds.")]


def rerun(
    run: RunPath,
    from_step: FromStep,
    record: Record,
    data: DataPath = None,
    lr: Lr = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    overwrite: Overwrite = False,
    trust: Trust = False,
    json: Json = False,
) -> int:
    """Train RUN again from step K on with other settings, as a new run.

    Before step K the new run has the bits of RUN. RUN is not changed."""
    from glassnet.cli.output import print_json
    from glassnet.cli.resume import digest, run_arrays
    from glassnet.inspect.rerun_from import rerun as train_again
    from glassnet.words import plural

    model, history = train_again(
        run, from_step=from_step, record=record, lr=lr, batch_size=batch_size, epochs=epochs,
        overwrite=overwrite, **run_arrays(run, data, trust),
    )  # fmt: skip
    done, loss = len(history.loss), history.loss[-1]
    if json:
        print_json({
            "run": record, "parent": run, "from_step": from_step, "epochs": done, "loss": loss,
            "stopped": history.stopped, "sha256": digest(model),
        })  # fmt: skip
    else:
        print(f"{plural(done, 'epoch')}, loss {loss:.6g}, W has SHA-256 {digest(model)}")
    return INTERRUPTED if history.stopped == "interrupted" else 0

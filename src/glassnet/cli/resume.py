"""`glassnet resume`: go on with a recorded run.

In: a run file, and its data where the file does not hold them. Out: the same file, further on.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from glassnet.cli.options import Epochs, Json, Threads


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run file.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Its table, or an .npz file of its arrays x, y (and weight).",
            show_default=False,
        ),
    ] = None,
    epochs: Epochs = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Go on with RUN to the very bits of an uninterrupted run."""
    import hashlib

    from glassnet.cli.report import print_json
    from glassnet.training.resume import resume as go_on

    model, history = go_on(run, epochs=epochs, threads=threads, **run_arrays(run, data))
    digest = hashlib.sha256(model.W.tobytes()).hexdigest()
    if json:
        found = {"epochs": len(history.loss), "loss": history.loss[-1], "stopped": history.stopped}
        print_json({"run": run, **found, "sha256": digest})
    else:
        print(f"{len(history.loss)} epochs, loss {history.loss[-1]:.6g}, W has SHA-256 {digest}")


def run_arrays(run: str, data: str | None) -> dict[str, Any]:
    """What a run was trained on, where its file does not hold it: the arrays in an .npz file, or
    the rows of the table that `glassnet fit --record` recorded, wherever that is now."""
    from glassnet.estimators.fit_record import rows_of

    if data is not None and data.endswith(".npz"):
        return arrays(data)
    return rows_of(run, data) or arrays(data)


def arrays(path: str | None) -> dict[str, Any]:
    """x, y and weights from an .npz file."""
    import zipfile

    import numpy as np

    from glassnet.errors import TableError

    if path is None:
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        named = {"x": found["x"], "y": found["y"], "sample_weight": found.get("weight")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TableError(
            f"{path} has no arrays x and y ({error}); write them with numpy.savez(path, x=x, y=y)"
        ) from None
    return named

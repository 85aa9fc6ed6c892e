"""`glassnet show`: a network on its way to machine code.

In: a model file or a run file, and a stage. Out: the text of that stage.
"""

from __future__ import annotations

from typing import Annotated

import typer

_STAGE = "graph, grad (with gradients, for a run the whole step), kernels, llvm or asm."


def show(
    subject: Annotated[
        str, typer.Argument(metavar="MODEL|RUN", help="A model or run file.", show_default=False)
    ],
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help=_STAGE)] = "graph",
) -> None:
    """Print a network as a graph, with its gradients, as kernels, or as machine code."""
    from pathlib import Path

    from glassnet.estimators.table_model import TableModel
    from glassnet.inspect.stages import check_stage, show_model, show_run
    from glassnet.nn.losses import CrossEntropy, HalfMSE
    from glassnet.training.record_file import is_run

    check_stage(stage)
    if is_run(Path(subject)):
        print(show_run(subject, stage))
        return
    model = TableModel.load(subject)
    loss = CrossEntropy() if model.schema.target.classes else HalfMSE()
    print(show_model(model.network, loss, stage))

"""`glassnet show`: a network on its way to machine code.

In: a model file or a run file, and a stage. Out: the text of that stage.
"""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.graph.stage_names import STAGES

_STAGE = (
    "; ".join(f"{name}: {shows}" for name, shows in STAGES.items())
    + ". After graph they are of the loss with its gradients, for a run of the whole step."
)


def show(
    subject: Annotated[
        str, typer.Argument(metavar="MODEL|RUN", help="A model or run file.", show_default=False)
    ],
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help=_STAGE)] = "graph",
) -> None:
    """Print a network as a graph, with its gradients, as kernels, as loops, or as machine
    code."""
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

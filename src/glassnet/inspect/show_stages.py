"""Show a network in one stage of compilation, from the graph to machine code, as text.

In: a model or a recorded run, and the name of a stage. Out: the text of that stage. Stages after
`graph` show the loss with its gradients; for a run, the whole training step.
"""

from __future__ import annotations

from pathlib import Path

from glassnet.errors import GlassnetError
from glassnet.graph.stage_names import STAGES, unknown_stage_text
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.rounding import computed_to_nearest
from glassnet.run.program import Plan
from glassnet.runs.descriptions import from_data
from glassnet.runs.file import RunFile
from glassnet.runs.resume_run import begun_values
from glassnet.stages import stages
from glassnet.training.programs import STEPPED
from glassnet.training.step_graph import gradient_graph, step_graph


@computed_to_nearest
def show_model(model: Module, loss: Loss, stage: str) -> str:
    """Return a stage of a model as text: its prediction as a graph, else the loss with its
    gradients."""
    check_stage(stage)
    width = model.input_width()
    if width is None:
        raise GlassnetError(f"{model!r} takes rows of any width, so it has no one graph")
    if stage == "graph":
        return str(model.graph())
    graph = gradient_graph(model, loss, width, False).graph
    return str(graph) if stage == "grad" else stages(graph, stage)


@computed_to_nearest
def show_run(path: str | Path, stage: str) -> str:
    """Return a stage of the training step of a run as text."""
    check_stage(stage)
    with RunFile.read(path) as file:
        values = begun_values(file)
    model, loss = from_data(values["model"]), from_data(values["loss"], "loss")
    optimizer = from_data(values["optimizer"], "optimizer")
    width, weighted = values["columns"], values["weighted"]
    if stage == "graph":
        return str(model.graph(width))
    step = step_graph(model, loss, optimizer, width, weighted, values["seed"])
    if stage == "grad":
        return str(step.graph)
    return stages(Plan(step.graph, step.donate, frozenset(STEPPED), frozenset({0})), stage)


def check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise GlassnetError(unknown_stage_text(stage))

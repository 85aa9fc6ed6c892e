"""A network on its way from nodes to machine code, as text.

In: a model, or a recorded run, and the name of a stage. Out: the text of that stage.
"""

from __future__ import annotations

from pathlib import Path

from glassnet.errors import GlassnetError
from glassnet.graph.graph import Graph
from glassnet.llvm.target import assembly, host
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.run.compiled import assembly_text
from glassnet.run.program import Plan
from glassnet.schedule import schedule
from glassnet.simplify import simplify
from glassnet.training.programs import STEPPED
from glassnet.training.record_data import from_data
from glassnet.training.record_file import RunFile
from glassnet.training.step import gradient_graph, step_graph

STAGES = ("graph", "grad", "kernels", "llvm", "asm")


def show_model(model: Module, loss: Loss, stage: str) -> str:
    """A stage of a model: its prediction as a graph, else the loss with its gradients."""
    check_stage(stage)
    width = model.takes()
    if width is None:
        raise GlassnetError(f"{model!r} takes rows of any width, so it has no one graph")
    graph = model.graph() if stage == "graph" else gradient_graph(model, loss, width, False)
    return _text(Plan(simplify(graph)), graph, stage)


def show_run(path: str | Path, stage: str) -> str:
    """A stage of the training step that a run takes."""
    check_stage(stage)
    with RunFile.read(path) as file:
        values = file.values()
    model, loss = from_data(values["model"]), from_data(values["loss"], "loss")
    optimizer = from_data(values["optimizer"], "optimizer")
    width, weighted = values["columns"], values["weighted"]
    if stage == "graph":
        graph = model.graph(width)
        return _text(Plan(simplify(graph)), graph, stage)
    step = step_graph(model, loss, optimizer, width, weighted, values["seed"])
    plan = Plan(simplify(step.graph), step.donate, frozenset(STEPPED), frozenset({0}))
    return _text(plan, step.graph, stage)


def check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise GlassnetError(f"there is no stage {stage!r}; use one of {', '.join(STAGES)}")


def _text(plan: Plan, graph: Graph, stage: str) -> str:
    if stage in ("graph", "grad"):
        return str(graph)
    fused = schedule(plan.graph, plan.donate)
    if stage == "kernels":
        return str(fused)
    target = host()
    text, _ = assembly_text(plan, fused, target, parallel=False)
    return text if stage == "llvm" else assembly(text, target.name)

"""Shows every stage of compilation as text.

In: a graph or a plan, and the name of a stage. Out: the result of that stage as text. `STAGES`
lists the stages and what each shows; `grad` shows the gradients of output 0, a scalar, with respect
to every input of its dtype.
"""

from __future__ import annotations

from glassnet.errors import GraphError
from glassnet.fuse.kernel_order import schedule
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.stage_names import STAGES, unknown_stage_text
from glassnet.llvm.machine_code import InstructionSet, assembly, host
from glassnet.lower.entry_point import lower_program
from glassnet.lower.listing import Listing
from glassnet.lower.protocol import PLAIN
from glassnet.run.compiled import assembly_text
from glassnet.run.program import Plan
from glassnet.simplify import simplify

__all__ = ["STAGES", "stages", "with_gradients"]


def stages(graph: Graph | Plan, stop_after: str, target: InstructionSet | None = None) -> str:
    """Return the text of one stage. Raises GraphError where there is no such stage.

    Stages after `grad` compile the graph without gradients; pass `with_gradients(graph)` to see
    them.
    """
    if stop_after not in STAGES:
        raise GraphError(unknown_stage_text(stop_after))
    plan = graph if isinstance(graph, Plan) else Plan(graph)
    if stop_after == "graph":
        return str(plan.graph)
    if stop_after == "grad":
        return str(with_gradients(plan.graph))
    smaller = simplify(plan.graph)
    if stop_after == "simplified":
        return str(smaller)
    return _lowered(
        Plan(smaller, plan.donate, plan.stepped, plan.collect), stop_after, target or host()
    )


def _lowered(plan: Plan, stop_after: str, target: InstructionSet) -> str:
    fused = schedule(plan.graph, plan.donate)
    if stop_after == "kernels":
        return str(fused)
    if stop_after == "loops":
        listing = Listing()
        stepped = [plan.graph.inputs[name] for name in plan.stepped]
        stepped += [fused.outputs[output] for output in plan.collect]
        lower_program(fused, listing, target.machine, stepped, PLAIN)
        return str(listing)
    text, _ = assembly_text(plan, fused, target)
    return text if stop_after == "llvm" else assembly(text, target.name)


def with_gradients(graph: Graph) -> Graph:
    """Return the graph with further outputs: the gradients of its first output with respect to
    every input of the same dtype."""
    builder = GraphBuilder(graph.nodes)
    outputs = [builder.value(place) for place in graph.outputs]
    places = graph.inputs.values()
    inputs = [value for value in map(builder.value, places) if value.dtype == outputs[0].dtype]
    return builder.finish([*outputs, *gradients(outputs[0], inputs)])

"""`glassnet show`: print a network in one stage of compilation.

In: a model file, a run file or a network in a Python file, and a stage. Out: the text of that
stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassnet.cli.options import ModelTarget
from glassnet.errors import CompileError, GlassnetError
from glassnet.graph.stage_names import STAGES

if TYPE_CHECKING:
    from glassnet.nn.loss import Loss
    from glassnet.nn.module import Module

_STAGE = (
    "; ".join(f"{name}: {shows}" for name, shows in STAGES.items())
    + ". After graph, stages show the loss with its gradients; for a run, the whole step."
)
_SUBJECT = (
    "A model or run file; or a Python file, which is executed, and the name of a network in it, "
    "such as net.py:model. Its loss is half the squared error, or cross-entropy with --classes."
)


def show(
    subject: Annotated[
        str, typer.Argument(metavar="MODEL|RUN|FILE.py:NAME", help=_SUBJECT, show_default=False)
    ],
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help=_STAGE)] = "graph",
    classes: Annotated[
        bool, typer.Option("--classes", help="For a network in a Python file: use cross-entropy.")
    ] = False,
    target: ModelTarget = None,
) -> None:
    """Print a network as a graph, with its gradients, as kernels, as loops, or as machine
    code."""
    try:
        from glassnet.inspect.show_stages import check_stage, show_model, show_run
    except ImportError as error:
        raise CompileError(
            f"the stages cannot be shown, since llvmlite does not load here ({error})"
        ) from None
    from glassnet.runs.disk import is_run

    check_stage(stage)
    file, _, name = subject.rpartition(":") if ".py:" in subject else (subject, "", "")
    python = file.endswith(".py")
    if target is not None and (python or is_run(Path(subject))):
        raise GlassnetError(f"--target is for a model file, and {subject} is none")
    if classes and not python:
        raise GlassnetError("--classes is for a network in a Python file; other files say it")
    if not python and is_run(Path(subject)):
        print(show_run(subject, stage))
        return
    model, loss = _in_python(file, name, classes) if python else _in_file(subject, target)
    print(show_model(model, loss, stage))


def _in_file(path: str, target: str | None) -> tuple[Module, Loss]:
    from glassnet.estimators.tabular.target_models import load_model

    model = load_model(path, target)
    return model.network, _loss(bool(model.schema.target.classes))


def _in_python(path: str, name: str, classes: bool) -> tuple[Module, Loss]:
    """Execute a Python file, and return its network of that name, or the only one."""
    import runpy
    import sys

    from glassnet.nn.module import Module

    if not Path(path).is_file():
        raise GlassnetError(f"there is no file {path}")
    sys.path.insert(0, str(Path(path).resolve().parent))  # as `python FILE` does
    try:
        names = runpy.run_path(path)
    except (Exception, SystemExit) as error:
        raise GlassnetError(f"{path} ended with {type(error).__name__}: {error}") from error
    finally:
        del sys.path[0]
    networks = {key: found for key, found in names.items() if isinstance(found, Module)}
    chosen = name or (next(iter(networks)) if len(networks) == 1 else "")
    if chosen not in networks:
        known = f"its networks are {', '.join(networks)}" if networks else "it holds no network"
        asked = f"{path} has no network {name!r}" if name else f"name one network of {path}"
        raise GlassnetError(f"{asked}; {known}")
    return networks[chosen], _loss(classes)


def _loss(classes: bool) -> Loss:
    from glassnet.nn.losses import CrossEntropy, HalfMSE

    return CrossEntropy() if classes else HalfMSE()

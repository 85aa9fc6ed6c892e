"""`glassnet runs`: the run files of a folder.

In: a folder. Out: a line, or a JSON entry, for each run file in it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from glassnet.cli.options import Json
from glassnet.visible import visible
from glassnet.words import counted


def runs(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="By default this one.")] = ".",
    json: Json = False,
) -> None:
    """List the run files in DIR: how far each is, its loss, and what it trains."""
    from glassnet.cli.report import REASONS, print_json
    from glassnet.errors import ModelFileError, TableError
    from glassnet.training.record_disk import is_run

    if not Path(folder).is_dir():
        raise TableError(f"{folder} is no folder; name one that holds run files")
    found: list[dict[str, Any]] = []
    for path in sorted(Path(folder).iterdir()):
        if not is_run(path):
            continue
        try:
            found.append(_about(str(path)))
        except ModelFileError as error:
            print(visible(f"note: {error}"), file=sys.stderr)
    if json:
        print_json({"runs": found})
        return
    for own in found:
        loss = "" if own["loss"] is None else f"loss {own['loss']:.6g}"
        what = f"  {own['target']} of {own['table']}" if own["table"] and own["target"] else ""
        done = f"{own['done']}/{counted(own['epochs'], 'epoch')}"
        state = REASONS.get(own["state"], own["state"])
        print(visible(f"{own['run']}  {done}  {state}  {loss}{what}"))
    if not found:
        print(f"no run files in {folder}")


def _about(path: str) -> dict[str, Any]:
    from glassnet.training.record_file import RunFile
    from glassnet.training.record_settings import settings_of

    with RunFile.read(path) as file:
        values = settings_of(file)
        losses = file.history()[0]
    source: dict[str, Any] = values.get("source") or {}
    streams: dict[str, dict[str, Any]] = source.get("streams") or {}
    if "training" in streams:
        files, target = streams["training"]["path"], streams["training"]["target"]
        own = [target] if isinstance(target, str) else target
        source = {"table": ", ".join(files), "target": ", ".join(own)} | source
    ended = values.get("ended")
    return {
        "run": path,
        "epochs": values.get("epochs", 0),
        "done": len(losses),
        "state": "unfinished" if ended is None else ended["stopped"],
        "loss": losses[-1] if losses else None,
        "table": source.get("table"),
        "target": source.get("target"),
    }

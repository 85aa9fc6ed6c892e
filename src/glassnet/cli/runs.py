"""`glassnet runs`: list the run files of a folder.

In: a folder. Out: a line, or a JSON entry, for each run file in it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from glassnet.cli.options import Json
from glassnet.visible import make_visible
from glassnet.words import plural, shorten


def runs(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="The folder; by default the current one.")
    ] = ".",
    json: Json = False,
) -> None:
    """List the run files in DIR with their epochs, loss, network and settings."""
    from glassnet.cli.output import REASONS, print_json
    from glassnet.errors import ModelFileError, TableError
    from glassnet.runs.disk import is_run

    if not Path(folder).is_dir():
        raise TableError(f"{folder} is not a folder; name one that holds run files")
    found: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []  # an unreadable file must not hide the others
    for path in sorted(Path(folder).iterdir()):
        if not is_run(path):
            continue
        try:
            found.append(_summary(str(path)))
        except ModelFileError as error:
            problems.append({"run": str(path), "problem": str(error)})
            print(make_visible(f"note: {error}"), file=sys.stderr)
    if json:
        print_json({"runs": found, "unread": problems})
        return
    for run in found:
        loss = "" if run["loss"] is None else f"loss {run['loss']:.6g}"
        what = f"  {run['target']} of {run['table']}" if run["table"] and run["target"] else ""
        done = f"{run['done']}/{plural(run['epochs'], 'epoch')}"
        state = REASONS.get(run["state"], run["state"])
        print(make_visible(f"{run['run']}  {done}  {state}  {loss}{what}"))
        if run["network"] is not None:
            rate = "" if run["lr"] is None else f"lr {run['lr']}  "
            about = f"    {run['optimizer']} {rate}seed {run['seed']}  "
            print(make_visible(shorten(f"{about}{run['network']}", 80)))
        if run["parent"] is not None:
            print(make_visible(f"    from {run['parent']}, step {run['from_step']}"))
    if not found:
        print(f"no run files in {folder}")


def _summary(path: str) -> dict[str, Any]:
    from glassnet.describe import description_text
    from glassnet.runs.file import RunFile
    from glassnet.runs.run_settings import settings_of

    with RunFile.read(path) as file:
        values = settings_of(file)
        done, loss = file.last()
    source: dict[str, Any] = values.get("source") or {}
    table, target = source.get("table"), source.get("target")
    if table is None:
        table, target = _streamed(source.get("streams"), target)
    ended = values.get("ended")
    parent: dict[str, Any] = values.get("parent") or {}
    optimizer: dict[str, Any] = values.get("optimizer") or {}
    return {
        "run": path,
        "epochs": values.get("epochs", 0),
        "done": done,
        "state": "unfinished" if ended is None else ended["stopped"],
        "loss": loss if done else None,
        "table": table if isinstance(table, str) else None,
        "target": target if isinstance(target, str) else None,
        "network": description_text(values["model"]) if "model" in values else None,
        "optimizer": str(optimizer.get("class", optimizer.get("code"))).removeprefix("Scikit"),
        "lr": _rate(optimizer.get("lr")),
        "seed": values.get("seed"),
        "parent": parent.get("run"),
        "from_step": parent.get("step"),
    }


def _rate(lr: Any) -> str | None:
    """Return a learning rate or a schedule as text."""
    if not isinstance(lr, dict):
        return f"{lr:g}" if isinstance(lr, (int, float)) else None
    rate = cast("dict[str, Any]", lr)
    if rate.get("class") == "Switched":
        return f"{_rate(rate.get('first'))}, then {_rate(rate.get('then'))}"
    inner = rate.get("lr")
    if rate.get("class") == "Constant":
        return _rate(inner)
    return str(rate.get("class")) if inner is None else f"{rate.get('class')}({_rate(inner)})"


def _streamed(streams: Any, target: Any) -> tuple[Any, Any]:
    """Return the files that a run streamed, and its target."""
    if not isinstance(streams, dict):
        return None, target
    training = cast("dict[str, Any]", streams).get("training")
    if not isinstance(training, dict):
        return None, target
    stream = cast("dict[str, Any]", training)
    return _name_list(stream.get("path")), target or _name_list(stream.get("target"))


def _name_list(names: Any) -> str:
    return ", ".join(map(str, cast("list[Any]", names))) if isinstance(names, list) else str(names)

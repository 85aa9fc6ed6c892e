"""`glassnet compare`: two run files beside each other.

In: two run files. Out: the settings in which they differ, the first step and weight that differ,
and how each ended.
"""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.cli.options import Json, Trust

First = Annotated[str, typer.Argument(metavar="A", help="A run file.", show_default=False)]
Second = Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)]
Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="The table of both runs if it moved, or an .npz of x, y (and weight) if they lack it.",
        show_default=False,
    ),
]


def compare(
    a: First, b: Second, data: Data = None, trust: Trust = False, json: Json = False
) -> None:
    """Compare two runs: settings that differ, the first step and weight that differ, final losses.

    Both are trained once more up to the first difference."""
    from pathlib import Path

    from glassnet.cli.report import print_json
    from glassnet.cli.resume import run_arrays
    from glassnet.errors import ModelFileError
    from glassnet.inspect.compare import compare as compared
    from glassnet.inspect.render.values import plain
    from glassnet.runs.disk import is_run

    for path in (a, b):
        if not is_run(Path(path)):
            raise ModelFileError(f"{path} is not a run file; name two that training has recorded")
    found = compared(a, b, run_arrays(a, data, trust), run_arrays(b, data, trust))
    if json:
        print_json(plain(found.as_json()))
    else:
        print(found)

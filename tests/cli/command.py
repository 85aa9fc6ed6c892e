"""Runs the command line as a user does, in a process of its own, or here, which is quicker.

In: arguments. Out: exit status, standard output and standard error.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from glassnet.cli import main
from tests.data import HANG

Result = subprocess.CompletedProcess[str]


def glassnet(
    *arguments: str | Path,
    folder: Path,
    file_size: int | None = None,
    columns: str = "100",
    **options: object,
) -> Result:
    """Run `glassnet` in a folder; no file that it writes may grow beyond `file_size` bytes."""

    def limit() -> None:
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    return subprocess.run(
        [sys.executable, "-m", "glassnet", *map(str, arguments)],
        cwd=folder,
        preexec_fn=limit,
        env={**os.environ, "COLUMNS": columns},
        text=True,
        timeout=HANG,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},  # type: ignore[call-overload]
    )


def here(*arguments: str | Path, folder: Path) -> Result:
    """Run `glassnet` in a folder, in this process, which saves half a second of loading."""
    out, error = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        pytest.raises(SystemExit) as left,
    ):
        main(list(map(str, arguments)))
    assert isinstance(left.value.code, int)
    return Result(arguments, left.value.code, out.getvalue(), error.getvalue())


def refused(result: Result, *parts: str, status: int = 2) -> None:
    """The command ended as wrong use does: a status, one line, no traceback, no output."""
    assert result.returncode == status, result.stderr
    assert result.stderr.startswith("glassnet: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for part in parts:
        assert part in result.stderr

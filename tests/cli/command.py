"""Runs the command line as a user does, in a process of its own, or here, which saves the seconds
that loading takes.

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
from unittest import mock

import pytest

from glassnet.cli import main
from tests.data import HANG
from tests.drawn import EVERY

Result = subprocess.CompletedProcess[str]


def glassnet(*arguments: str | Path, folder: Path, columns: str = "100") -> Result:
    """Run `glassnet` in a folder; `make nightly` starts a process for it."""
    return (started if EVERY else here)(*arguments, folder=folder, columns=columns)


def started(
    *arguments: str | Path,
    folder: Path,
    file_size: int | None = None,
    columns: str = "100",
    **options: object,
) -> Result:
    """Run `glassnet` in a process; no file that it writes may grow beyond `file_size` bytes."""

    def limit() -> None:
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    environment = {**os.environ, "COLUMNS": columns}
    if file_size is not None:  # Python would leave a part of a compiled module for all others
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "glassnet", *map(str, arguments)],
        cwd=folder,
        preexec_fn=limit,
        env=environment,
        text=True,
        timeout=HANG,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},  # type: ignore[call-overload]
    )


def here(*arguments: str | Path, folder: Path, columns: str = "100") -> Result:
    """Run `glassnet` in this process, where a test can have changed something."""
    out, error = stream(), stream()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": columns}),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        pytest.raises(SystemExit) as left,
    ):
        main(list(map(str, arguments)))
    assert isinstance(left.value.code, int)
    return Result(arguments, left.value.code, written(out), written(error))


def stream() -> io.TextIOWrapper:
    """Standard output that is kept."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)


def written(kept: io.TextIOWrapper) -> str:
    assert isinstance(kept.buffer, io.BytesIO)
    return kept.buffer.getvalue().decode()


def refused(result: Result, *parts: str, status: int = 2) -> None:
    """The command ended as wrong use does: a status, one line, no traceback, no output."""
    assert result.returncode == status, result.stderr
    assert result.stderr.startswith("glassnet: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for part in parts:
        assert part in result.stderr

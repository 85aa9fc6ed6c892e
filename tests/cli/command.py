"""Runs the command line as a user does: in a process of its own.

In: arguments. Out: exit status, standard output and standard error.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

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
        timeout=120,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},  # type: ignore[call-overload]
    )


def refused(result: Result, *parts: str, status: int = 2) -> None:
    """The command ended as wrong use does: a status, one line, no traceback, no output."""
    assert result.returncode == status, result.stderr
    assert result.stderr.startswith("glassnet: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for part in parts:
        assert part in result.stderr

"""Ctrl-C while a table is read: one line, exit status 130, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.data import HANG

ROWS = 1_000_000
POLL = 0.01

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="looks at the files that a process has open"
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A table that takes longer to read than the signal takes to arrive."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    block = "".join(
        f"{i},{i % 7},0.{i % 1000:03},word{i % 50},{i * 31 % 977}\n" for i in range(10_000)
    )
    with path.open("w") as file:
        file.write("a,b,c,d,e\n")
        for _ in range(ROWS // 10_000):
            file.write(block)
    yield path
    path.unlink()


def has_open(process: subprocess.Popen[bytes], path: Path) -> bool:
    for name in os.listdir(folder := f"/proc/{process.pid}/fd"):
        with suppress(OSError):  # closed meanwhile
            if os.readlink(f"{folder}/{name}") == str(path):
                return True
    return False


@pytest.mark.parametrize("command", ["look", "fit"])
def test_reading_is_interrupted(command: str, large: Path, tmp_path: Path) -> None:
    more = ["--target", "c", "-o", str(tmp_path / "m.safetensors")] if command == "fit" else []
    call = [sys.executable, "-m", "glassnet", command, str(large), *more]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + HANG
    while process.poll() is None and not has_open(process, large):
        assert time.monotonic() < until
        time.sleep(POLL)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=HANG)
    assert (process.returncode, error) == (130, b"glassnet: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_standard_input_is_interrupted() -> None:
    call = [sys.executable, "-m", "glassnet", "look", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(call, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        process.stdin.write(b"a,b\n1,2\n" * 20_000)  # more than a pipe holds: it is being read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"glassnet: interrupted\n"

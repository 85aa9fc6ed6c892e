"""Proof that a command or a call changed nothing but what it was told to.

In: a folder full of files that nobody named, and what is tried in the midst of them. Out: an
assertion error that names every file that was made, changed, replaced or removed; and for a command
what it said, and what it took.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from glassnet.cli import main
from tests.data import ROOT

SECONDS = 2.0  # of processor time, which does not depend on how busy the machine is
MEMORY = 500_000_000  # bytes, at the peak
HANGS = 60.0  # seconds by the clock after which a command counts as hanging
SECRET = "root:canary:0:0:SECRET-LINE"  # the first line of every file that nobody named

# A process counts the memory of the one that it was made by as its own, until then: a small one in
# between, so that this one, which has run many tests, does not count. It is ended with the command.
BETWEEN = """
import json, os, signal, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
_, status, used = os.wait4(child, 0)
took = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss
open(sys.argv[1], "w").write(json.dumps(took))
"""

Entry = tuple[str, int, int, str]  # kind, permissions, inode, digest of the content


class Canary:
    """A folder that stands for a user's home, and in it the folder `here` to work in."""

    def __init__(self, root: Path) -> None:
        self.root, self.here = root, root / "work" / "here"
        self.here.mkdir(parents=True)
        for name in ("thesis.tar", ".bashrc", "secret.csv", "work/notes.txt", "other/old.model"):
            place = root / name
            place.parent.mkdir(exist_ok=True)
            place.write_text(f"{SECRET}\nx,y\n1,2\n")
        (root / "tmp").mkdir()
        (root / "link").symlink_to(root / "thesis.tar")

    @property
    def secret(self) -> Path:
        """A file outside `here` that nobody named: neither read aloud nor written."""
        return self.root / "secret.csv"

    def environment(self) -> dict[str, str]:
        """Home and the folder for temporary files lie inside, so that they are watched too."""
        return {"HOME": str(self.root), "TMPDIR": str(self.root / "tmp")}

    @contextmanager
    def only(self, *named: str | Path) -> Generator[None]:
        """Fail if the block changes anything but the files of these names (relative to `here`);
        everything is compared, also what the test itself has put there before."""
        allowed = {str(Path(os.path.normpath(self.here / own))) for own in named}
        before = snapshot(self.root)
        try:
            yield
        finally:
            after = snapshot(self.root)
        changed = sorted(
            f"{_verb(before.get(own), after.get(own))} {own}"
            for own in before.keys() | after.keys()
            if before.get(own) != after.get(own) and own not in allowed
        )
        assert not changed, "; ".join(changed)


def _verb(before: Entry | None, after: Entry | None) -> str:
    if before is None:
        return "made"
    return "removed" if after is None else "changed"


def snapshot(root: Path) -> dict[str, Entry]:
    """What lies below a folder: links are not followed, pipes and sockets are not opened."""
    found: dict[str, Entry] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            place = os.path.join(folder, name)
            about = os.lstat(place)
            content = ""
            if stat.S_ISLNK(about.st_mode):
                content = os.readlink(place)
            elif stat.S_ISREG(about.st_mode):
                content = hashlib.sha256(Path(place).read_bytes()).hexdigest()
            kind = stat.filemode(about.st_mode)[0]
            found[place] = kind, stat.S_IMODE(about.st_mode), about.st_ino, content
    return found


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str
    seconds: float  # of processor time
    memory: int  # bytes, at the peak

    def harmless(self, *parts: str, status: Sequence[int] = (2,), seconds: float = SECONDS) -> None:
        """It ended by itself, soon, in little memory, with one of these statuses; it said what was
        wrong (`parts`), in no traceback, and read nothing aloud that was not for it."""
        assert self.status in status, (self.status, self.err[-2000:])
        told = self.out + self.err
        for bad in ("Traceback", "internal error", "SECRET-LINE"):
            assert bad not in told, told[-2000:]
        raw = {sign for sign in told if not (sign.isprintable() or sign == "\n")}
        assert not raw, sorted(map(hex, map(ord, raw)))
        assert self.seconds < seconds, self.seconds
        assert self.memory < MEMORY, self.memory
        for part in parts:
            assert part in told, told[-2000:]


def attacked(
    *arguments: str | Path, canary: Canary, named: Sequence[str | Path] = (), stdin: str = ""
) -> Outcome:
    """Run `glassnet` in the canary's folder; only the files that are `named` may change."""
    out, err = canary.root.parent / "attacked.out", canary.root.parent / "attacked.err"
    around = {**os.environ, **canary.environment(), "GLASSNET_CACHE_DIR": "off", "COLUMNS": "100"}
    around["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), around.get("PYTHONPATH", "")])
    took = canary.root.parent / "attacked.json"
    command = [sys.executable, "-S", "-c", BETWEEN, took, sys.executable, "-m", "glassnet"]
    with canary.only(*named), out.open("wb") as told, err.open("wb") as wrong:
        child = subprocess.Popen(
            [*command, *map(str, arguments)], cwd=canary.here, env=around,
            stdin=subprocess.PIPE, stdout=told, stderr=wrong,
        )  # fmt: skip
        try:
            child.communicate(stdin.encode(), timeout=HANGS)
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
            raise AssertionError(f"the command hung for {HANGS} s") from None
    status, seconds, memory = json.loads(took.read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return Outcome(
        status,
        out.read_bytes().decode("utf-8", "backslashreplace"),
        err.read_bytes().decode("utf-8", "backslashreplace"),
        seconds,
        memory * unit,
    )


def tried(*arguments: str | Path, canary: Canary, named: Sequence[str | Path] = ()) -> Outcome:
    """As `attacked`, but within this process, which is quicker; its memory is not looked at."""
    told, wrong = _stream(), _stream()
    before, terminate = time.process_time(), signal.getsignal(signal.SIGTERM)
    try:
        with canary.only(*named), redirect_stdout(told), redirect_stderr(wrong):
            main([str(argument) for argument in arguments])
    except SystemExit as left:
        status = left.code
    finally:
        signal.signal(signal.SIGTERM, terminate)
    assert isinstance(status, int)
    seconds = time.process_time() - before
    return Outcome(status, _text(told), _text(wrong), seconds, 0)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape", newline="")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode("utf-8", "backslashreplace")

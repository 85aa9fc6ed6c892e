"""The folder of kept code may be one that holds a user's files, or files of an attacker."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.run import cache, compiled
from glassnet.run.artifact import parse

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")

CODE = b"object code" * 100
WHOLE = len(CODE) + cache.DIGEST + len(cache.MAGIC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "kept"
    place.mkdir(mode=0o700)
    monkeypatch.setenv(cache.VARIABLE, str(place))
    monkeypatch.setattr(cache, "LOOKS", "")  # every write looks for what is too much
    cache._notice.cache_clear()
    return place


def plant(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Files of a user in the folder, all older than any entry: what they are and hold."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    digest = cache.key("a store that names files by their digest")
    (folder / "thesis.tar").write_bytes(bytes(5 * WHOLE))
    (folder / digest).write_bytes(bytes(5 * WHOLE))  # named as an entry is
    (folder / f"{digest[:-1]}0.tmp").write_bytes(cache.MAGIC)  # begins as an entry does
    (folder / "notes").write_bytes(cache.MAGIC + b"on the format")
    (folder / f".{digest}.{'0' * 16}").write_bytes(b"not what a writer of ours leaves")
    (folder / cache.key("link")).symlink_to(elsewhere)
    (folder / cache.key("dangling")).symlink_to(folder / "nowhere")
    (folder / cache.key("folder")).mkdir()
    (folder / cache.key("folder") / "inside").write_bytes(b"inside")
    os.mkfifo(folder / cache.key("pipe"), 0o600)
    with socket.socket(socket.AF_UNIX) as own:
        at = os.getcwd()
        os.chdir(folder)  # addresses of sockets are short
        try:
            own.bind(cache.key("socket"))
        finally:
            os.chdir(at)
    open_to_all = folder / cache.key("open to all")
    open_to_all.write_bytes(cache.MAGIC + CODE)
    open_to_all.chmod(0o644)
    for path in folder.iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)
    return listed(folder)


def listed(folder: Path) -> dict[str, tuple[int, bytes]]:
    found: dict[str, tuple[int, bytes]] = {}
    for path in [*folder.rglob("*"), folder.parent / "elsewhere"]:
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path)] = mode, os.readlink(path).encode() if stat.S_ISLNK(mode) else content
    return found


def entries(folder: Path, planted: dict[str, tuple[int, bytes]]) -> set[str]:
    return {path.name for path in folder.iterdir() if str(path) not in planted}


def test_only_entries_count_and_only_entries_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant(folder)
    monkeypatch.setattr(cache, "LIMIT", 2 * WHOLE)
    names = [cache.key(str(i)) for i in range(5)]
    for i, name in enumerate(names):
        cache.write(name, CODE)
        os.utime(folder / name, (i + 10, i + 10))
        assert cache.read(names[i]) == CODE  # what the user keeps takes no room from the entries
        os.utime(folder / name, (i + 10, i + 10))
    assert entries(folder, planted) == set(names[-2:])
    assert listed(folder).items() >= planted.items()


def test_what_is_planted_under_the_name_of_an_entry_is_neither_read_nor_replaced(
    folder: Path,
) -> None:
    planted = plant(folder)
    started = time.monotonic()
    for what in ("link", "dangling", "folder", "pipe", "socket", "open to all"):
        assert cache.read(cache.key(what)) is None
        cache.write(cache.key(what), CODE)
        assert cache.read(cache.key(what)) is None
    name = cache.key("a store that names files by their digest")
    cache.write(name, CODE)
    assert cache.read(name) is None
    assert listed(folder) == planted
    assert time.monotonic() - started < 20  # a pipe without a writer would be waited for


def test_a_file_larger_than_all_entries_may_be_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", WHOLE)
    name = cache.key("large")
    cache.write(name, CODE)
    assert cache.read(name) == CODE
    with (folder / name).open("r+b") as file:
        file.truncate(10 << 30)  # takes no room on the disk
    assert cache.read(name) is None


def test_what_a_killed_writer_left_goes_after_an_hour(folder: Path) -> None:
    digest = cache.key("left")
    whole = cache.MAGIC + bytes(100)
    left = {f".{digest}.{i:016x}": whole[:size] for i, size in enumerate((0, 5, 16, 80))}
    for name, content in left.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    cache.write(cache.key("one"), CODE)
    assert len(list(folder.iterdir())) == 5  # their writers may be alive
    for name in left:
        os.utime(folder / name, (1, 1))
    cache.write(cache.key("one"), CODE)
    assert [path.name for path in folder.iterdir()] == [cache.key("one")]


def test_a_folder_that_is_not_trusted_is_named_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.chmod(0o777)
    for _ in range(3):
        cache.write(cache.key("one"), CODE)
        assert cache.read(cache.key("one")) is None
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(folder) in said
    assert "chmod 700" in said
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "head",
    [
        "", "{}", "[]", "7", "null", '"text"', "[" * 100_000, '{"dims": 1}', "\xff",
        '{"dims":[],"buffers":[["input"]],"scratch":[],"stacks":[],"work":[],"temporaries":[],'
        '"constants":[]}',
        '{"dims":[],"buffers":[],"scratch":[],"stacks":[],"work":[],"temporaries":[],'
        '"constants":[["O",[1],"00"]]}',
    ],
)  # fmt: skip
def test_an_entry_that_says_nothing_sensible_is_not_used(head: str) -> None:
    assert parse(head.encode("latin-1") + b"\ncode") is None


def test_an_entry_of_the_right_digest_and_the_wrong_content_is_replaced(folder: Path) -> None:
    def squares(x: object) -> object:
        return ops.square(x)  # type: ignore[arg-type]

    x = np.arange(4.0)
    assert gn.compile(squares)(x).tolist() == [0, 1, 4, 9]
    (entry,) = folder.iterdir()
    good = entry.read_bytes()
    cache.write(entry.name, json.dumps({"dims": []}).encode() + b"\nno code")
    compiled._builds.clear()
    assert gn.compile(squares)(x).tolist() == [0, 1, 4, 9]
    assert entry.read_bytes() == good

"""Machine code on disk: used when it is sound and private, ignored when anything is odd."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

from glassnet import pipeline
from glassnet.run import cache

CODE = b"not really machine code"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    monkeypatch.setenv(cache.VARIABLE, str(path))
    return path


def test_what_was_written_is_read(folder) -> None:
    cache.write("name", CODE)
    assert cache.read("name") == CODE
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "name").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["name"]


def test_a_missing_file_is_nothing(folder) -> None:
    assert cache.read("name") is None


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_flipped_bit_is_noticed(folder, place) -> None:
    cache.write("name", CODE)
    data = bytearray((folder / "name").read_bytes())
    data[place] ^= 1
    (folder / "name").write_bytes(data)
    assert cache.read("name") is None


@pytest.mark.parametrize("length", [0, 5, 32, 40])
def test_a_truncated_file_is_noticed(folder, length) -> None:
    cache.write("name", CODE)
    data = (folder / "name").read_bytes()
    (folder / "name").write_bytes(data[:length])
    assert cache.read("name") is None


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620])
def test_a_file_open_to_others_is_ignored(folder, mode) -> None:
    cache.write("name", CODE)
    (folder / "name").chmod(mode)
    assert cache.read("name") is None


def test_a_folder_open_to_others_is_neither_read_nor_written(folder) -> None:
    cache.write("name", CODE)
    folder.chmod(0o755)
    cache.write("other", CODE)
    assert cache.read("name") is None
    assert not (folder / "other").exists()


def test_symbolic_links_are_not_followed(folder, tmp_path, monkeypatch) -> None:
    cache.write("name", CODE)
    os.symlink(folder / "name", folder / "link")
    assert cache.read("link") is None
    os.symlink(folder, tmp_path / "door")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "door"))
    assert cache.read("name") is None


@pytest.mark.skipif(not hasattr(os, "chown") or os.getuid() != 0, reason="only root gives away")
def test_a_file_of_another_user_is_ignored(folder) -> None:
    cache.write("name", CODE)
    os.chown(folder / "name", 12345, 12345)
    assert cache.read("name") is None


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "kept"))
    cache.write("name", CODE)
    assert cache.read("name") is None


@pytest.mark.parametrize("value", ["", "off"])
def test_it_can_be_switched_off(value, monkeypatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, value)
    assert cache.directory() is None


def test_files_used_longest_ago_go_first(folder, monkeypatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 3 * (len(CODE) + cache.DIGEST))
    for age, name in enumerate("dcba"):
        cache.write(name, CODE)
        os.utime(folder / name, (1000 - age, 1000 - age))
    cache.write("new", CODE)
    assert cache.read("a") is None
    assert cache.read("new") == CODE


def test_keys_differ_with_every_part() -> None:
    assert len({cache.key("a", "b"), cache.key("ab", ""), cache.key("a", "c")}) == 3


def test_compiled_code_comes_back_and_damaged_code_is_made_again(folder) -> None:
    x = np.arange(5.0)
    wanted = pipeline.compile(lambda x: x * 3.0)(x)
    (kept,) = folder.iterdir()
    sound = kept.read_bytes()
    assert pipeline.compile(lambda x: x * 3.0)(x).tobytes() == wanted.tobytes()
    kept.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert pipeline.compile(lambda x: x * 3.0)(x).tobytes() == wanted.tobytes()
    assert kept.read_bytes() == sound

"""A file is written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from glassnet.errors import OutputError
from glassnet.outputs import check_writable, replacing


def test_a_file_is_replaced_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


def write_half(path: Path, error: BaseException) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_half(path, error)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_reason_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"f cannot be written: No space left.*another place"),
        replacing(tmp_path / "f"),
    ):
        raise OSError(28, "No space left on device")


def test_a_full_device_is_noticed() -> None:
    with pytest.raises(OutputError, match="No space left"), replacing("/dev/full") as file:
        file.write(b"x")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with replacing(tmp_path / "link") as file:
        file.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


def test_permissions_are_those_of_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "f") as file:
        file.write(b"x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "f")]
    assert modes[0] == modes[1]


def test_whether_a_place_can_be_written_is_known_before(tmp_path: Path) -> None:
    check_writable(tmp_path / "f")
    assert os.listdir(tmp_path) == []
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(OutputError, match="is not a folder"):
        check_writable(tmp_path / "none" / "f")
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable("/proc/f")

"""Tables made to fill a memory, to hang or to mislead: each is refused or read in little time and
memory, and nothing but standard output is written."""

from __future__ import annotations

import bz2
import gzip
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.canary import Canary, attacked

Made = tuple[str, bytes]


def bomb_gz() -> Made:
    """733 kB that unpack to 125 million rows."""
    part = zlib.compressobj(9, zlib.DEFLATED, 31)
    content = part.compress(b"x,y\n")
    row = b"1,2\n" * 250_000
    content += b"".join(part.compress(row) for _ in range(300)) + part.flush()
    return "bomb.csv.gz", content


def bomb_of_members() -> Made:
    """The same as many small gzip members, none of which looks large."""
    return "members.csv.gz", gzip.compress(b"x,y\n") + gzip.compress(b"1,2\n" * 250_000) * 300


def bomb_zst() -> Made:
    zstd = pytest.importorskip("backports.zstd")
    frames = zstd.compress(b"1,2\n" * 250_000) * 300
    return "bomb.csv.zst", zstd.compress(b"x,y\n") + frames


def bomb_json() -> Made:
    return "bomb.jsonl.gz", gzip.compress(b'{"x":1,"y":2}\n' * 250_000, 6) * 100


def lying_size() -> Made:
    """A gzip file whose trailer says that it unpacks to 8 bytes."""
    content = gzip.compress(b"x,y\n" + b"1,2\n" * 1000)
    return "lying.csv.gz", content[:-4] + struct.pack("<I", 8)


def many_columns() -> Made:
    names = ",".join(f"c{place}" for place in range(20_001))
    row = ",".join("1" for _ in range(20_001))
    return "wide.csv", f"{names}\n{row}\n{row}\n".encode()


def many_keys() -> Made:
    row = json.dumps({f"k{place}": 1 for place in range(20_001)})
    return "wide.jsonl", f"{row}\n{row}\n".encode()


def deep_json() -> Made:
    return "deep.jsonl", b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"


def deep_objects() -> Made:
    return "objects.jsonl", b'{"x":' * 3_000 + b"1" + b"}" * 3_000 + b"\n"


def long_cell() -> Made:
    return "cell.csv", b"x,y\n1," + b"a" * 20_000_000 + b"\n2,b\n"


def long_name() -> Made:
    return "name.csv", b"x" * 5_000_000 + b",y\n1,2\n3,4\n"


def one_endless_line() -> Made:
    return "line.csv", b"1," * 15_000_000


def quotes_all_over() -> Made:
    return "quotes.csv", b"x,y\n" + b'"' * 4_000_001 + b",1\n"


def control_signs() -> Made:
    title = b"\x1b]0;owned\x07\x1b[2Jx"
    return "signs.csv", title + b",y\n" + b"\x1b[31mred\x1b[0m,\x9b5n\n".replace(
        b"\x9b", b"\xc2\x9b"
    ) * 3


def text_as_parquet() -> Made:
    return "text.parquet", b"PAR1" + b"x,y\n1,2\n" * 9 + b"\xff\xff\xff\x7fPAR1"


def parquet_of_nothing() -> Made:
    return "short.parquet", b"PAR1"


def arrow_of_nothing() -> Made:
    return "short.arrow", b"ARROW1\0\0" + b"\xff" * 64 + b"ARROW1"


def bz2_called_csv() -> Made:
    return "packed.csv", bz2.compress(b"x,y\n1,2\n3,4\n")


HOSTILE: dict[Callable[[], Made], tuple[tuple[int, ...], str]] = {
    bomb_gz: ((2,), "--max-size"),
    bomb_of_members: ((2,), "--max-size"),
    bomb_zst: ((2,), "--max-size"),
    bomb_json: ((2,), "--max-size"),
    lying_size: ((2,), "damaged"),
    many_columns: ((2,), "--max-columns 20001"),
    many_keys: ((2,), "--max-columns 20001"),
    deep_json: ((2,), "deep.jsonl"),
    deep_objects: ((2,), "objects.jsonl"),
    long_cell: ((0, 2), "cell.csv"),
    long_name: ((0,), "2 rows, 2 columns"),
    one_endless_line: ((2,), "longer than 16 MB"),
    quotes_all_over: ((0, 2), "quotes.csv"),
    control_signs: ((0,), "3 rows, 2 columns"),
    text_as_parquet: ((2,), "text.parquet"),
    parquet_of_nothing: ((2,), "short.parquet"),
    arrow_of_nothing: ((2,), "short.arrow"),
    bz2_called_csv: ((0, 2), "packed.csv"),
}


@pytest.mark.parametrize("made", HOSTILE, ids=lambda made: made.__name__)
def test_a_hostile_table(canary: Canary, made: Callable[[], Made]) -> None:
    status, part = HOSTILE[made]
    name, content = made()
    (canary.here / name).write_bytes(content)
    attacked("look", name, canary=canary).harmless(part, status=status)


def parquet(folder: Path) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    writer = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"x": list(range(50)), "y": ["a", "b"] * 25})
    writer.write_table(table, folder / "ok.parquet", compression="none")
    content = (folder / "ok.parquet").read_bytes()
    (folder / "ok.parquet").unlink()
    return content


def with_rows(content: bytes, rows: int) -> bytes:
    """The file with another number of rows in its footer, of which everything else stays right:
    Thrift writes 50 as an i64 field in the two bytes 0x16 0x64."""
    size = struct.unpack("<I", content[-8:-4])[0]
    body, footer = content[: -8 - size], content[-8 - size : -8]
    number, value = b"", rows * 2
    while value > 127:
        number, value = number + bytes([value & 127 | 128]), value >> 7
    number += bytes([value])
    assert b"\x16\x64" in footer
    changed = footer.replace(b"\x16\x64", b"\x16" + number)
    return body + changed + struct.pack("<I", len(changed)) + b"PAR1"


@pytest.mark.parametrize("rows", [49, 51, 10**6, 10**9, 2**40, 2**62])
def test_a_parquet_file_that_lies_about_its_rows(canary: Canary, tmp_path: Path, rows: int) -> None:
    (canary.here / "lie.parquet").write_bytes(with_rows(parquet(tmp_path), rows))
    outcome = attacked("look", "lie.parquet", canary=canary)
    outcome.harmless("lie.parquet", status=(0, 2))
    assert "50 rows" not in outcome.out


def test_more_columns_and_bytes_are_read_if_asked(tmp_path: Path) -> None:
    from glassnet.tables.limits import Limits, parse_size
    from glassnet.tables.read_table import read_table

    wide = tmp_path / "wide.csv"
    wide.write_bytes(b",".join(b"c%d" % place for place in range(40)) + b"\n" + b"1," * 39 + b"1\n")
    with pytest.raises(ValueError, match="more than 39"):
        read_table(wide, limits=Limits(columns=39))
    assert len(read_table(wide, limits=Limits(columns=40)).names) == 40
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * 2_500_000))
    with pytest.raises(ValueError, match="more than 9 MB"):
        read_table(packed, limits=Limits(size=parse_size("9 MB")))
    assert read_table(packed, limits=Limits(size=parse_size("0.011GB"))).rows == 2_500_000


@pytest.mark.parametrize("text", ["0", "1e3", "20 XB", "-1", f"{'9' * 400}GB", f"{'9' * 25}"])
def test_sizes_that_are_none(text: str) -> None:
    """Digits beyond every float and every disk, too, are refused by one sentence."""
    from glassnet.tables.limits import parse_size

    with pytest.raises(ValueError, match="is not a size; write for example 800MB or 20GB"):
        parse_size(text)

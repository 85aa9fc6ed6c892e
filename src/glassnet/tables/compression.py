"""Open a table file, and decompress it.

In: a path. Out: its kind ("csv", "parquet", "arrow", "json", "workbook", "packed") and compression,
and a stream of the decompressed bytes.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from glassnet.errors import TableError
from glassnet.tables.limits import SMALL, Limits

OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # how .xls files begin
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BLOCK = 1 << 22
_MOST_TIMES = 1 << 15  # no compression reduces its content by a larger factor
_TABLE_SUFFIXES = {".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".feather", ".arrow"}
_JSON_SUFFIXES = {".jsonl", ".ndjson", ".json"}


@dataclass(frozen=True)
class FileFormat:
    """The kind and compression of a table file."""

    kind: str  # "packed": bz2, xz or zip, which DuckDB cannot decompress; "workbook" has sheets
    compression: str  # "none", "gzip", "zstd" as in DuckDB; "zip", "bz2", "xz" of a packed file


def detect(path: Path) -> FileFormat:
    """Return the format of a file, from its first bytes; of text from its name, whether it is JSON
    lines or a CSV.

    Raises
    ------
    TableError
        If the path is a folder, a pipe or a device, the file does not exist or cannot be read, or
        it is an SQLite database. All other content counts as CSV text.
    """
    head = _head(path)
    if head.startswith(b"PAR1"):
        return FileFormat("parquet", "none")
    if head.startswith(b"ARROW1"):
        return FileFormat("arrow", "none")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return FileFormat("workbook" if is_workbook(path) else "packed", "zip")
    if head.startswith(OLD_WORKBOOK):
        return FileFormat("workbook", "none")
    if head.startswith(b"BZh"):
        return FileFormat("packed", "bz2")
    if head.startswith(b"\xfd7zXZ\x00"):
        return FileFormat("packed", "xz")
    if head.startswith(b"SQLite format 3"):
        raise TableError(f"{path} is an SQLite database; export the table as CSV or Parquet first")
    compression = "none"
    if head.startswith(b"\x1f\x8b"):
        compression = "gzip"
    elif head.startswith(_ZSTD_MAGIC):
        compression = "zstd"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if compression != "none" and suffixes and suffixes[-1] in {".gz", ".zst", ".zstd"}:
        suffixes.pop()
    kind = "json" if suffixes and suffixes[-1] in _JSON_SUFFIXES else "csv"
    return FileFormat(kind, compression)


def is_workbook(path: Path) -> bool:
    """Return whether a file is a ZIP archive that contains a workbook (.xlsx, .xlsb, .ods)."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"})


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise TableError(f"{path} is a folder, not a table; name a file inside it")
    if path.exists() and not path.is_file():
        raise TableError(
            f"{path} is a pipe or a device, not a file; save the table to a file first"
        )
    try:
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise TableError(f"{path} does not exist; check the path and the spelling") from None
    except OSError as error:
        raise TableError(
            f"{path} cannot be read: {error.strerror}; check its permissions"
        ) from None


def check_unpacked(path: Path, compression: str, limits: Limits) -> None:
    """Raise TableError, before parsing, if the decompressed file would exceed the size limit."""
    packed, size = path.stat().st_size, 0
    if compression == "none" or packed * _MOST_TIMES < SMALL:
        return
    with unpacked(path, compression) as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            limits.check_size(str(path), size, packed)


@contextmanager
def unpacked(path: Path, compression: str) -> Generator[IO[bytes]]:
    """Yield a stream of the decompressed bytes. TableError for damaged compression, an unreadable
    file, or a ZIP archive of several files among which not exactly one is a table."""
    try:
        with _open(path, compression) as stream:
            yield stream
    except _damage(compression) as error:
        raise TableError(
            f"{path} is damaged: its {compression} data cannot be unpacked ({error}); "
            "fetch it again"
        ) from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from None


def _open(path: Path, compression: str) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if compression == "zstd":
        return cast("IO[bytes]", _zstd().ZstdFile(path, "rb"))
    if compression == "bz2":
        return cast("IO[bytes]", bz2.open(path, "rb"))
    if compression == "xz":
        return cast("IO[bytes]", lzma.open(path, "rb"))
    if compression == "zip":
        archive = zipfile.ZipFile(path)
        return archive.open(_member(path, archive))
    return path.open("rb")


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    """Return the name of the only table in an archive, or of its only file; else raise
    TableError."""
    names = [name for name in archive.namelist() if not name.endswith("/")]
    names = [name for name in names if not name.startswith(("__MACOSX/", "."))]
    tables = [name for name in names if Path(name).suffix.lower() in _TABLE_SUFFIXES]
    if len(tables) == 1:
        return tables[0]
    if len(names) != 1:
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise TableError(f"{path} holds {len(names)} files ({shown}); unpack it and name one")
    return names[0]


def _damage(compression: str) -> tuple[type[Exception], ...]:
    if compression == "zstd":
        return EOFError, _zstd().ZstdError
    return EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise TableError("reading .zst files before Python 3.14 needs `pip install backports.zstd`")

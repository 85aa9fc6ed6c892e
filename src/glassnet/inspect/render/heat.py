"""Draw a large array as a small heat map.

In: numbers [rows, columns]. Out: an HTML image element with embedded PNG data: a dot for each
number, or for the largest of each block of neighbours; transparent for numbers near 0.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

SIDE = 64  # dots of a side, at most
DEEP = 15  # shades of a colour
ZOOM = 3  # pixels of a dot


def picture(table: np.ndarray, positive: tuple[int, ...], negative: tuple[int, ...]) -> str:
    """Return an HTML image element; colours are red, green and blue, 0 to 255."""
    dots = palette_places(table)
    colours = [negative] * DEEP + [positive] * (DEEP + 1)
    palette = b"".join(bytes(colour) for colour in colours)
    alpha = bytes(round(255 * abs(i - DEEP) / DEEP) for i in range(2 * DEEP + 1))
    data = base64.b64encode(png(dots, palette, alpha)).decode()
    tall, wide = dots.shape
    return (
        f'<img width="{ZOOM * wide}" height="{ZOOM * tall}" src="data:image/png;base64,{data}" '
        f'alt="all {table.shape[0]}×{table.shape[1]} numbers as colours">'
    )


def palette_places(table: np.ndarray) -> np.ndarray:
    """Return palette indices: DEEP for the number 0, index 0 for the most negative number."""
    finite = np.nan_to_num(table.astype(float), nan=0.0, posinf=0.0, neginf=0.0)
    most = _blocks(_blocks(finite, 0), 1)
    largest = np.abs(most).max(initial=0.0) or 1.0
    return (DEEP + np.rint(DEEP * (most / largest))).astype(np.uint8)


def _blocks(table: np.ndarray, axis: int) -> np.ndarray:
    """Reduce an axis to at most SIDE blocks: of each, the element with the largest absolute
    value."""
    size = table.shape[axis]
    if size <= SIDE:
        return table
    starts = np.arange(SIDE) * size // SIDE
    high, low = (f.reduceat(table, starts, axis) for f in (np.maximum, np.minimum))
    return np.where(high >= -low, high, low)


def png(dots: np.ndarray, palette: bytes, alpha: bytes) -> bytes:
    """Return a PNG file; `palette` has the colours, `alpha` their opacities."""
    tall, wide = dots.shape
    lines = b"".join(b"\0" + row.tobytes() for row in dots)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", wide, tall, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"tRNS", alpha),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )

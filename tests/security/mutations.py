"""Files that are well-formed and wrong: one value of many is replaced by one that does not belong.

In: JSON values, or the bytes of a model file, and a source of random numbers. Out: the same with
one change. The seal of a model file is made anew, so that what is tried is what lies behind it.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

INNER = ("network", "schema", "training", "numerics_version")  # texts that are JSON themselves


class Raw(str):
    """A JSON text that `json.dumps` would not write."""


def deep(levels: int) -> Raw:
    return Raw("[" * levels + "]" * levels)


VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 99, 0.5, -0.5, 1.0, 1e300, 5e-324, 2**31, 2**53, 2**63,
    10**400, -(2**63) - 1, Raw("1e400"), Raw("-1e400"), Raw("NaN"), Raw("Infinity"), Raw("1E5"),
    "", "x", "0", "NaN", "relu", "sum", "number", "category", "Linear", "Adam", "object", "float16",
    "\x1b]0;title\x07", "\udc80", "\x00", "a\nb", "=cmd|' /C calc'!A0", "../../etc/passwd",
    "é" * 300, "x" * 70_000, [], {}, [0], [[]], {"": 0}, {"class": "Linear"},
    {"class": "Adam", "lr": 0.1},
    {"code": "x"}, {"class": "Sequential", "layers": []}, ["x", "x"], [1] * 50, deep(70),
    deep(100_000),
)  # fmt: skip


def written(value: Any) -> str:
    """JSON, with raw texts as they are."""
    raw: dict[str, str] = {}

    def marked(own: Any) -> Any:
        if isinstance(own, Raw):
            key = f"raw{len(raw)}-8f2c"
            raw[f'"{key}"'] = str(own)
            return key
        if isinstance(own, dict):
            return {key: marked(part) for key, part in own.items()}
        return [marked(part) for part in own] if isinstance(own, list) else own

    text = json.dumps(marked(value), separators=(",", ":"))
    for key, own in raw.items():
        text = text.replace(key, own)
    return text


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside."""
    found = [path]
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:6])  # of long lists the first entries stand for all
    for key, own in items:
        found += places(own, (*path, key))
    return found


def mutated(value: Any, draw: random.Random) -> Any:
    """A copy with one change somewhere inside."""
    copy = json.loads(json.dumps(value))
    path = draw.choice(places(copy))
    if not path:
        return draw.choice(VALUES)
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    draw.choice(CHANGES)(parent, path[-1], draw)
    return copy


def _replace(parent: Any, key: Any, draw: random.Random) -> None:
    parent[key] = draw.choice(VALUES)


def _nudge(parent: Any, key: Any, draw: random.Random) -> None:
    own = parent[key]
    if isinstance(own, bool):
        parent[key] = int(own)
    elif isinstance(own, int):
        parent[key] = draw.choice([own + 1, own - 1, -own, float(own), own * 1000, str(own)])
    elif isinstance(own, float):
        parent[key] = draw.choice([-own, own * 1e200, int(own), str(own), 0.0])
    elif isinstance(own, str):
        parent[key] = draw.choice([own + "x", own[:-1], own.upper(), [own], own * 2])
    elif isinstance(own, list):
        parent[key] = draw.choice([own[:-1], own + own[:1], own[::-1], own * 2, own[:1]])
    elif isinstance(own, dict):
        parent[key] = draw.choice([list(own.values()), {**own, "more": 1}, {}])
    else:
        parent[key] = 0


def _drop(parent: Any, key: Any, draw: random.Random) -> None:
    del parent[key]


def _add(parent: Any, key: Any, draw: random.Random) -> None:
    if isinstance(parent, dict):
        parent[draw.choice(["more", "__class__", "", "code", f"{key} "])] = parent[key]
    else:
        parent.insert(key, parent[key])  # twice


CHANGES: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    _replace, _replace, _replace, _nudge, _nudge, _drop, _add,
)  # fmt: skip


# -- model files ---------------------------------------------------------------------------------


def sealed(header: str, data: bytes, length: int | None = None) -> bytes:
    """A model file whose SHA-256 is right, whatever its header says."""
    text = header.encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    content = (len(text) if length is None else length).to_bytes(8, "little") + text + data
    place = content.find(b'"sha256":"') + 10
    if place < 10 or place + 64 > len(content):
        return content
    blank = content[:place] + b"0" * 64 + content[place + 64 :]
    return blank[:place] + hashlib.sha256(blank).hexdigest().encode() + blank[place + 64 :]


def opened(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def mutated_model(content: bytes, draw: random.Random) -> bytes:
    """A model file with one change: in the header, in one of its texts, in the data, a length."""
    header, data = opened(content)
    texts = header["__metadata__"]
    way = draw.random()
    if way < 0.6:
        inner = [n for n in texts if n.rpartition(".")[2] in INNER or n == "targets"]
        name = draw.choice(inner)
        texts[name] = written(mutated(json.loads(texts[name]), draw))
    elif way < 0.85:
        kept = texts.pop("sha256")
        header = mutated(header, draw)
        if isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
            header["__metadata__"]["sha256"] = kept
    elif way < 0.93:
        data = draw.choice([
            data[:-1], data + b"\0", data[4:], b"", data[:8] + b"\0\0\xc0\x7f" + data[12:],
            b"\xff" * len(data), bytes(len(data)),
        ])  # fmt: skip
    else:
        text = written(header)
        wrong = draw.choice([0, 1, len(text) - 1, len(text) * 2, 1 << 24, (1 << 24) + 1, 1 << 63])
        return sealed(text, data, wrong)
    return sealed(written(header), data)

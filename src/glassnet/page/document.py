"""Assemble the page as one HTML file that makes no requests.

In: tables, and the kernels of `fragments`. Out: the text of the file. Its modules are joined into
two scripts, one for the page and one for the worker that computes; a content security policy allows
only these, by their digests.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glassnet.describe import as_data
from glassnet.nn.initializers import initializer
from glassnet.nn.storage import layout_of
from glassnet.page.built_in import TABLES
from glassnet.page.fragments import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, Built, build
from glassnet.page.point_sets import PageTable
from glassnet.version import __version__, numerics_version

try:
    import lzma
except ImportError:
    lzma = None

WEB = Path(__file__).parent / "web"
WORKER = (
    "lzma.js", "engine.js", "network.js", "random.js", "trainer.js", "operations.js", "probe.js",
    "csv.js", "columns.js", "worker.js",
)  # fmt: skip
APP = (
    "format.js", "choice.js", "thread.js", "picture.js", "plane.js", "network_view.js",
    "lines_view.js", "charts.js", "sliders.js", "operations_view.js", "weight_view.js",
    "activation_view.js", "race_view.js", "landscape_view.js", "wrong_view.js",
    "lecture_view.js", "your_table.js", "link.js", "sqlite.js", "files.js", "take_home.js",
    "panels.js", "controls.js", "app.js",
)  # fmt: skip
COMMENTS = re.compile(r"^[ \t]*//[^\n]*\n|/\*\*[\s\S]*?\*/[ \n]?", re.MULTILINE)
IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"^(?:async )?(?:const|let|class|function)\s+\{?\s*(\w+)", re.MULTILINE)


def page(
    tables: Sequence[PageTable] | None = None,
    start: str = "moons",
    lecture: bool = False,
    state: Mapping[str, Any] | None = None,
) -> str:
    """Return the HTML of a page with these tables, by default the built-in ones.

    The page starts with the table named `start`; with `lecture` it shows the first station of the
    lecture; with `state` it opens a run at one of its steps."""
    given = [make() for make in TABLES.values()] if tables is None else list(tables)
    content = {
        "start": start,
        "tables": [_table(table) for table in given],
        "menu": menu(),
        "panel": "lecture" if lecture else "lines",
        "state": state,
        "lecture": json.loads((WEB / "lecture.en.json").read_text(encoding="utf-8")),
    }
    return _filled(content, build("float32"))


def menu() -> dict[str, Any]:
    """Return the activations, losses, optimisers and initialisers that the page offers, with the
    first lines of their docstrings."""
    return {
        "version": __version__,
        "numerics": numerics_version,
        "activations": [
            {
                "name": name, "about": _about(module), "parameters": _first_values(module),
                "data": as_data(module),
            }
            for name, module in ACTIVATIONS.items()
        ],
        "losses": [
            {"name": name, "about": _about(loss), "data": as_data(loss)}
            for name, loss in LOSSES.items()
        ],
        "optimizers": [
            {"name": name, "about": _about(rule), "lr": rule.lr, "slots": rule.all_slots(),
             "data": as_data(rule), "formulas": rule.formulas(2)}
            for name, rule in OPTIMIZERS.items()
        ],
        "initializers": list(INITIALIZERS),
    }  # fmt: skip


def _about(item: object) -> str:
    first = (type(item).__doc__ or "").strip().split("\n\n")[0]
    return " ".join(first.split())


def _first_values(module: Any) -> dict[str, float]:
    return {
        name: float(initializer(parameter.initializer)((1,), 0, 0)[0])
        for name, parameter in layout_of(module).parameters.items()
    }


def _table(table: PageTable) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": table.name, "columns": table.columns, "target": table.target,
        "classes": table.classes, "rows": len(table.x),
        "x": _base64(table.x.tobytes()), "y": _base64(table.y.tobytes()),
        "builtIn": table.built_in,
    }  # fmt: skip
    made |= {"about": table.about} if table.about else {}
    return made if table.held is None else made | {"held": list(table.held)}


def _filled(content: dict[str, Any], built: Built) -> str:
    packed, how = engine(built)
    style = (WEB / "style.css").read_text(encoding="utf-8")
    app, worker = joined(APP), joined([*WORKER]) + "\nserve(self);\n"
    policy = (
        f"default-src 'none'; script-src '{_digest(app)}' 'wasm-unsafe-eval'; "
        f"style-src '{_digest(style)}'; worker-src blob:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": html.escape(policy, quote=True).replace("&#x27;", "'"),
        "style": style,
        "app": app,
        "worker": _packed(worker.encode()),
        "content": _packed(json.dumps(content | {"engine": how}, separators=(",", ":")).encode()),
        "engine": packed,
    }
    text = (WEB / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], text)


def joined(names: Sequence[str]) -> str:
    """Join modules into one script without comments; no top-level name may be defined twice."""
    texts = [COMMENTS.sub("", (WEB / name).read_text(encoding="utf-8")) for name in names]
    bodies = [re.sub(r"^export ", "", IMPORT.sub("", text), flags=re.MULTILINE) for text in texts]
    defined = [name for body in bodies for name in NAMES.findall(body)]
    twice = sorted({name for name in defined if defined.count(name) > 1})
    assert not twice, f"defined in two modules of the page: {', '.join(twice)}"
    return "'use strict';\n" + "\n".join(bodies)


def engine(built: Built) -> tuple[str, dict[str, Any]]:
    """Pack the fragments and both modules together; return the data and how to unpack them."""
    library = {"fragments": built.fragments, "scratch": built.scratch}
    text = json.dumps(library, separators=(",", ":")).encode()
    parts = [text, built.modules["relaxed"], built.modules["exact"]]
    whole = b"".join(parts)
    how = {"sizes": list(map(len, parts)), "crc32": zlib.crc32(whole), "lzma": lzma is not None}
    if lzma is None:  # this Python was built without it
        return _packed(whole), how
    rules: Any = {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "pb": 0}
    return _base64(lzma.compress(whole, lzma.FORMAT_RAW, filters=[rules])), how


def _packed(data: bytes) -> str:
    return _base64(gzip.compress(data, 9, mtime=0))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _digest(text: str) -> str:
    return "sha256-" + _base64(hashlib.sha256(text.encode()).digest())

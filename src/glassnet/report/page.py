"""Lay out a report as one HTML page without scripts or requests; its policy forbids both.

In: a title, sentences, and sections of tiles, cards and tables whose cells are escaped already.
Out: the page, for screens, phones and print. Text has a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from glassnet.report.svg import esc

_SHADES = "".join(
    f".ok{i}{{fill:#2b6cb8;fill-opacity:{0.08 + 0.6 * i / 8:.2f}}}"
    f".bad{i}{{fill:#d9772b;fill-opacity:{0.04 + 0.64 * i / 8:.2f}}}"
    for i in range(9)
)
STYLE = (
    ":root{color-scheme:light;--ink:#1c2330;--soft:#565f6d;--line:#dcd8cf;--paper:#fbfaf7;"
    "--num:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:1020px;padding:28px 24px 60px;background:var(--paper);"
    "color:var(--ink);font:14px/1.5 system-ui,'DejaVu Sans',sans-serif;overflow-wrap:anywhere}"
    "h1{font-size:24px;line-height:1.25;margin:0 0 6px}h2{font-size:16px;margin:30px 0 4px}"
    "h1.part{margin-top:44px;padding-top:18px;border-top:2px solid var(--line)}"
    "p{margin:0 0 10px;color:var(--soft);max-width:75ch}b{font-weight:600;color:var(--ink)}"
    ".tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:18px 0}"
    ".two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px;margin-bottom:16px}"
    ".three{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:16px;margin-bottom:16px}"
    ".card{background:#fff;border:1px solid var(--line);border-radius:10px;padding:12px 16px;"
    "break-inside:avoid;min-width:0}"
    ".v{font:600 25px/1.3 var(--num)}.s{color:var(--soft);font-size:12.5px}"
    ".warn{border-left:4px solid #b4591a;padding:8px 14px;background:#fdf3ea;"
    "border-radius:0 8px 8px 0;margin:8px 0;color:var(--ink);max-width:none}"
    ".note{border-left:4px solid var(--line);padding:6px 14px;margin:8px 0;max-width:none}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:13px}"
    "td,th{padding:5px 8px;border-bottom:1px solid var(--line);text-align:left;font-weight:400;"
    "vertical-align:middle;overflow-wrap:normal}"
    "tr:last-child td{border-bottom:0}th{color:var(--soft);font-size:12px}"
    "td.n,th.n{text-align:right}td.n{font:12.5px var(--num);white-space:nowrap}"
    ".scroll td:last-child{min-width:9em}.long td:last-child{min-width:17em}"
    ".cap{font-size:12.5px;margin:0 0 6px}code{font:12.5px var(--num);color:var(--ink)}"
    "svg{display:block;width:100%;max-width:440px;height:auto}td svg{width:96px}"
    "svg text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:var(--soft)}"
    "svg .cell{font-weight:600;font-size:14px;fill:var(--ink)}svg .axis{font-size:11px}"
    ".bar,.dot{fill:#2b6cb8}.small{fill:#9fb6d3}.dens{fill:#e6e2da}"
    ".faint{fill:#2b6cb8;fill-opacity:.35}.err{stroke:#1c2330;stroke-width:1.5}"
    ".grid{stroke:#dcd8cf;stroke-dasharray:2 4}.best{stroke:#7a3fb0;stroke-width:1.5}"
    ".zero{stroke:#9a948a;stroke-dasharray:3 4;fill:none}"
    ".curve{stroke:#2b6cb8;stroke-width:2.2;fill:none}"
    ".second{stroke:#1c2330;stroke-width:1.6;stroke-dasharray:5 3}" + _SHADES +
    "@media(max-width:800px){.tiles{grid-template-columns:1fr 1fr}}"
    "@media(max-width:640px){body{padding:18px 12px 40px}.two,.three{grid-template-columns:1fr}"
    ".card{padding:10px 12px}.v{font-size:21px}}"
    "@media print{body{background:#fff;max-width:none;padding:0}.card{border-color:#999}"
    "h2{break-after:avoid}.scroll{overflow:visible}}"
)  # fmt: skip


def document(title: str, lines: Iterable[str], sections: Iterable[str]) -> str:
    """Return the page: a title, sentences, and sections of HTML."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    about = _paragraphs(lines)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>{esc(title)}</h1>{about}\n{''.join(sections)}</main></body></html>\n"
    )


def heading(text: str, lines: Iterable[str]) -> str:
    """Return the heading of a part with several sections, and its first sentences."""
    return f'<h1 class="part">{esc(text)}</h1>{_paragraphs(lines)}\n'


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p>{esc(line)}</p>" for line in lines)


def section(heading: str, *parts: str, about: str = "") -> str:
    """Return a section: a heading, a sentence if there is one, and its parts."""
    sentence = f"<p>{esc(about)}</p>" if about else ""
    return f"<section><h2>{esc(heading)}</h2>{sentence}{''.join(parts)}</section>\n"


def tile(name: str, value: str, more: str) -> str:
    """Return a tile: the name of a number, the number, and a line below it."""
    return (
        f'<div class="card"><div class="s">{esc(name)}</div><div class="v">{esc(value)}</div>'
        f'<div class="s">{esc(more)}</div></div>'
    )


def tiles(found: Iterable[str]) -> str:
    """Return tiles beside one another."""
    return f'<div class="tiles">{"".join(found)}</div>'


def card(caption: str, inside: str) -> str:
    """Return a drawing or a table with a caption above it."""
    return f'<div class="card"><p class="cap">{esc(caption)}</p>{inside}</div>'


def grid(cards: Sequence[str], across: str = "two") -> str:
    """Return cards beside one another; on a phone, one below the other."""
    return f'<div class="{across}">{"".join(cards)}</div>' if cards else ""


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int] = (),
    long: bool = False,
) -> str:
    """Return a table of HTML cells without its empty columns; the columns `numbers` are aligned
    right, and `long` makes room for sentences in the last column."""
    full = [place for place in range(len(heads)) if any(row[place] for row in rows)]
    numbers = [full.index(place) for place in numbers if place in full]
    heads = [heads[place] for place in full]
    rows = [[row[place] for place in full] for row in rows]
    kinds = [' class="n"' if place in numbers else "" for place in range(len(heads))]
    head = "".join(f"<th{kind}>{esc(head)}</th>" for head, kind in zip(heads, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{cell}</td>" for cell, k in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    kind = "scroll long" if long else "scroll"
    return f'<div class="{kind}"><table><tr>{head}</tr>{body}</table></div>'


def note(text: str, doubt: bool) -> str:
    """Return a note as a paragraph, or as a warning if it is a `doubt`."""
    return f'<p class="{"warn" if doubt else "note"}">{esc(text)}</p>'

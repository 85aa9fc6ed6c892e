"""What people write on a page that is made by a program.

In: the page as it is, and the page made anew. Out: the new page with what stands between markers
in the old one, in the sections with the same headings. Where a section is not made any more, its
heading stays with what was written there, before the last section.

    <!-- by hand -->          this stands at the end of its section
    <!-- by hand, above -->   this stands above its first table
    <!-- by hand, end -->
"""

from __future__ import annotations

import re

BLOCK = re.compile(r"<!-- by hand(, above)? -->\n.*?\n<!-- by hand, end -->\n", re.DOTALL)
BEGINS, ENDS = "<!-- by hand", "<!-- by hand, end -->"
HEADING = re.compile(r"^(?=## )", re.MULTILINE)
FIGURES = re.compile(r"^(?:\||### )", re.MULTILINE)


def keep(old: str, new: str) -> str:
    """The new page with what people wrote on the old one; ValueError where a marker has no end."""
    if old.count(BEGINS) != 2 * old.count(ENDS) or old.count(ENDS) != len(BLOCK.findall(old)):
        raise ValueError(f"every {BEGINS} … --> needs a line {ENDS} of its own after it")
    written = {section.partition("\n")[0]: section for section in HEADING.split(old)}
    blocks = {title: list(BLOCK.finditer(section)) for title, section in written.items()}
    *made, last = [_with(section, blocks) for section in HEADING.split(new)]
    known = {section.partition("\n")[0] for section in HEADING.split(new)}
    for title, found in blocks.items():
        if found and title not in known:
            made.append("\n".join([f"{title}\n", *(block[0] for block in found)]) + "\n")
    return "".join([*made, last])


def _with(section: str, blocks: dict[str, list[re.Match[str]]]) -> str:
    """A section with the blocks of its heading."""
    found = blocks.get(section.partition("\n")[0], [])
    above = [f"{block[0]}\n" for block in found if block[1]]
    below = [f"\n{block[0]}" for block in found if not block[1]]
    figures = FIGURES.search(section)
    place = figures.start() if figures else len(section)
    section = "".join([section[:place], *above, section[place:]])
    return "".join([section.rstrip(), "\n", *below, "\n"]) if below else section

"""What the documents show is what happens: every Python block runs, every shown output is true.

In: the Markdown files. Out: a failure where a block raises, prints something else than the `text`
block that follows it, or where a link to a file leads nowhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import HANG, ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def blocks(text: str) -> list[tuple[str, str | None]]:
    """Python blocks in order, each with the text block right after it, if any."""
    found = list(BLOCK.finditer(text))
    pairs: list[tuple[str, str | None]] = []
    for i, block in enumerate(found):
        if block[1] == "python":
            after = found[i + 1] if i + 1 < len(found) else None
            shown = after is not None and after[1] == "text"
            adjacent = shown and not text[block.end() : after.start()].strip()
            pairs.append((block[2], after[2] if adjacent else None))
    return pairs


def run(text: str, folder: Path) -> list[tuple[str | None, str]]:
    """Shown and real output of each Python block; a document is one program."""
    pairs = blocks(text)
    mark = "--- end of block ---"
    program = f"\nprint({mark!r})\n".join(code for code, _ in pairs)
    (folder / "document.py").write_text(program, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "error", "document.py"],
        cwd=folder, capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return list(zip((s for _, s in pairs), result.stdout.split(mark + "\n"), strict=True))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run_and_print_what_is_shown(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not blocks(text):
        pytest.skip("no Python in this document")
    for shown, real in run(text, tmp_path):
        assert shown is None or shown == real


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []


def test_readme_has_an_example() -> None:
    assert blocks((ROOT / "README.md").read_text(encoding="utf-8"))


def test_a_wrong_output_would_be_seen(tmp_path: Path) -> None:
    text = "```python\na = 1\n```\n\n```python\nprint(a + 1)\n```\n\n```text\n3\n```\n"
    assert run(text, tmp_path) == [(None, ""), ("3\n", "2\n")]


def test_a_block_that_raises_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="NameError"):
        run("```python\nprint(b)\n```\n", tmp_path)


def test_output_belongs_to_the_block_right_before_it() -> None:
    assert blocks("```python\n1\n```\nThen:\n```text\n3\n```\n") == [("1\n", None)]


FILE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|/))`")
NAME = re.compile(r"`([A-Za-z]\w*)`")
PACKAGE = ROOT / "src" / "glassnet"


def walks(text: str) -> list[str]:
    """The paragraphs and list items of CONTRIBUTING.md that follow a call through the files."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    chosen = [part for part in parts if part.startswith("How ") or part.startswith("Words")]
    return [item for part in chosen for item in re.split(r"\n(?=\d+\. |\||\n)", part)]


def wrong_places(items: list[str]) -> list[str]:
    """Files that do not exist, and names that stand behind a file which does not have them."""
    wrong: list[str] = []
    for item in items:
        for place in FILE.findall(item):
            if not (PACKAGE / place).exists():
                wrong.append(place)
        for place, name in re.findall(r"`([a-z_/]+\.py)`,\s+`(\w+)`", item):
            file = PACKAGE / place
            defines = rf"^\s*(?:class|def) {name}\b"
            if file.exists() and not re.search(defines, file.read_text("utf-8"), re.MULTILINE):
                wrong.append(f"{place}: {name}")
    return wrong


def test_the_walks_through_the_code_name_what_is_there() -> None:
    items = walks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert sum(len(FILE.findall(item)) for item in items) > 50
    assert wrong_places(items) == []


def test_a_walk_with_a_wrong_place_would_be_seen() -> None:
    text = "## How a fit happens\n\n1. `training/step_graph.py`, `none`, calls `training/no.py`.\n"
    assert wrong_places(walks(text)) == ["training/no.py", "training/step_graph.py: none"]

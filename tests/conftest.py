"""What all tests share: golden files, no machine code on disk, the same examples every run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.data import ROOT

GOLDEN = ROOT / "tests" / "golden"

# tests compile thousands of programs that nobody needs again; tests of the cache name their own
os.environ["GLASSNET_CACHE_DIR"] = "off"

# a failure must not depend on chance or on how busy the machine is; `make fuzz` looks further
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("search" if "GLASSNET_FUZZ" in os.environ else "fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="accept the present output as right"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name in tests/golden."""
    update = bool(request.config.getoption("--update-golden"))

    def compare(name: str, text: str) -> None:
        compare_golden(GOLDEN / name, text, update)

    return compare


def compare_golden(path: Path, text: str, update: bool) -> None:
    text = text.rstrip("\n") + "\n"
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing; pytest --update-golden writes it"
    assert text == path.read_text(encoding="utf-8")

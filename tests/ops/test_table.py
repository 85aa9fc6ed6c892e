"""The page about the ops says what the records say."""

from __future__ import annotations

import pytest

from glassnet.ops.op_table import op_table
from tests.conftest import compare_golden
from tests.data import ROOT


def test_the_page_is_up_to_date(request: pytest.FixtureRequest) -> None:
    update = bool(request.config.getoption("--update-golden"))
    compare_golden(ROOT / "docs" / "ops.md", op_table(), update)

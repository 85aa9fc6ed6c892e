"""What the tests of the page share: its kernels, compiled once."""

from __future__ import annotations

import pytest

from glassnet.page.fragments import Built, build


@pytest.fixture(scope="session")
def built() -> Built:
    return build("float32")

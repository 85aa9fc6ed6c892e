"""A page that is open in a browser, as tests see it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from glassnet.page import document
from glassnet.page.fragments import Built

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LONG = 60_000  # milliseconds: the machine may be busy
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def write(folder: Path, built: Built, **given: Any) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "build", lambda dtype: built)
        text = document.page(**given)
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


class Visit:
    """A page that is open; it may make no request and report no error."""

    def __init__(self, browser: Any, path: Path, address: str = "", **context: Any) -> None:
        self.problems: list[str] = []
        self.tab = browser.new_context(**context).new_page()
        self.tab.set_default_timeout(LONG)
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.on("console", self._console)
        self.tab.on("request", self._request)
        self.tab.goto(path.as_uri() + address)
        self.js("glassnet.ready.then(() => 0)")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "blob:")):
            self.problems.append(f"request: {request.url}")

    def js(self, text: str) -> Any:
        return self.tab.evaluate(text)

    def weights(self) -> bytes:
        return bytes(self.js("glassnet.weights().then(w => [...new Uint8Array(w.buffer)])"))

    def program(self) -> dict[str, Any]:
        """The names that the page's Python program leaves."""
        names: dict[str, Any] = {}
        exec(self.js("glassnet.script()"), names)
        return names

    def text(self, selector: str) -> str:
        return self.tab.inner_text(selector)

    def wait(self, condition: str) -> None:
        """Until a condition holds; asked from outside, since the page's policy forbids `eval`."""
        for _ in range(LONG // 50):
            if self.js(f"Boolean({condition})" if ".then(" not in condition else condition):
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"never: {condition}")

    def wait_for_weights(self, wanted: bytes) -> None:
        """Until the page has these weights: its worker answers later than its step changes."""
        for _ in range(LONG // 50):
            if self.weights() == wanted:
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError("the page never had the weights")

    def step(self) -> int:
        return int(self.js("glassnet.state.step"))

    def open_panel(self, name: str) -> None:
        self.tab.click(f"#tab-{name}")
        self.wait(f"document.querySelector('#tab-{name}').ariaSelected === 'true'")

    def done(self) -> None:
        assert self.problems == []
        self.tab.context.close()


def saved(visit: Visit, label: str, folder: Path) -> Path:
    """A file that the panel of things to take home saves, in a folder."""
    visit.open_panel("take")
    with visit.tab.expect_download() as waiting:
        visit.tab.click(f"#panel >> text={label}")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path

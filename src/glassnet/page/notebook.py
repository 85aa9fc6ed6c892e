"""Show a page below the cell of a notebook.

In: the path of a page. Out: the page in a frame that contains all of it, so that the notebook works
without a server and without a network; or a widget (extra `[notebook]`), through which Python reads
the state of the page's run and asks for steps.
"""

from __future__ import annotations

import base64
import html
import importlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError

HEIGHT = 1000  # pixels
SANDBOX = "allow-scripts allow-downloads allow-modals"

# The module of a widget: a frame with the page, which reports its run and takes requests for steps.
MODULE = """
const PAGE = %s;
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "%s");
    frame.title = "glassnet: a network that trains";
    frame.style.cssText = "width: 100%%; height: %dpx; border: 0";
    frame.srcdoc = PAGE;
    const heard = ({ source, data }) => {
      if (source !== frame.contentWindow || !data?.glassnet) return;
      for (const [name, value] of Object.entries(data.glassnet)) model.set(name, value);
      model.save_changes();
    };
    const ask = (asked) => frame.contentWindow.postMessage({ glassnet: asked }, "*");
    const asked = () => ask(model.get("asked"));
    window.addEventListener("message", heard);
    model.on("change:asked", asked);
    frame.addEventListener("load", () => ask({ verb: "tell" }));
    el.append(frame);
    return () => {
      window.removeEventListener("message", heard);
      model.off("change:asked", asked);
    };
  },
};
"""


def in_notebook(path: Path) -> bool:
    """Show a page if this process runs in a notebook; return whether it does."""
    ipython: Any = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return False  # a terminal shows no pages
    display: Any = sys.modules["IPython.display"]
    display.display(PageFrame(path.read_text(encoding="utf-8")))
    return True


class PageFrame:
    """A page in a sandboxed frame, with its own policy and without access to the notebook."""

    def __init__(self, page: str) -> None:
        self.page = page

    def _repr_html_(self) -> str:
        text = html.escape(self.page, quote=True)
        return (
            f'<iframe srcdoc="{text}" sandbox="{SANDBOX}" '
            f'title="glassnet: a network that trains" loading="lazy" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )


def widget_module(page: str) -> str:
    """Return the JavaScript module of a widget with a page; "</" in the page is escaped, so that it
    cannot end the script."""
    return MODULE % (json.dumps(page).replace("</", "<\\/"), SANDBOX, HEIGHT)


def widget(page: str) -> Any:
    """Return a page as an anywidget. `step`, `loss`, `script` and `weights` (as `model.W`) describe
    the page's network; `train(steps)`, `seek(step)` and `change(lr=…)` send requests, which the
    page handles asynchronously. GlassnetError if anywidget is not installed."""
    anywidget, traitlets = _packages()
    numbers = itertools.count()  # makes two equal requests different

    class PageWidget(anywidget.AnyWidget):
        _esm = widget_module(page)
        step = traitlets.Int(0).tag(sync=True)
        loss = traitlets.Float(None, allow_none=True).tag(sync=True)
        script = traitlets.Unicode("").tag(sync=True)
        packed = traitlets.Unicode("").tag(sync=True)
        asked = traitlets.Dict().tag(sync=True)

        @property
        def weights(self) -> np.ndarray:
            return np.frombuffer(base64.b64decode(self.packed), "<f4")

        def train(self, steps: int) -> None:
            self._ask("train", steps)

        def seek(self, step: int) -> None:
            self._ask("seek", step)

        def change(self, **settings: Any) -> None:
            self._ask("change", settings)

        def _ask(self, verb: str, value: Any) -> None:
            self.asked = {"verb": verb, "value": value, "number": next(numbers)}

    return PageWidget()


def _packages() -> tuple[Any, Any]:
    try:
        return importlib.import_module("anywidget"), importlib.import_module("traitlets")
    except ImportError:
        raise GlassnetError(
            "widget=True needs the package anywidget\n"
            "  right: pip install 'glassnet[notebook]'\n"
            "  right: gn.play() in a notebook, which shows the page below the cell without it"
        ) from None

"""What all tests share: golden files, machine code on disk, the same examples every run."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import settings

from glassnet.llvm.machine_code import LEVEL
from glassnet.run import cache, compiled
from glassnet.run.threads import available_processors
from glassnet.training import programs
from tests.data import ROOT
from tests.drawn import EVERY

GOLDEN = ROOT / "tests" / "golden"

# The processes of a session share a folder for machine code: most tests train the same few
# networks. Tests of the compiler, and of which code is chosen, are marked `cold`: they find none,
# and write the whole text for LLVM anew; of equal text LLVM makes equal code (`Remembered`).
SESSION = "GLASSNET_TESTS_CODE"
COLD = ("engine", "fuzz", "graph", "ops", "oracles", "page", "simplify", "wasm")

# a failure must not depend on chance or on how busy the machine is; `make fuzz` looks further
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("search" if "GLASSNET_FUZZ" in os.environ else "fixed")


class Remembered:
    """Calls LLVM once for texts that come twice, as half of them do, and at a low level where the
    compiler is not what is tested: its code has the same bits in a third of the time of compiling.

    `make nightly` compiles each text, at the level that users get.
    """

    LATELY = 1000  # about 50 KB each

    def __init__(self, object_code: Callable[..., bytes]) -> None:
        self._object_code = object_code
        self.level = LEVEL
        self._codes: OrderedDict[bytes, bytes] = OrderedDict()

    def __call__(self, text: str, name: str) -> bytes:
        key = sha256(f"{self.level} {name} {text}".encode()).digest()
        code = self._codes.pop(key, None) or self._object_code(text, name, opt=self.level)
        self._codes[key] = code
        if len(self._codes) > self.LATELY:
            self._codes.popitem(last=False)
        return code


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="accept the present output as right"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the processes of pytest-xdist inherit the variable
        os.environ[SESSION] = folder = tempfile.mkdtemp(prefix="glassnet-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ[cache.VARIABLE] = "off"  # while tests are collected
    if not EVERY and getattr(config.option, "numprocesses", None):
        # the processors belong to the processes of pytest-xdist: threads that no test asks for, of
        # BLAS too, would wait for each other at the cost of all
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not EVERY:
        compiled.object_code = Remembered(compiled.object_code)
    # else each of the processes that tests start compiles the whole source again, for a second
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)  # those who test Ctrl-C need it


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: the processors that this process may use."""
    return available_processors()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(ROOT / "tests").parts[0] in COLD:
            item.add_marker(pytest.mark.cold)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Before all fixtures of the test, and for the processes that it starts."""
    cold = item.get_closest_marker("cold") is not None
    os.environ[cache.VARIABLE] = "off" if cold else os.environ[SESSION]
    if isinstance(compiled.object_code, Remembered):
        compiled.object_code.level = LEVEL if cold else 0
    if cold:
        programs.clear_shared()
    return (yield)


@pytest.fixture(autouse=True)
def same_signal_handlers() -> Iterator[None]:
    """What a test leaves behind would turn a signal to the whole run into a failure of another."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    after = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    assert after == before, "the test changed signal handlers, and did not put them back"


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

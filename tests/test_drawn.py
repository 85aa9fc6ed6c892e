"""What is drawn is the same every time and differs between tests; LLVM is asked once for a text."""

from __future__ import annotations

from glassnet.llvm.machine_code import LEVEL
from tests.conftest import Remembered
from tests.drawn import drawn


def test_some_are_drawn_in_their_order_and_the_same_every_time() -> None:
    names = [f"way {number}" for number in range(12)]
    found = drawn(names, 3, "a test", every=False)
    assert found == [name for name in names if name in found]
    assert len(found) == 3
    assert drawn(names[::-1], 3, "a test", every=False) == found[::-1]
    others = {tuple(drawn(names, 3, f"test {number}", every=False)) for number in range(20)}
    assert len(others) > 10
    assert {name for some in others for name in some} == set(names)
    assert drawn(names, 3, "a test", every=True) == names


def test_llvm_is_asked_once_for_a_text_and_an_instruction_set() -> None:
    asked: list[tuple[str, ...]] = []

    def compiled(text: str, name: str, opt: int) -> bytes:
        asked.append((text, name) if opt else (text, name, "quickly"))
        return f"{name} {text}".encode()

    remembered = Remembered(compiled)
    for text, name in (("a", "avx2"), ("b", "avx2"), ("a", "avx2"), ("a", "avx512")):
        assert remembered(text, name) == f"{name} {text}".encode()
    assert asked == [("a", "avx2"), ("b", "avx2"), ("a", "avx512")]
    remembered.level = 0
    remembered("b", "avx2")  # code of another level is other code
    assert asked[-1] == ("b", "avx2", "quickly")
    remembered.level = LEVEL
    for number in range(Remembered.LATELY):
        remembered(f"text {number}", "avx2")
    remembered("a", "avx2")
    assert asked[-1] == ("a", "avx2")  # forgotten meanwhile

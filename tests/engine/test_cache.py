"""Machine code on disk: found again, and never trusted when anything about it is odd."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.graph import Graph
from glassnet.run import cache, compiled
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.check import numbers
from tests.engine.variants import call, difference, loops, runnable, thresholds

NAME, OTHER = cache.key("one", "two"), cache.key("other")
CODE = b"object code" * 100

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "kept"
    monkeypatch.setenv(cache.VARIABLE, str(place))
    return place


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_read(folder: Path) -> None:
    assert cache.read(NAME) is None
    cache.write(NAME, CODE)
    assert cache.read(NAME) == CODE
    assert mode(folder) == 0o700
    assert [(p.name, mode(p)) for p in folder.iterdir()] == [(NAME, 0o600)]
    cache.write(NAME, b"newer")
    assert cache.read(NAME) == b"newer"


def test_nothing_odd_is_read(folder: Path) -> None:
    cache.write(NAME, CODE)
    file = folder / NAME
    whole = file.read_bytes()
    for damaged in (
        whole[:-1],  # cut
        whole + b"x",  # grown
        whole[:50] + bytes([whole[50] ^ 1]) + whole[51:],  # one bit flipped in the code
        whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],  # or in the digest
        bytes([whole[0] ^ 1]) + whole[1:],  # or in what says that it is ours
        whole[:20],
        whole[:48],
        b"",
    ):
        file.write_bytes(damaged)
        assert cache.read(NAME) is None
    file.write_bytes(whole)
    assert cache.read(NAME) == CODE


def test_code_under_the_name_of_another_program_is_not_read(folder: Path) -> None:
    other = cache.key("another")
    cache.write(NAME, CODE)
    (folder / NAME).rename(folder / other)
    assert cache.read(other) is None
    (folder / other).rename(folder / NAME)
    assert cache.read(NAME) == CODE


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        cache.write(NAME, CODE)
    finally:
        os.umask(before)
    assert (mode(folder), mode(folder / NAME)) == (0o700, 0o600)
    assert cache.read(NAME) == CODE


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o622])
def test_files_that_others_may_touch_are_not_read(folder: Path, bits: int) -> None:
    cache.write(NAME, CODE)
    (folder / NAME).chmod(bits)
    assert cache.read(NAME) is None


@pytest.mark.parametrize("bits", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_not_used(folder: Path, bits: int) -> None:
    cache.write(NAME, CODE)
    folder.chmod(bits)
    assert cache.read(NAME) is None
    cache.write(NAME, b"newer")
    folder.chmod(0o700)
    assert cache.read(NAME) == CODE


def test_symbolic_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    cache.write(NAME, CODE)
    file = folder / NAME
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert cache.read(NAME) is None
    real = tmp_path / "real"
    folder.rename(real)
    folder.symlink_to(real)
    (real / NAME).unlink()
    elsewhere.rename(real / NAME)
    assert cache.read(NAME) is None


def test_what_is_no_file_is_not_read(folder: Path) -> None:
    cache.write(OTHER, CODE)
    (folder / NAME).mkdir(mode=0o700)
    assert cache.read(NAME) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_unwritable_place_means_no_cache(folder: Path) -> None:
    folder.parent.chmod(0o500)
    try:
        cache.write(NAME, CODE)
        assert not folder.exists()
    finally:
        folder.parent.chmod(0o700)


def test_a_file_in_the_place_of_the_folder_means_no_cache(folder: Path) -> None:
    folder.write_text("not a folder")
    cache.write(NAME, CODE)
    assert cache.read(NAME) is None
    assert folder.read_text() == "not a folder"


def test_a_full_disk_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    cache.write(OTHER, CODE)
    monkeypatch.setattr(os, "replace", full)
    cache.write(NAME, CODE)
    assert [p.name for p in folder.iterdir()] == [OTHER]


@pytest.mark.parametrize("text", ["", "off"])
def test_the_cache_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(cache.VARIABLE, text)
    assert cache.directory() is None
    cache.write(NAME, CODE)
    assert cache.read(NAME) is None


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.directory() == tmp_path / "glassnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.directory() == tmp_path / ".cache" / "glassnet"


def test_the_oldest_files_go_when_there_are_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write but one in sixteen, by its name, is spared the look at the others."""
    keys = [cache.key(str(i)) for i in range(100)]
    names = [name for name in keys if name[0] != "0"][:4]
    names.append(next(name for name in keys if name[0] == "0"))
    for i, name in enumerate(names[:3]):
        cache.write(name, CODE)
        os.utime(folder / name, (i, i))
    monkeypatch.setattr(cache, "LIMIT", 3 * (len(CODE) + cache.DIGEST + len(cache.MAGIC)))
    cache.write(names[3], CODE)
    os.utime(folder / names[3], (3, 3))
    assert cache.read(names[0]) == CODE  # reading makes it the newest
    assert len(list(folder.iterdir())) == 4
    cache.write(names[4], CODE)
    assert {p.name for p in folder.iterdir()} == {names[0], names[3], names[4]}


def test_the_key_depends_on_every_part() -> None:
    assert len({cache.key("a", "b"), cache.key("ab", ""), cache.key("a", "c"), cache.key("a")}) == 4


# -- programs ------------------------------------------------------------------------------------


def graph(number: float) -> Graph:
    return trace(lambda x: ops.tanh(x @ x) * number, numbers("float32", 20, 20))


def test_cached_code_gives_the_same_bits_and_is_not_compiled_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, args = Plan(graph(2.0)), {"x": numbers("float32", 20, 20)}
    with thresholds():
        (cold,) = call(loops(plan), args)
        assert len(list(folder.iterdir())) == 1
        monkeypatch.setattr(compiled, "object_code", no_compiler)
        (warm,) = call(loops(plan), args)
    assert not difference(cold, warm)


def no_compiler(text: str, name: str) -> bytes:
    raise AssertionError("compiled again")


def test_another_program_or_instruction_set_has_code_of_its_own(folder: Path) -> None:
    args = {"x": numbers("float32", 20, 20)}
    with thresholds():
        for number in (2.0, 3.0, 2.0):
            call(loops(Plan(graph(number))), args)
        assert len(list(folder.iterdir())) == 2
        for target in runnable():
            call(loops(Plan(graph(2.0)), target), args)
        assert len(list(folder.iterdir())) == 1 + len(runnable())


def network(width: int, widths: Iterable[int] = ()) -> tuple[Plan, dict[str, np.ndarray]]:
    """One layer of some width, and the widths that code may leave open."""
    args = {"x": numbers("float32", 5, 12), "y": numbers("float32", 12, width, seed=1)}
    return Plan(trace(lambda x, y: ops.tanh(x @ y), *args.values()), widths=frozenset(widths)), args


def test_widths_share_their_code_where_there_is_little_to_do(folder: Path) -> None:
    found: dict[int, np.ndarray] = {}
    with thresholds():
        for width in (10, 20, 33):
            plan, args = network(width, {width})
            (found[width],) = call(loops(plan), args)
        assert len(list(folder.iterdir())) == 1
        for width in found:
            plan, args = network(width)
            (alone,) = call(loops(plan), args)
            assert not difference(found[width], alone)
        assert len(list(folder.iterdir())) == 4


def test_known_widths_have_code_of_their_own_where_there_is_much_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, args = network(20, {20})
    with thresholds():
        program = loops(plan)
        enough = compiled.WORTH_RESIZING // program.work({}) + 1
        program.prepare(args, ahead=enough - 1)
        assert len(list(folder.iterdir())) == 1
        program.prepare(args, ahead=enough)
        assert len(list(folder.iterdir())) == 2
        # where it is there already it is used for little too
        monkeypatch.setattr(compiled, "object_code", no_compiler)
        again = loops(plan)
        again.prepare(args)
    assert again.build(only_cached=True) is not None


def test_changed_source_means_other_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, args = network(20)
    with thresholds():
        call(loops(plan), args)
        monkeypatch.setattr(cache, "source_key", lambda: "changed")
        call(loops(plan), args)
    assert len(list(folder.iterdir())) == 2


def imports(path: Path) -> set[Path]:
    """The files of the package that a file imports, by its statements."""
    package = Path(cache.__file__).parents[1]
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glassnet"):
            place = package.parent.joinpath(*str(node.module).split("."))
            names = [place / alias.name for alias in node.names]
            files = [place, *names, place / "__init__"]
            found |= {f for each in files if (f := each.with_suffix(".py")).is_file()}
    return found


def test_the_key_covers_all_source_that_makes_code() -> None:
    """A changed rule of a package that the key leaves out would leave wrong code in use."""
    package = Path(cache.__file__).parents[1]
    seen, new = set[Path](), {Path(compiled.__file__)}
    while new:
        seen |= new
        new = set().union(*map(imports, new)) - seen
    folders = {file.relative_to(package).parts[0] for file in seen if file.parent != package}
    # the code of ops comes with the graph, and what is simplified comes before it
    assert folders | {"ops", "simplify"} == set(cache.DECIDES)
    assert {"fuse", "lower", "run"} <= folders


def test_a_damaged_file_is_replaced(folder: Path) -> None:
    plan, args = Plan(graph(2.0)), {"x": numbers("float32", 20, 20)}
    with thresholds():
        (first,) = call(loops(plan), args)
        (file,) = folder.iterdir()
        good = file.read_bytes()
        file.write_bytes(good[:40] + bytes(len(good) - 40))
        (second,) = call(loops(plan), args)
    assert not difference(first, second)
    assert file.read_bytes() == good
    assert np.isfinite(first).all()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file away")
def test_another_users_files_are_not_read(folder: Path) -> None:
    cache.write(NAME, CODE)
    os.chown(folder / NAME, 12345, -1)
    assert cache.read(NAME) is None
    os.chown(folder / NAME, os.getuid(), -1)
    assert cache.read(NAME) == CODE
    os.chown(folder, 12345, -1)
    assert cache.read(NAME) is None

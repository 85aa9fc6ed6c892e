"""The canary sees every kind of change, and only those."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.canary import Canary, Outcome, attacked


def _replace(place: Path) -> None:
    content = place.read_bytes()
    place.rename(place.with_name("aside"))
    place.write_bytes(content)
    place.with_name("aside").unlink()


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "made": (lambda root: (root / "tmp" / "new.sh").write_text("rm"), "made"),
    "a folder made": (lambda root: (root / "dir").mkdir(), "made"),
    "changed": (lambda root: (root / ".bashrc").write_text("evil"), "changed"),
    "removed": (lambda root: (root / "thesis.tar").unlink(), "removed"),
    "same content, another file": (lambda root: _replace(root / "secret.csv"), "changed"),
    "permissions": (lambda root: (root / "secret.csv").chmod(0o777), "changed"),
    "a link": (lambda root: os.symlink("/etc/passwd", root / "work" / "more"), "made"),
    "a link turned": (
        lambda root: ((root / "link").unlink(), os.symlink("/etc", root / "link")),
        "changed",
    ),
    "a pipe": (lambda root: os.mkfifo(root / "pipe"), "made"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name: str, canary: Canary) -> None:
    change, verb = CHANGES[name]
    with pytest.raises(AssertionError, match=verb), canary.only("named.csv"):
        change(canary.root)


def test_what_was_named_may_change(canary: Canary) -> None:
    with canary.only("named.csv", "../notes.txt"):
        (canary.here / "named.csv").write_text("x")
        (canary.here.parent / "notes.txt").write_text("x")
    with canary.only():
        (canary.root / "thesis.tar").read_bytes()


def test_a_command_is_watched(canary: Canary) -> None:
    found = attacked("data", "iris", "-o", "iris.csv", canary=canary, named=["iris.csv"])
    assert (canary.here / "iris.csv").is_file()
    assert (found.status, found.out) == (0, "")
    assert found.seconds > 0
    assert found.memory > 10_000_000
    with pytest.raises(AssertionError, match=r"made .*more\.csv"):
        attacked("data", "iris", "-o", "more.csv", canary=canary)
    attacked("evaluate", "none", "none", canary=canary).harmless("none does not exist")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(0, "", "", 0.5, 10**8),
        Outcome(2, "", "Traceback (most recent call last)", 0.5, 10**8),
        Outcome(2, "\x1b[31mred", "", 0.5, 10**8),
        Outcome(2, "", "row 1 holds 'root:canary:0:0:SECRET-LINE'", 0.5, 10**8),
        Outcome(2, "", "fine", 50.0, 10**8),
        Outcome(2, "", "fine", 0.5, 10**10),
    ],
)
def test_harm_is_noticed(outcome: Outcome) -> None:
    with pytest.raises(AssertionError):
        outcome.harmless()

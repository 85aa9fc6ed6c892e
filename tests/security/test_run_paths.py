"""What a run file names is its author's word: nothing is read or written elsewhere for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from glassnet.errors import UntrustedError
from glassnet.estimators.tabular.fit_resume import model_path, recorded_fit
from glassnet.inspect.streams import streams_of
from glassnet.runs.paths import is_beside, takes_model
from tests.security.canary import SECRET, Canary, attacked, tried
from tests.security.hostile import begun, changed, table

Make = Callable[[Canary], object]


def run_in(canary: Canary, **said: object) -> Path:
    """A run file beside its table, whose model would lie beside it too."""
    own = table(canary.here / "t.csv")
    return begun(canary.here / "run.glass", own, canary.here / "m.safetensors", **said)


READS: dict[str, Callable[[Canary], str]] = {
    "an absolute path": lambda canary: str(canary.secret),
    "dots": lambda canary: f"{canary.here}/../../secret.csv",
    "dots, relative": lambda canary: "../../secret.csv",
    "passwords": lambda canary: "/etc/passwd",
    "a device": lambda canary: "/dev/zero",
    "standard input": lambda canary: "/dev/stdin",
    "memory": lambda canary: "/proc/self/mem",
    "a link": lambda canary: linked(canary.here / "t2.csv", canary.secret),
    "a linked folder": lambda canary: linked(canary.here / "d", canary.root) + "/secret.csv",
    "nothing": lambda canary: str(canary.root / "none.csv"),
    "a folder": lambda canary: str(canary.root),
    "home": lambda canary: "~/secret.csv",
}


APART = ("passwords", "a device", "memory")  # those tried in a process of their own


def linked(place: Path, to: Path) -> str:
    place.symlink_to(to)
    return str(place)


@pytest.mark.parametrize("name", READS)
def test_no_table_is_read_elsewhere(name: str, canary: Canary) -> None:
    path = READS[name](canary)
    run = run_in(canary, table=path)
    found = (attacked if name in APART else tried)("resume", run, canary=canary)
    # "~" is not a home for us, but a name that does not exist beside the run
    found.harmless("is not there" if name == "home" else "--trust")
    assert path in found.err
    assert "TABLE" in found.err


BESIDE: dict[str, Callable[[Path], object]] = {
    "a text": lambda place: place.write_text(f"{SECRET}\nmore\n"),
    "a pipe": os.mkfifo,
    "a folder": lambda place: place.mkdir(),
    "numbers": lambda place: place.write_text("SECRET-LINE,b\n" + "1,2\n" * 20),
    "a cell": lambda place: place.write_text("x,z,y\n" + "1,2,no\n" * 19 + "SECRET-LINE,1,no\n"),
    "bytes": lambda place: place.write_bytes(bytes(range(256)) * 9),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_is_not_read_aloud(name: str, canary: Canary) -> None:
    run = run_in(canary)
    place = canary.here / "other"
    BESIDE[name](place)
    changed(run, table=str(place))
    tried("resume", run, canary=canary).harmless(str(place))


WRITES: dict[str, Callable[[Canary], str]] = {
    "another folder": lambda canary: str(canary.root / "new.safetensors"),
    "a folder below": lambda canary: below(canary.here / "conf") + "/new.safetensors",
    "dots": lambda canary: str(canary.here / ".." / "new.safetensors"),
    "a text beside": lambda canary: kept(canary.here / "notes.txt"),
    "a model of another": lambda canary: kept(canary.here / "best.safetensors"),
    "the table": lambda canary: str(canary.here / "t.csv"),
    "the run": lambda canary: str(canary.here / "run.glass"),
    "a hidden file": lambda canary: str(canary.here / ".bashrc"),
    "hidden, as a model": lambda canary: str(canary.here / ".x.safetensors"),
    "code": lambda canary: str(canary.here / "conftest.py"),
    "a link beside": lambda canary: linked(canary.here / "m2.safetensors", canary.secret),
    "a link to nothing": lambda canary: linked(canary.here / "m2.safetensors", canary.root / "no"),
    "a device": lambda canary: "/dev/sda",
    "a pipe": lambda canary: piped(canary.here / "p.safetensors"),
    "a folder": lambda canary: below(canary.here / "f.safetensors"),
    "no name": lambda canary: "",
    "a zero byte": lambda canary: "m\0.safetensors",
}


def kept(place: Path) -> str:
    place.write_text(SECRET)
    return str(place)


def below(place: Path) -> str:
    place.mkdir()
    return str(place)


def piped(place: Path) -> str:
    os.mkfifo(place)
    return str(place)


@pytest.mark.parametrize("name", WRITES)
def test_no_model_is_written_elsewhere(name: str, canary: Canary) -> None:
    run = run_in(canary, model=WRITES[name](canary))
    tried("resume", run, canary=canary).harmless(str(run))


def test_what_trusted_files_say_is_done_but_for_what_is_not_theirs(canary: Canary) -> None:
    run = run_in(canary, model=str(canary.root / "thesis.tar"))
    tried("resume", run, "--trust", canary=canary).harmless("is not the model that", "-o")


@pytest.mark.parametrize("trust", [False, True])
def test_ones_own_run_is_resumed(canary: Canary, trust: bool) -> None:
    """Everything beside the run, without a word; or elsewhere, by names or by one option."""
    own = table(canary.here / "t.csv")
    folder = canary.here / "runs"
    folder.mkdir()
    model = canary.here / "m.safetensors"
    run = begun(folder / "run.glass", own, model)
    asked = tried("resume", run, canary=canary)
    asked.harmless(f"read {own}, outside its folder, and to write {model}, outside its folder")
    asked.harmless(f"glassnet resume {run} TABLE -o MODEL", "--trust")
    recorded = recorded_fit(run, trust)
    assert recorded is not None
    if trust:
        assert model_path(recorded, None) == str(model)
        return
    with pytest.raises(UntrustedError):
        model_path(recorded, None)
    beside = begun(canary.here / "run.glass", own, model)
    recorded = recorded_fit(beside)
    assert recorded is not None
    assert model_path(recorded, None) == str(model)


def test_a_run_replaces_its_own_model(canary: Canary) -> None:
    run, model = run_in(canary), canary.here / "m.safetensors"
    named = [model, run, *(f"run{phase}.glass" for phase in ("", ".phase2", ".phase3"))]
    assert tried("resume", run, canary=canary, named=named).status == 0
    first = model.read_bytes()
    assert tried("resume", run, canary=canary, named=named).status == 0
    assert model.read_bytes() == first
    model.write_text("mine now")
    tried("resume", run, canary=canary).harmless("is not the model that", "-o")
    assert tried("resume", run, "-o", model, canary=canary, named=named).status == 0
    assert model.read_bytes() == first


def test_a_stream_is_not_followed(canary: Canary) -> None:
    run = run_in(canary)
    told = {"path": [str(canary.secret)], "target": "y", "features": None, "weight": None}
    changed(run, streams={"training": {**told, "scratch": str(canary.root)}})
    with canary.only(), pytest.raises(UntrustedError, match=r"secret\.csv.*gn\.stream"):
        streams_of(run)


def test_beside() -> None:
    """By the file system alone: /a/run.glass."""
    assert is_beside("/a/run.glass", "/a/t.csv")
    assert is_beside("/a/run.glass", "/a/b/../t.csv")
    assert is_beside("/a/run.glass", "/a/b/t.csv")
    assert not is_beside("/a/run.glass", "/ab/t.csv")
    assert not is_beside("/a/run.glass", "/a")
    assert not is_beside("/a/run.glass", "/a/../b/t.csv")
    assert takes_model("/a/run.glass", "/a/m.safetensors")
    assert not takes_model("/a/run.glass", "/a/b/m.safetensors")
    assert not takes_model("/a/run.glass", "/a/m.py")
    assert not takes_model("/a/run.glass", "/a/.safetensors")

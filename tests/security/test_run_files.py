"""Run files of someone who means harm: each is refused with an error of ours, soon, and nothing but
the files that were named is read, made or changed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, ModelFileError, OutputError
from glassnet.runs.file import RunFile
from glassnet.runs.run_schema import TABLES, is_blank
from tests.data import ROOT
from tests.record.common import seldom, train
from tests.security.canary import Canary, attacked

FOREVER = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n, n FROM c"
PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    path = tmp_path_factory.mktemp("whole") / "run.glass"
    with pytest.MonkeyPatch.context() as patch:
        seldom(patch)
        train(path, epochs=2)
    return path


def sql(*statements: str) -> Callable[[Path], None]:
    """Does that to a run file, as any program can."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)

    return change


def schema(*statements: str) -> Callable[[Path], None]:
    """Writes into the schema itself."""
    return sql("PRAGMA writable_schema = ON", *statements)


def setting(key: str, value: Any) -> Callable[[Path], None]:
    text = value if isinstance(value, str) else json.dumps(value)
    return lambda path: put(path, "UPDATE run SET value = ? WHERE key = ?", text, key)


def put(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(statement, values)


def head_of(**changed: Any) -> Callable[[Path], None]:
    """Another description of the arrays of checkpoint 0."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            (text,) = database.execute("SELECT arrays FROM checkpoint WHERE epoch = 0").fetchone()
            head = {**json.loads(text), **changed}
            database.execute("UPDATE checkpoint SET arrays = ?", (json.dumps(head),))

    return change


def in_head(place: int, content: bytes) -> Callable[[Path], None]:
    """Other bytes at a place of the file."""

    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(content)

    return change


def root_of(table: str, path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(database.execute(query, (table,)).fetchone()[0])


def many_ways(path: Path) -> None:
    """The history as a tree whose every page has the same page below it a hundred times, five
    times over: 10^10 rows for whoever goes through it."""
    root = root_of("history", path)
    content = path.read_bytes()
    leaf = content[(root - 1) * PAGE : root * PAGE]
    pages = [leaf]
    first = len(content) // PAGE + 1
    for level in range(5):
        below = first + level
        cells = [below.to_bytes(4, "big") + bytes([2]) for _ in range(100)]
        start = PAGE - 5 * len(cells)
        head = b"\x05\0\0" + len(cells).to_bytes(2, "big") + start.to_bytes(2, "big") + b"\0"
        places = b"".join((start + 5 * i).to_bytes(2, "big") for i in range(len(cells)))
        page = (head + below.to_bytes(4, "big") + places).ljust(start, b"\0") + b"".join(cells)
        pages.append(page)
    top = pages.pop()
    whole = bytearray(content + b"".join(pages))
    whole[(root - 1) * PAGE : root * PAGE] = top
    whole[28:32] = (len(whole) // PAGE).to_bytes(4, "big")
    path.write_bytes(bytes(whole))


def bites_its_tail(path: Path) -> None:
    """A blob of 128 MB, in a file of some kB: its pages lead back to themselves. The file seems as
    large as that, but is full of holes."""
    content = b"x" * (3 * PAGE)
    put(path, "UPDATE checkpoint SET content = ? WHERE epoch = 0", content)
    raw = bytearray(path.read_bytes())
    at = raw.index(content[: PAGE // 2])
    page = at // PAGE
    raw[page * PAGE : page * PAGE + 4] = (page + 1).to_bytes(4, "big")
    path.write_bytes(bytes(raw))
    os.truncate(path, 128_000_000 // PAGE * PAGE)


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


VIEW = sql(
    "ALTER TABLE history RENAME TO h", "CREATE VIEW history(epoch, loss, validation_loss) AS "
    "SELECT n, n, n FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
    "SELECT n FROM c)",
)  # fmt: skip
ATTACKS: dict[str, Callable[[Path], object]] = {
    "a view without end": VIEW,
    "a view beside the tables": sql(f"CREATE VIEW v AS {FOREVER}"),
    "run as a view": sql(
        "ALTER TABLE run RENAME TO r", "CREATE VIEW run AS SELECT key, value FROM r"
    ),
    "a trigger that edits": sql(
        "CREATE TRIGGER t AFTER INSERT ON history BEGIN UPDATE run SET value = '1'; END"
    ),
    "a trigger without end": sql(
        f"CREATE TRIGGER t BEFORE DELETE ON result BEGIN SELECT 1 FROM ({FOREVER}); END"
    ),
    "a trigger instead": sql(
        "CREATE VIEW w AS SELECT 1 AS a",
        "CREATE TRIGGER t INSTEAD OF INSERT ON w BEGIN DELETE FROM run; END",
    ),
    "a table more": sql("CREATE TABLE mine(x)"),
    "a virtual table": sql("CREATE VIRTUAL TABLE f USING fts5(x)"),
    "a computed column": sql(
        "DROP TABLE history",
        "CREATE TABLE history(epoch INTEGER PRIMARY KEY, loss REAL, validation_loss REAL "
        "GENERATED ALWAYS AS (length(randomblob(100000000))) VIRTUAL)",
    ),
    "a default that works": sql(
        "DROP TABLE history",
        "CREATE TABLE history(epoch INTEGER PRIMARY KEY, loss REAL, validation_loss REAL "
        "DEFAULT (length(randomblob(100000000))))",
    ),
    "a check that works": sql(
        "DROP TABLE history",
        "CREATE TABLE history(epoch INTEGER PRIMARY KEY, loss REAL, "
        "validation_loss REAL CHECK (length(randomblob(100000000)) > 0))",
    ),
    "an index on what works": sql("CREATE INDEX i ON history(abs(epoch))"),
    "a partial index": sql("CREATE INDEX i ON run(key) WHERE value > 'a'"),
    "another collation": sql(
        "DROP TABLE data",
        "CREATE TABLE data(name TEXT COLLATE NOCASE PRIMARY KEY, arrays TEXT NOT NULL, "
        "content BLOB NOT NULL)",
    ),
    "statistics": sql("ANALYZE"),
    "no checkpoints": sql("DROP TABLE checkpoint"),
    "no tables": sql(
        "DROP TABLE run", "DROP TABLE history", "DROP TABLE checkpoint", "DROP TABLE data",
        "DROP TABLE result",
    ),
    "a schema that is none": schema("UPDATE sqlite_master SET sql = 'CREATE TABLE' || name"),
    "a schema of 2 MB": schema(
        "UPDATE sqlite_master SET sql = sql || printf('%2000000s', '') WHERE name = 'run'"
    ),
    "two tables in one tree": schema(
        "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master "
        "WHERE name = 'data') WHERE name = 'history'"
    ),
    "a root far away": schema("UPDATE sqlite_master SET rootpage = 4000000 WHERE name = 'run'"),
    "a tree without end": many_ways,
    "a blob without end": bites_its_tail,
    "a format of later": sql("PRAGMA user_version = 9"),
    "a format of before": sql("PRAGMA user_version = -1"),
    "another program's": sql("PRAGMA application_id = 1"),
    "pages of 512 bytes that are 4096": in_head(16, b"\x02\x00"),
    "half of it": lambda path: os.truncate(path, path.stat().st_size // 2),
    "zeros": in_head(0, bytes(2 * PAGE)),
    "deep lists": setting("model", deep(200_000)),
    "lists within lists": setting("model", deep(500)),
    "a text of many lists": setting("model", "[" + "[]," * 2_000_000 + "[]]"),
    "a number of many digits": setting("seed", "9" * 100_000),
    "no JSON": setting("epochs", "{"),
    "epochs as a text": setting("epochs", "many-words"),
    "epochs below 0": setting("epochs", -1),
    "epochs as a list": setting("epochs", [1]),
    "batches of 0": setting("batch_size", 0),
    "a model that is a text": setting("model", "Linear-words"),
    "a source that is a list": setting("source", [1]),
    "an end that is a number": setting("ended", 3),
    "an end of no kind": setting("ended", {"stopped": 5}),
    "a value of bytes": lambda path: put(path, "UPDATE run SET value = x'00ff' WHERE key='seed'"),
    "a loss of bytes": lambda path: put(path, "UPDATE history SET loss = x'00'"),
    "a loss of words": lambda path: put(path, "UPDATE history SET loss = 'words'"),
    "an epoch below 0": lambda path: put(path, "UPDATE history SET epoch = -5 WHERE epoch = 1"),
    "an epoch left out": lambda path: put(path, "UPDATE history SET epoch = 9 WHERE epoch = 2"),
    "a checkpoint at -1": lambda path: put(path, "UPDATE checkpoint SET epoch = epoch - 9"),
    "arrays of objects": head_of(arrays=[["W", "object", [3]]]),
    "arrays of records": head_of(arrays=[["W", "V1000000000", [1]]]),
    "arrays without end": head_of(arrays=[["W", "float32", [1 << 60]]]),
    "arrays below 0": head_of(arrays=[["W", "float32", [-1]]]),
    "arrays of a list of sizes": head_of(arrays=[["W", ["float32"], [1]]]),
    "no arrays": head_of(arrays=[]),
    "arrays that are words": head_of(arrays="words"),
    "notes that are a list": head_of(notes=[]),
    "a digest of words": sql("UPDATE checkpoint SET sha256 = 'words'"),
    "content that is a text": sql("UPDATE checkpoint SET content = 'words'"),
    "content of another": sql("UPDATE checkpoint SET content = x'0011'"),
    "a result too short": sql(
        "UPDATE result SET content = x'00', sha256 = "
        "'6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'"
    ),
    "data of another dtype": sql(
        """UPDATE data SET arrays = '[["x", "O", [70, 3]], ["y", "float32", [70, 2]]]'"""
    ),
}  # fmt: skip


def everything(path: Path) -> None:
    """All that a run file says, to whoever reads it."""
    with RunFile.read(path) as file:
        file.values(), file.history(), file.last(), file.data(), file.result()
        for epoch in file.epochs():
            file.checkpoint(epoch)
    gn.open_step(path, epoch=2)
    gn.resume(path)
    gn.resume(path, epochs=3)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_run_file_that_means_harm_is_refused(name: str, whole: Path, canary: Canary) -> None:
    path = canary.here / "run.glass"
    shutil.copy(whole, path)
    with suppress(sqlite3.OperationalError):  # the schema of some can no longer be closed well
        ATTACKS[name](path)
    content = path.read_bytes() if path.stat().st_size < 1 << 24 else b""
    before = time.process_time()
    named = canary.only(path, "run.glass-wal", "run.glass-shm", "run.glass-lock")
    with named, pytest.raises(GlassnetError):
        everything(path)
    assert time.process_time() - before < 10
    if "history" not in name and content:
        assert path.read_bytes()[100:] == content[100:] or name in WRITES
    beside = [own.name for own in canary.here.iterdir()]
    assert beside == ["run.glass"]


WRITES = ("a loss of bytes",)  # none of them is written to before it is refused


def test_one_bad_file_hides_no_good_one(whole: Path, canary: Canary) -> None:
    """In one folder, all of them: every one is told of, and what is good is listed."""
    names = [name for name in ATTACKS if name not in ("another program's", "zeros")]
    for number, name in enumerate(names):
        path = canary.here / f"bad{number:02d}.glass"
        shutil.copy(whole, path)
        with suppress(sqlite3.OperationalError):
            ATTACKS[name](path)
    for name in ("a.glass", "z.glass"):
        shutil.copy(whole, canary.here / name)
    outcome = attacked("runs", "--json", canary=canary)
    outcome.harmless(status=(0,))
    told = json.loads(outcome.out)
    assert {"a.glass", "z.glass"} <= {own["run"] for own in told["runs"]}
    assert len(told["runs"]) + len(told["unread"]) == len(names) + 2
    assert len(told["unread"]) > 30
    outcome = attacked("runs", canary=canary)
    assert outcome.out.startswith("a.glass  2/2 epochs")
    assert "z.glass  2/2 epochs" in outcome.out


@pytest.mark.parametrize("command", ["resume", "step", "check", "show"])
def test_commands_refuse_a_view_without_end(command: str, whole: Path, canary: Canary) -> None:
    path = canary.here / "run.glass"
    shutil.copy(whole, path)
    VIEW(path)
    outcome = attacked(command, "run.glass", canary=canary)
    outcome.harmless("recording does not make")


def test_a_fit_does_not_replace_what_it_does_not_know(whole: Path, canary: Canary) -> None:
    """Known before anything is trained; with a way out that is one."""
    (canary.here / "t.csv").write_text("x,y\n" + "".join(f"{i},{i % 7}\n" for i in range(60)))
    path = canary.here / "run.glass"
    shutil.copy(whole, path)
    VIEW(path)
    outcome = attacked("fit", "t.csv", "-t", "y", "--record", "run.glass", canary=canary)
    outcome.harmless("run.glass cannot be replaced", "name another place with --record")
    assert "training" not in outcome.out
    with pytest.raises(ModelFileError, match="recording does not make"):
        train(path)
    with pytest.raises(ModelFileError, match="recording does not make"):
        gn.MLPClassifier((2,), record=path).fit([[0.0], [1.0]], [0, 1])


def test_a_tree_without_end_is_replaced_without_a_look(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    shutil.copy(whole, path)
    many_ways(path)
    train(path, epochs=2, overwrite=True)
    with RunFile.read(path) as file, RunFile.read(whole) as other:
        assert file.rows("PRAGMA integrity_check") == [("ok",)]
        assert file.history() == other.history()


def test_the_first_files_open(whole: Path, tmp_path: Path) -> None:
    """They had no table for data."""
    path = tmp_path / "run.glass"
    shutil.copy(whole, path)
    sql("DROP TABLE data")(path)
    with RunFile.read(path) as file:
        assert file.data() == {}
        assert file.epochs() == [0, 2]
    with pytest.raises(gn.errors.TrainingError, match="does not hold its data"):
        gn.resume(path, epochs=3)


def test_old_statements_are_known_by_their_words(tmp_path: Path) -> None:
    """However their spaces lie; and by nothing else."""
    path = tmp_path / "run.glass"
    sql(*" ".join(TABLES.split()).replace("(", " (").split(";"))(path)
    sql("PRAGMA application_id = 0x676C6173", "PRAGMA user_version = 1")(path)
    with pytest.raises(ModelFileError, match="recording does not make"):
        RunFile.read(path)
    path.unlink()
    sql(*TABLES.replace("\n", "\n   ").split(";"))(path)
    sql("PRAGMA application_id = 0x676C6173", "PRAGMA user_version = 1")(path)
    with RunFile.read(path) as file:
        assert file.epochs() == []


def test_work_ends_and_ctrl_c_is_heard(whole: Path) -> None:
    """A statement that never ends is ended by itself; a signal meanwhile is not lost."""
    with RunFile.read(whole) as file:
        with pytest.raises(ModelFileError, match="no end"):
            file.rows(f"SELECT count(*) FROM ({FOREVER})")
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                file.rows(f"SELECT count(*) FROM ({FOREVER})")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert file.epochs() == [0, 2]


def test_a_trigger_that_comes_while_a_run_is_written(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    shutil.copy(whole, path)
    with RunFile.append(path) as file:
        sql("CREATE TRIGGER t AFTER INSERT ON run BEGIN DELETE FROM history; END")(path)
        with pytest.raises(ModelFileError, match="recording does not make"), file.change() as base:
            base.execute("INSERT INTO run VALUES ('x', '1')")
    sql("DROP TRIGGER t")(path)
    with RunFile.read(path) as file:
        assert "x" not in file.values()
        assert len(file.history()[0]) == 2


BESIDE: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda path, secret: path.symlink_to(secret),
    "a link to nothing": lambda path, secret: path.symlink_to(secret.with_name("new.sh")),
    "a pipe": lambda path, secret: os.mkfifo(path),
    "a folder": lambda path, secret: path.mkdir(),
    "another name of a file": lambda path, secret: os.link(secret, path),
    "a file of the user's": lambda path, secret: path.write_text("notes of mine\n" * 9),
}


@pytest.mark.parametrize("ending", ["-lock", "-wal", "-journal", "-shm"])
@pytest.mark.parametrize("kind", BESIDE)
@pytest.mark.parametrize("there", [True, False], ids=["a run", "a new run"])
def test_what_is_planted_beside_a_run(
    ending: str, kind: str, there: bool, whole: Path, canary: Canary
) -> None:
    """It is neither followed, read, written nor removed, whether the run is there or not."""
    path = canary.here / "run.glass"
    if there:
        shutil.copy(whole, path)
    BESIDE[kind](canary.here / f"run.glass{ending}", canary.secret)
    write = gn.resume if there else train
    with canary.only():
        with pytest.raises((OutputError, ModelFileError), match=f"run.glass{ending}"):
            write(path, epochs=3)
        if there and ending != "-lock":
            with pytest.raises(ModelFileError, match=f"run.glass{ending} beside it"):
                RunFile.read(path)


def test_a_journal_does_not_name_what_sqlite_removes(whole: Path, canary: Canary) -> None:
    """A hot journal can name another file, which SQLite removes after it has rolled back."""
    path = canary.here / "run.glass"
    shutil.copy(whole, path)
    name = str(canary.root / "thesis.tar").encode()
    magic = bytes.fromhex("d9d505f920a163d7")
    header = magic + (0).to_bytes(4, "big") + bytes(4) + (path.stat().st_size // PAGE).to_bytes(4)
    header = (header + (512).to_bytes(4) + PAGE.to_bytes(4)).ljust(512, b"\0")
    total = sum(name) & 0xFFFFFFFF
    tail = (1 << 30).to_bytes(4) + name + len(name).to_bytes(4) + total.to_bytes(4) + magic
    journal = path.with_name("run.glass-journal")
    journal.write_bytes(header + tail)
    with canary.only():
        for open_it in (RunFile.read, RunFile.append, RunFile.create):
            with pytest.raises(ModelFileError, match="names another file"):
                open_it(path)
    outcome = attacked("runs", canary=canary)
    outcome.harmless("names another file", status=(0,))


def test_someone_elses_log(whole: Path, tmp_path: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only the superuser can give files away")
    path, log = tmp_path / "run.glass", tmp_path / "run.glass-wal"
    shutil.copy(whole, path)
    log.write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
    os.chown(log, 12345, 12345)
    path.chmod(0o644)
    with pytest.raises(ModelFileError, match="belongs to another user"):
        RunFile.read(path)
    os.chown(path, 12345, 12345)  # then it is its owner's own
    with RunFile.read(path) as file:
        assert file.epochs() == [0, 2]


def test_a_log_that_is_all_there_is_left(whole: Path, tmp_path: Path) -> None:
    """As of a run file that was renamed while an earlier version recorded: SQLite would remove it
    when a new file is made."""
    log = tmp_path / "run.glass-wal"
    log.write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
    with pytest.raises(OutputError, match=r"run.glass-wal is there without run.glass"):
        train(tmp_path / "run.glass")
    assert [own.name for own in tmp_path.iterdir()] == ["run.glass-wal"]


def test_reading_hears_a_signal_in_a_process_of_its_own(whole: Path) -> None:
    code = (
        "import sys; from glassnet.runs.file import RunFile\n"
        "file = RunFile.read(sys.argv[1]); print('ready', flush=True)\n"
        f"while True: file._work.looks = -10**9; file.rows('SELECT count(*) FROM ({FOREVER})')"
    )
    around = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(whole)], env=around, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in told


def test_blank_databases_are_nobodys(tmp_path: Path) -> None:
    """A database without tables is what a writer leaves that dies at once; a run replaces it."""
    path = tmp_path / "run.glass"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 0")
        assert is_blank(database)
    train(path, epochs=1)
    with RunFile.read(path) as file:
        assert file.last()[0] == 1

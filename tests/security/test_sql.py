"""SQL of a run file's author, and of the user, reaches the table and nothing else."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb
import pytest

from glassnet.errors import TableError, UntrustedError
from glassnet.tables import query_apart
from glassnet.tables.query_apart import read_apart
from glassnet.tables.read_table import read_table
from tests.security.canary import Canary, attacked, tried
from tests.security.hostile import begun, table

NOT_ONE_SELECT = (
    "SELECT * FROM data; COPY (SELECT 'rm -rf ~') TO '../../evil.sh'",
    "SELECT * FROM data; DROP TABLE data",
    "COPY data TO '../../evil.csv'",
    "ATTACH '../../evil.db'",
    "LOAD httpfs",
    "INSTALL httpfs",
    "SET enable_external_access = true",
    "PRAGMA enable_profiling",
    "EXPORT DATABASE '../../evil'",
    "CREATE TABLE t AS FROM data",
    "CALL enable_logging(storage = 'file', storage_path = '../../evil')",
    "PIVOT data ON y USING count(*)",
    "EXPLAIN ANALYZE SELECT * FROM data",
    "",
    "-- nothing",
)
FORBIDDEN = (
    "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '../../evil')",
    "SELECT * FROM enable_profiling(save_location = '../../evil')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM query('SELECT * FROM read_text(''../../secret.csv'')')",
    "SELECT * FROM query_table('data')",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM arrow_scan(1, 1, 1)",
    "SELECT * FROM sniff_csv('../../secret.csv')",
    "SELECT * FROM parquet_metadata('../../secret.csv')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT *, getenv('HOME') AS home FROM data",
    "SELECT *, current_setting('home_directory') AS home FROM data",
    "SELECT *, write_log('x') AS log FROM data",
    "SELECT *, sleep_ms(100000) AS long FROM data",
    "SELECT list_transform([1], lambda k: (SELECT max(pg_sleep(9)) FROM data)) FROM data",
    "SHOW TABLES",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM information_schema.tables",
)
READING = {
    "SELECT * FROM '../../secret.csv'": "../../secret.csv",
    "SELECT * FROM data, '/etc/passwd.csv'": "/etc/passwd.csv",
    "SELECT * FROM read_csv('../../secret.csv')": "../../secret.csv",
    "SELECT * FROM read_text(['../../secret.csv', '/etc/passwd'])": "/etc/passwd",
    "SELECT * FROM read_blob('/dev/zero')": "/dev/zero",
    "SELECT * FROM glob('/etc/*')": "/etc/*",
    "SELECT * FROM data LIMIT (SELECT count(*) FROM read_text('/etc/passwd'))": "/etc/passwd",
    "WITH data AS (FROM read_csv('x.csv')) FROM data": "x.csv",
    "SELECT * FROM 'https://example.org/x.csv'": "https://example.org/x.csv",
    "SELECT * FROM read_csv('../../' || 'secret.csv')": "secret.csv",
}


@pytest.fixture
def own(canary: Canary) -> Path:
    return table(canary.here / "t.csv")


@pytest.mark.parametrize("sql", [*NOT_ONE_SELECT, *FORBIDDEN])
def test_nobodys_query_does_this(sql: str, own: Path, canary: Canary) -> None:
    with canary.only(), pytest.raises(TableError, match=r"SELECT|there is no table"):
        read_table(own, sql=sql)


@pytest.mark.parametrize("sql", READING)
def test_a_recorded_query_reads_no_other_file(sql: str, own: Path, canary: Canary) -> None:
    with canary.only(), pytest.raises(UntrustedError, match="other files") as raised:
        read_table(own, sql=sql, files=False)
    assert READING[sql] in str(raised.value)
    assert "trust what recorded it" in str(raised.value)


def test_a_query_of_the_user_reads_the_files_that_it_names(own: Path, canary: Canary) -> None:
    (canary.here / "more.csv").write_text("k,v\n1,2\n3,4\n")
    sql = "SELECT v FROM data, 'more.csv' WHERE k = 3 LIMIT 1"
    assert read_table(own, sql=sql).numbers(["v"])["v"].values.tolist() == [4.0]
    sql = "SELECT sum(v) AS v FROM read_csv('more.csv')"
    assert read_table(own, sql=sql).numbers(["v"])["v"].values.tolist() == [6.0]


def test_the_lock_holds_where_the_parser_was_fooled(own: Path, canary: Canary) -> None:
    """The second wall: what cannot be seen in a query is refused when it is run."""
    found = read_table(own, sql="SELECT * FROM data")
    for sql in (
        "SELECT * FROM read_text('../../secret.csv')",
        "COPY (SELECT 1) TO '../../evil'",
        "ATTACH '../../evil.db'",
        "SET enable_external_access = true",
        "SET temp_directory = '../..'",
        "LOAD '../../evil.duckdb_extension'",
    ):
        with canary.only(), pytest.raises(duckdb.Error):
            found.connection.execute(sql)
    found.connection.execute("SET VARIABLE k = 1")  # no setting, and nothing to be feared
    with pytest.raises(duckdb.Error):
        found.connection.execute("SELECT * FROM canary")  # no variables of this process


GOOD = (
    "SELECT x, z, y FROM data WHERE x > 3 ORDER BY z DESC, x LIMIT 9",
    "WITH k AS (SELECT *, x + z AS w FROM data) SELECT w, y FROM k;",
    "FROM data; -- all",
    "SELECT y, count(*) AS n, sum(x) AS s FROM main.data GROUP BY y ORDER BY y",
    "SELECT a.x, b.n FROM data a, range(2) AS b(n) ORDER BY ALL",
    "SELECT x, unnest([1, 2]) AS k FROM data",
    "SELECT " + " + ".join(["x"] * 200) + " AS s FROM data",
    "SELECT '\"type\":\"INSERT_QUERY_NODE\"' AS text, 'read_csv(''/etc/passwd'')' AS u FROM data",
    "SELECT x FROM data WHERE y = 'read_text' UNION ALL SELECT z FROM data",
    "UNPIVOT (SELECT x, z FROM data) ON x, z",
    "PIVOT data ON y IN ('no', 'yes') USING sum(x)",
    "SELECT row_number() OVER (PARTITION BY y ORDER BY x, z) AS n, x FROM data QUALIFY n < 4",
)


@pytest.mark.parametrize("sql", GOOD)
def test_ordinary_queries_give_what_duckdb_gives(sql: str, own: Path) -> None:
    plain = duckdb.connect()
    plain.execute("SET threads = 1")
    plain.execute(f"CREATE VIEW data AS FROM read_csv('{own}', types = {{'y': 'VARCHAR'}})")
    expected = plain.execute(sql).fetchall()
    found = read_table(own, sql=sql)
    assert found.connection.execute("FROM result").fetchall() == expected


@pytest.mark.parametrize("sql", [GOOD[0], GOOD[3]])
def test_apart_gives_the_same_table(sql: str, own: Path, canary: Canary) -> None:
    """Types too: a sum of whole numbers is wider than any number of Parquet."""
    here = read_table(own, sql=sql)
    with canary.only():
        apart = read_apart(own, sql=sql)
    assert apart.columns == here.columns
    assert (apart.label, apart.rows) == (here.label, here.rows)
    query = "FROM result"
    rows = apart.connection.execute(query).fetchall()
    assert rows == here.connection.execute(query).fetchall()


@pytest.mark.parametrize("kind", ["parquet", "feather", "jsonl"])
def test_apart_reads_every_format(kind: str, canary: Canary) -> None:
    made = duckdb.sql("SELECT i, 'x' || i AS s FROM range(50) AS t(i)")
    place = canary.here / f"odd [1]*.{kind}"
    if kind == "parquet":
        made.write_parquet(str(place))
    elif kind == "feather":
        feather = pytest.importorskip("pyarrow.feather")
        feather.write_feather(made.to_arrow_table(), str(place))
    else:
        place.write_text("".join(f'{{"i": {i}, "s": "x{i}"}}\n' for i in range(50)))
    found = read_apart(place, sql="SELECT s FROM data WHERE i > 47 ORDER BY i DESC")
    assert found.texts(["s"])["s"].tolist() == ["x49", "x48"]


BOMBS = (
    "SELECT repeat('x', 3000000000) AS x FROM data",
    "SELECT string_agg(repeat('x', 1000000)) AS x FROM data, range(1000)",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t",
    "SELECT " + ", ".join(["1"] * 20000) + " FROM data",
    "SELECT 1 AS o FROM range(100000000000)",
    "SELECT range(1000000000) FROM data",
)


@pytest.mark.parametrize("sql", BOMBS)
def test_a_bomb_is_put_out(sql: str, own: Path, canary: Canary) -> None:
    run = begun(canary.here / "run.glass", own, canary.here / "m.safetensors", sql=sql)
    found = attacked("resume", run, canary=canary)
    # a second of it is that of the other process, which the system counts in whole ones
    found.harmless(str(run) if "too" in found.err else "--trust", seconds=4.0)


def test_a_hostile_run_file_does_nothing(own: Path, canary: Canary) -> None:
    sql = "SELECT * FROM data; COPY (SELECT 'rm -rf ~') TO '../../evil.sh'"
    run = begun(canary.here / "run.glass", own, canary.here / "m.safetensors", sql=sql)
    for command in ("resume", "step", "check", "runs"):
        subject = canary.here if command == "runs" else run
        tried(command, subject, canary=canary).harmless(status=(0, 1, 2))
    tried("resume", run, own, canary=canary).harmless("not one SELECT but SELECT and COPY")
    tried("resume", run, own, "--trust", canary=canary).harmless("not one SELECT")


def test_a_process_that_ends_is_explained(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_apart, "WAIT", 0.001)
    with pytest.raises(UntrustedError, match="needs more than"):
        read_apart(own, sql="SELECT * FROM data")


def test_a_query_is_interrupted(own: Path) -> None:
    """By Ctrl-C, as any other command; here by another thread, as DuckDB hears of it."""
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        time.sleep(0.3)
        import signal

        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        read_table(own, sql="SELECT count(*) AS n FROM range(100000000000000)")

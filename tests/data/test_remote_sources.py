"""Rows of databases and object stores; what is wrong is said, a password never."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import duckdb
import obstore
import polars as pl
import pytest
import sqlalchemy as sa
from obstore.store import from_url
from polars.testing import assert_frame_equal

from everloop.data.addresses import check_address, resolved
from everloop.data.sources import read_table
from everloop.data.sources.databases import read_database, said
from everloop.data.streams.opening import open_table
from everloop.errors import EverloopError, InvalidInput, Unavailable
from everloop.loop.declaration import from_dict

ROWS = pl.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"], "x": [0.5, 1.5, None]})


DESTRUCTIVE = [
    "drop table t",
    "delete from t",
    "delete from t returning *",
    "truncate t",
    "call everything()",
    "-- select\ndrop table t",
    "with d as (delete from t returning *) select * from d",
    "with d as (select 1) delete from t returning *",
    "commit; drop table t; select 1 as a",
    "select 1 as a; drop table t",
    "begin; delete from t; commit; select 1 as z",
    "explain analyze delete from t",
    "select * into made from t",
    "copy t to 'out.csv'",
    "attach 'd.db' as e; drop table t; select 1 as a",
    " ; ",
]


@pytest.mark.parametrize("query", DESTRUCTIVE)
@pytest.mark.parametrize("source", ["postgresql://db/x", "mysql+pymysql://db/x", "duckdb://"])
def test_no_database_is_asked_to_change(source: str, query: str) -> None:
    """Of some a DDL ends the transaction, so it is refused by its words, before a connection."""
    if source == "duckdb://" and " into " in query:
        return  # which has no such statement: INTO belongs to its UNPIVOT
    with pytest.raises(InvalidInput, match=r"data.query: got .*expected (a query that reads|one)"):
        check_address(source, query)


@pytest.mark.parametrize(
    "query",
    [
        "-- a comment; with an end\n/* and; another */ SELECT * from t;",
        "(select a from t) union (select 'x;drop table t' from t)",
        "with x as (select * from t) select upper(insert(a, 1, 1, 'b')) as \"into\" from x",
        "select date'2024-01-01' as a, 'into' as b, 'C:\\temp' as c, \"x;\" from t",
        "select 1 as a /* it's; */ -- it's; too",
        "explain (format json) select 1",
        "describe t",
        "values(1, 2)",
        "select'a'",
        "table t",
        "explain select * from t",
    ],
)
def test_queries_that_read_are_asked(query: str) -> None:
    check_address("mysql+pymysql://db/x", query)
    check_address("duckdb://", query)
    check_address("duckdb://", f"set threads = 1; attach 'x.db' as x; {query}")
    check_address("duckdb://", "from 'rows.csv'")
    with pytest.raises(InvalidInput, match="one statement"):
        check_address("postgresql://db/x", f"set threads = 1; {query}")


@pytest.mark.parametrize(
    ("source", "query"),
    [
        ("mysql://db/x", r"select 'it\'s' as a, `a;b` from t # so; on"),
        ("mysql://db/x", "select /*+ MAX_EXECUTION_TIME(9) */ a from t -- it's; so"),
        ("postgresql://db/x", r"select $$;drop$$ as q, $x$; into $x$, e'it\'s;' as e, 1e5 as f"),
        ("postgresql://db/x", "select a$$ from t"),
        ("sqlite:///d.db", "select [it's; so], `a;b` from t"),
        ("mssql://db/x", "select [a;]], update] from t inner merge join u on 1 = 1"),
        ("oracle://db/x", "select a from t; -- it's; so"),
    ],
)
def test_each_database_quotes_in_its_own_way(source: str, query: str) -> None:
    check_address(source, query)


@pytest.mark.parametrize(
    ("source", "query"),
    [  # what stands in these is code to the database, and was taken for a comment or a string
        ("mysql://db/x", "select 1 /*! into outfile 'x' */"),
        ("mysql://db/x", "select 1 /*!50000 into outfile 'x' */"),
        ("mariadb://db/x", "select 1 /*M!100000 into dumpfile 'x' */"),
        ("mysql://db/x", "select 1 --1 into outfile 'x'"),
        ("mysql://db/x", "select 1 #'\ninto outfile 'x' #'"),
        ("mysql://db/x", r"select '\'' into outfile 'x' #'"),
        ("mysql://db/x", r'select "\"" into outfile "x" #"'),
        ("mysql://db/x", "select 1 as a$$, 2 into outfile 'x' -- $$"),
        ("mysql://db/x", r"select '\'; drop table t; #'"),  # with NO_BACKSLASH_ESCAPES
        ("postgresql://db/x", "select 1 as a$$; commit; drop table t; select 1 as b$$"),
        ("postgresql://db/x", "select 1 /* /* */ ' */; commit; drop table t --'"),
        ("postgresql://db/x", r"select E'\''; commit; drop table t --'"),
        ("postgresql://db/x", "select E'a'\n'\\''; commit; drop table t --'"),
        ("postgresql://db/x", "select E'a' -- so\n'\\''; commit; drop table t --'"),
        ("postgresql://db/x", r"select E'\'', 'x\'; commit; drop table t; --'"),
        ("postgresql://db/x", "select 1 -- \r; commit; drop table t"),
        ("postgresql://db/x", "select 1 ` ; commit; drop table t; select 1 ` "),
        ("postgresql://db/x", "select 1e5$$ ' $$ ; commit; drop table t; select $$ ' $$"),
        ("postgresql://db/x", "explain analyze verbose delete from t"),
        ("postgresql://db/x", "explain analyze create table u as select 1"),
        ("duckdb://", "explain analyze copy (select 1) to 'x.csv'"),
        ("duckdb://", "select 1 as a$$; copy t to 'x'; select 1 as b$$"),
        ("mssql://db/x", "select 1 as a drop table t"),
        ("mssql://db/x", "select 1 as a exec sp_who"),
        ("redshift://db/x", r"select '\'; drop table t; --'"),
        ("redshift://db/x", r"select '\''; drop table t; --'"),
        ("sqlite:///d.db", "select 1 /* and so on"),
    ],
)
def test_no_statement_hides_in_a_query(source: str, query: str) -> None:
    with pytest.raises(InvalidInput, match=r"data\.query: got .* expected"):
        check_address(source, query)


def test_mysql_is_told_to_refuse_changes(tmp_path: Path, monkeypatch) -> None:
    """In the whole session: its DDL ends a transaction, and runs in the next one."""
    engine, said = sa.create_engine("sqlite://"), []
    engine.dialect.name = "mysql"

    @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
    def answer(_: object, __: object, statement: str, *___: object) -> tuple[str, tuple[()]]:
        said.append(statement)
        return "select 1 as a", ()

    monkeypatch.setattr(sa, "create_engine", lambda *_, **__: engine)
    assert read_table("mysql://db/x", tmp_path, query="select a from t").rows() == [(1,)]
    assert said == ["SET SESSION TRANSACTION READ ONLY", "select a from t"]


@pytest.mark.parametrize("query", DESTRUCTIVE)
def test_a_query_changes_nothing(database_url: str, tmp_path: Path, query: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as conn:
        conn.exec_driver_sql("create table t (id integer)")
        conn.exec_driver_sql("insert into t values (1)")
    engine.dispose()
    with pytest.raises(InvalidInput):
        read_table(database_url, tmp_path, query=query)
    assert read_table(database_url, tmp_path, query="select * from t").rows() == [(1,)]
    with pytest.raises(InvalidInput, match=r"read-?only"):  # by the database itself
        read_database(database_url, "delete from t returning *", tmp_path)


def test_a_colon_in_a_query_is_no_parameter(database_url: str, tmp_path: Path) -> None:
    query = "select '10:30 :b' as at, '%(a)s %' as share"
    assert read_table(database_url, tmp_path, query=query).rows() == [("10:30 :b", "%(a)s %")]


def test_sqlite_beside_the_loop_file(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "d.db") as db:
        db.execute("create table t (id integer, name text, x real)")
        db.executemany("insert into t values (?, ?, ?)", ROWS.rows())
    found = read_table("sqlite:///d.db", tmp_path, query="select * from t order by id")
    assert_frame_equal(found, ROWS)
    read_table("sqlite:///d.db", tmp_path, query="select 1 as a")
    with pytest.raises(InvalidInput, match="no such table: other"):
        read_table("sqlite:///d.db", tmp_path, query="select * from other")
    with pytest.raises(InvalidInput, match="at least one row"):
        read_table("sqlite:///d.db", tmp_path, query="select * from t where id > 9")
    with pytest.raises(InvalidInput, match="a file that exists"):
        read_table("sqlite:///other.db", tmp_path, query="select 1")
    assert not (tmp_path / "other.db").exists()


def test_any_dialect(database_url: str, tmp_path: Path, monkeypatch) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as conn:
        conn.execute(sa.text("create table remote_rows (id integer, name text, x float)"))
        table = sa.table("remote_rows", *(sa.column(c) for c in ROWS.columns))
        conn.execute(sa.insert(table), ROWS.to_dicts())
    engine.dispose()
    monkeypatch.setenv("DATA_URL", database_url)
    query = "select id, name, x, id * 2 as double_id from remote_rows order by id"
    found = read_table(database_url, tmp_path, query=query)
    assert_frame_equal(found.select(ROWS.columns), ROWS, check_dtypes=False)
    assert found["double_id"].to_list() == [2, 4, 6]


def test_duckdb_of_its_own_file_and_over_files(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as db:
        db.execute("create table t as select 7 as a, true as b")
    found = read_table("duckdb:///d.duckdb", tmp_path, query="select * from t")
    assert found.rows() == [(7, True)]
    ROWS.write_parquet(tmp_path / "rows.parquet")
    query = "select sum(id) as total from 'rows.parquet'"
    assert read_table("duckdb://", tmp_path, query=query).item() == 6
    with pytest.raises(InvalidInput, match="SQL that DuckDB understands"):
        read_table("duckdb://", tmp_path, query="select from from")
    with pytest.raises(InvalidInput, match="a query that reads"):
        read_table("duckdb:///d.duckdb", tmp_path, query="create table u as select 1")


def test_files_in_an_object_store(s3_url: str, tmp_path: Path) -> None:
    store = from_url(s3_url)
    for part in range(2):
        data = io.BytesIO()
        ROWS.with_columns(part=part).write_parquet(data)
        obstore.put(store, f"parts/{part}.parquet", data.getvalue())
    obstore.put(store, "parts/deeper/x.csv", b"a,b\n1,2\n")
    found = read_table(f"{s3_url}/parts/*.parquet", tmp_path)
    assert found["part"].to_list() == [0, 0, 0, 1, 1, 1]
    one = read_table(f"{s3_url}/parts/1.parquet", tmp_path)
    assert_frame_equal(one.drop("part"), ROWS)
    assert read_table(f"{s3_url}/**/*.csv", tmp_path).rows() == [(1, 2)]
    for missing in ("parts/9.parquet", "parts/*.arrow"):
        with pytest.raises(InvalidInput, match="an object that exists"):
            read_table(f"{s3_url}/{missing}", tmp_path)
    with pytest.raises(InvalidInput, match="files of one kind"):
        read_table(f"{s3_url}/parts/**/*", tmp_path)


@pytest.mark.parametrize(
    ("source", "query", "part"),
    [
        ("postgresql://me:s3cret@db/x", "select 1", "${PGPASSWORD}"),
        ("postgresql://db/x?user=me&password=s3cret", "select 1", "without a password"),
        ("postgresql://db/x", None, "data.query"),
        ("rows.csv", "select 1", "not a database"),
        ("postgressql://db/x", "select 1", 'Did you mean "postgresql://"'),
        ("https://db/x.csv", None, "SQLAlchemy's URL"),
    ],
)
def test_what_an_address_must_be(source: str, query: str | None, part: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_address(source, query)
    assert part in caught.value.message
    assert "s3cret" not in str(caught.value.to_dict())
    with pytest.raises(InvalidInput):
        from_dict({"data": {"source": source, "target": "y"} | ({"query": query} if query else {})})


def test_a_password_stays_in_the_environment(tmp_path: Path, monkeypatch) -> None:
    source = "postgresql+psycopg://me:${PG_SECRET}@127.0.0.1:9/x?connect_timeout=2"
    with pytest.raises(InvalidInput, match=r"export PG_SECRET"):
        read_table(source, tmp_path, query="select 1")
    monkeypatch.setenv("PG_SECRET", "hunter2")
    with pytest.raises(Unavailable) as caught:
        read_table(source, tmp_path, query="select 1")
    said: EverloopError = caught.value
    assert "does not answer" in said.message
    assert "hunter2" not in str(said.to_dict())


def test_a_password_may_hold_what_ends_it_in_an_address(monkeypatch) -> None:
    for password in ("p@ss:w/o?r#d [x]", "p%40ss%3Aw%2Fo%3Fr%23d%20%5Bx%5D"):
        monkeypatch.setenv("PG_SECRET", password)
        found = sa.make_url(resolved("postgresql://me:${PG_SECRET}@host:5/x"))
        assert (found.password, found.host, found.port) == ("p@ss:w/o?r#d [x]", "host", 5)
        found = sa.make_url(resolved("postgresql://host/x?user=me&password=${PG_SECRET}"))
        assert found.query["password"] == "p@ss:w/o?r#d [x]"
    monkeypatch.setenv("FOLDER", "a b")
    assert resolved("${FOLDER}/x.csv") == "a b/x.csv"


def test_a_drivers_number_is_left_out_of_its_sentence() -> None:
    class Refused(Exception):
        orig = RuntimeError(1045, "Access denied for user 'me'@'host'")

    assert said(Refused(), "mysql://me@host/x") == "Access denied for user 'me'@'host'"


def test_what_is_wrong_in_an_address_is_a_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PG_SECRET", "hunter2")
    (tmp_path / "d.db").touch()
    for source in (
        "postgresql+psycopg://me:${PG_SECRET}@host:port/x",
        "sqlite:///d.db?timeout=soon",
        "sqlite:///d.db?detect_types=x",
    ):
        with pytest.raises(InvalidInput, match="address that its driver understands") as caught:
            read_table(source, tmp_path, query="select 1")
        assert "hunter2" not in str(caught.value.to_dict())


def test_an_answer_that_is_no_table_is_a_sentence(database_url: str, tmp_path: Path) -> None:
    twice = "select 1 as a, 2 as a"
    for source in (database_url, "duckdb://"):
        with pytest.raises(InvalidInput, match=r"data\.query: got .*a name of their own"):
            read_table(source, tmp_path, query=twice)
        with pytest.raises(InvalidInput, match=r"data\.query: got .*a name of their own"):
            open_table(source, tmp_path, [], twice).parts()
    if database_url.startswith("postgresql"):
        for wrong, part in {
            "1e60::numeric": "38 digits",
            "'infinity'::date": "date too large",
        }.items():
            with pytest.raises(InvalidInput, match=rf"data\.query: got .*{part}"):
                read_table(database_url, tmp_path, query=f"select {wrong} as a")

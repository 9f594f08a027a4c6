"""Files become frames, or one sentence that names the file and the place."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from everloop.data.sources import files, read_table
from everloop.errors import InvalidInput

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, 1.5, None]})

BAD = [
    ("empty.csv", b"", "empty_file", "0 bytes"),
    ("header.csv", b"a,b\n", "empty_file", "a header and no rows"),
    ("blank.csv", b"\n \n", "empty_file", "blank lines only"),
    ("twice.csv", b"a,b,a\n1,2,3\n", "duplicate_column", "columns 1 and 3"),
    ("unnamed.csv", b",a\n0,1\n", "unnamed_column", "index=False"),
    ("latin.csv", b"a,b\n1,x\n2,caf\xe9\n", "wrong_encoding", "0xe9 at offset 13, line 3"),
    ("cut.csv", b"a,b\n1,caf\xc3", "wrong_encoding", "0xc3 at offset 9, line 2"),
    ("wide.csv", "a,b\n1,2\n".encode("utf-16"), "wrong_file_type", "iconv -f utf-16"),
    ("long.csv", b"a,b\n1,2\n1,2,3\n", "ragged_row", "line 3: got <3 fields>, expected 2"),
    ("short.csv", b"a,b,c\n1,2,3\n1,2\n", "ragged_row", "line 3: got <2 fields>, expected 3"),
    ("returns.csv", b"a,b\r1,2\r", "unreadable_file", "lines that end in CR"),
    ("quote.csv", b'a,b\n1,"2\n3,4\n', "unreadable_file", "quote"),
    ("table.csv", b"PAR1....", "wrong_file_type", 'Rename it to "table.parquet"'),
    ("sheet.csv", b"PK\x03\x04....", "wrong_file_type", "a spreadsheet"),
    ("page.csv", b"<!doctype html>", "wrong_file_type", "a web page"),
    ("objects.csv", b'{"a": 1}\n', "wrong_file_type", "JSON lines"),
    ("zero.parquet", b"", "empty_file", "0 bytes"),
    ("text.parquet", b"a,b\n1,2\n", "wrong_file_type", "got <text>, expected Parquet"),
    ("cut.parquet", b"PAR1 and no footer", "unreadable_file", "cut off"),
    ("cut.arrow", b"ARROW1\x00\x00....", "unreadable_file", "Arrow"),
    ("list.jsonl", b'[{"a": 1}]', "wrong_file_type", "a JSON list"),
    ("bad.jsonl", b'{"a": 1}\n{bad\n', "unreadable_file", "bad.jsonl line 2"),
    ("mixed.jsonl", b'{"a": 1}\n{"a": {"b": 1}}\n', "unreadable_file", "mixed.jsonl: got <"),
    ("latin.jsonl", b'{"a": "x"}\n{"a": "\xe9"}\n', "wrong_encoding", "line 2"),
    ("blank.jsonl", b"\n\n", "empty_file", "no JSON object"),
    ("sheet.xlsx", b"PK", "unknown_file_type", "got '.xlsx'"),
]


@pytest.mark.parametrize(("name", "content", "code", "part"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_gives_one_sentence(tmp_path, name, content, code, part):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_table(name, tmp_path)
    assert caught.value.code == code
    assert part in caught.value.message
    assert name in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("flihgts.csv", 'Did you mean "flights.csv"?'),
        ("data/flihgts.csv", "expected a file that exists"),
        ("*.tsv", "a pattern that matches"),
        (".", "not a folder"),
        ("ftp://host/x.csv", "the query that reads"),
    ],
)
def test_a_source_that_is_not_there(tmp_path, source, part):
    (tmp_path / "flights.csv").write_text("a\n1\n")
    with pytest.raises(InvalidInput) as caught:
        read_table(source, tmp_path)
    assert part in caught.value.message


def test_the_bad_byte_is_found_beyond_the_first_megabyte(tmp_path):
    lines = b"a,b\n" + b"1,\xc3\xa9t\xc3\xa9\n" * 200_000
    (tmp_path / "big.csv").write_bytes(lines + b"2,\xe9\n")
    with pytest.raises(InvalidInput) as caught:
        read_table("big.csv", tmp_path)
    assert f"0xe9 at offset {len(lines) + 2}, line 200002" in caught.value.message


WRITERS = {
    "t.csv": lambda path: FRAME.write_csv(path),
    "t.tsv": lambda path: FRAME.write_csv(path, separator="\t"),
    "t.parquet": lambda path: FRAME.write_parquet(path),
    "t.pq": lambda path: FRAME.write_parquet(path),
    "t.jsonl": lambda path: FRAME.write_ndjson(path),
    "t.arrow": lambda path: FRAME.write_ipc(path),
    "t.feather": lambda path: FRAME.write_ipc_stream(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_is_read(tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert read_table(name, tmp_path).equals(FRAME)
    assert read_table(str(tmp_path / name), tmp_path / "elsewhere").equals(FRAME)


def test_spellings_of_missing_and_of_truth(tmp_path):
    rows = 'n,t,b\n1,x,True\nNA,"",False\nNaN,null,\n\n4,y,TRUE\ninf,z,false\n'
    (tmp_path / "t.csv").write_text("\ufeff" + rows, encoding="utf-8")
    df = read_table("t.csv", tmp_path)
    assert df["n"].to_list() == [1.0, None, 4.0, float("inf")]
    assert df["t"].to_list() == ["x", None, "y", "z"]
    assert df["b"].to_list() == [True, False, True, False]


def test_blank_lines_are_passed_over(tmp_path):
    (tmp_path / "t.csv").write_text("\n\na,b\n1,2\n\n3,4\n\n")
    assert read_table("t.csv", tmp_path).to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}


def test_the_separator_is_found_and_quotes_hold(tmp_path):
    (tmp_path / "t.csv").write_text('a;b\n1;"x; y"\n2;"two\nlines"\n')
    assert read_table("t.csv", tmp_path)["b"].to_list() == ["x; y", "two\nlines"]


def test_codes_keep_their_zeros_when_asked(tmp_path):
    (tmp_path / "t.csv").write_text("zip,n\n02139,1\n10001,2\n")
    assert read_table("t.csv", tmp_path)["zip"].to_list() == [2139, 10001]
    assert read_table("t.csv", tmp_path, text=["zip"])["zip"].to_list() == ["02139", "10001"]


def test_a_pattern_joins_files_in_order_of_name(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "2.csv").write_text("b,a\n0.5,3\n")
    (tmp_path / "deep" / "1.csv").write_text("a,b\n1,\n2,\n")
    df = read_table("**/*.csv", tmp_path)
    assert df.to_dict(as_series=False) == {"a": [1, 2, 3], "b": [None, None, 0.5]}


def test_files_of_a_pattern_must_agree(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    with pytest.raises(InvalidInput) as caught:
        read_table("*.csv", tmp_path)
    assert caught.value.code == "columns_differ"
    assert "2.csv: got <column 'b' is missing>" in caught.value.message


def test_text_in_one_file_makes_the_column_text(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,b\nx,2\n")
    assert read_table("*.csv", tmp_path)["a"].to_list() == ["1", "x"]


def test_times_survive(tmp_path):
    pl.DataFrame({"t": [datetime(2024, 1, 1, 5)]}).write_parquet(tmp_path / "t.parquet")
    assert read_table("t.parquet", tmp_path)["t"][0] == datetime(2024, 1, 1, 5)


def test_a_link_that_leads_back_or_nowhere(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder" / "again").symlink_to("../folder")
    (tmp_path / "folder" / "y.csv").symlink_to("x.csv")
    (tmp_path / "nowhere.csv").symlink_to("gone.csv")
    (tmp_path / "itself.csv").symlink_to("itself.csv")
    assert read_table("folder/**/*.csv", tmp_path).height == 1  # and not one for each way to it
    for name in ("nowhere.csv", "itself.csv"):
        with pytest.raises(InvalidInput, match=f"'{name}', expected a file, not a link"):
            read_table(name, tmp_path)


def test_a_file_that_is_taken_away_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(files, "check_content", lambda path, kind: path.unlink())
    with pytest.raises(InvalidInput, match=r"rows\.csv: got <No such file or directory>"):
        read_table("rows.csv", tmp_path)

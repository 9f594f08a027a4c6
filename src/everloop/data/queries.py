"""What SQL may be asked of a source: one statement, which reads.

A driver cannot be trusted with this. Oracle ends the transaction at a DROP, so nothing could be
rolled back; a text of several statements ends it by a COMMIT of its own; MySQL writes the file of
an INTO OUTFILE and DuckDB that of a COPY however read-only all else is.

Where a string or a comment ends is up to each database. What one of them takes for a comment may
be code to the next, so a query is read as its own database reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from everloop.errors import InvalidInput, invalid

READS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
DUCKDB_READS = (*READS, "FROM", "PIVOT", "UNPIVOT", "SUMMARIZE")
DUCKDB_PREPARES = ("SET", "INSTALL", "LOAD", "ATTACH", "USE")  # may come before its query

_BLOCK = r"/\*.*?\*/"
_NESTING = r"/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/"  # only one that holds no other is left out
_LINE = r"--[^\n]*"
_LETTER = r"[A-Za-z_\u0080-\U0010ffff]"
_DOLLARS = rf"\$(?P<tag>(?:{_LETTER}(?:{_LETTER}|\d)*)?)\$.*?\$(?P=tag)\$"
# With the dollars in a name, which begin no string.
_WORD = rf"(?P<word>\d[\d_.]*(?:[eE][+-]?\d+)?|{_LETTER}(?:{_LETTER}|[\d$])*)"
_ESCAPES = r"'(?:[^'\\]|''|\\.)*'"
_E_STRING = rf"[eE]{_ESCAPES}(?:(?:\s|{_LINE}\n)+{_ESCAPES})*"  # a next line goes on with it
_POSTGRESQL = (_LINE, _NESTING, _E_STRING, _DOLLARS, _WORD)
_ASIDES = {  # comments, and what is quoted other than by ' and "
    "mysql": (r"--(?=[ \t\n\r]|\Z)[^\n]*", r"#[^\n]*", r"/\*(?![mM]?!).*?\*/", "`[^`]*`"),
    "postgresql": _POSTGRESQL,
    "duckdb": _POSTGRESQL,
    "sqlite": (_LINE, _BLOCK, "`[^`]*`", r"\[[^\]]*\]"),
    "mssql": (_LINE, _NESTING, r"\[(?:[^\]]|\]\])*\]"),
    "oracle": (_LINE, _BLOCK),
}
_ASIDES["mariadb"] = _ASIDES["mysql"]
_STRINGS = (
    (r"'(?:[^']|'')*'", r'"(?:[^"]|"")*"'),
    (_ESCAPES, r'"(?:[^"\\]|""|\\.)*"'),  # as a server's settings may have it
)

_UNSURE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # which ends a line, or the text, for some
_CHANGES = re.compile(
    r"(?:[()]|\bANALY[SZ]E)\s*(INSERT|UPDATE|DELETE|MERGE)\b(?!\s*\()", re.IGNORECASE
)
_INTO = re.compile(r"\bINTO\b", re.IGNORECASE)
_EXPLAINS = re.compile(
    r"(?:EXPLAIN|DESCRIBE|DESC)\b(?:\s*\([^)]*\)|\s+(?:ANALY[SZ]E|VERBOSE|EXTENDED|PARTITIONS"
    r"|QUERY\s+PLAN|PLAN\s+FOR|FORMAT\s*=?\s*\w+)\b)*\s*(?P<what>.*)",
    re.IGNORECASE | re.DOTALL,
)
# A batch of T-SQL needs no semicolon, and these words are none of a query's.
_STATEMENTS = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE(?!\s+(?:JOIN|UNION))|DROP|CREATE|ALTER|TRUNCATE|EXEC|EXECUTE"
    r"|GRANT|REVOKE|DENY|BACKUP|RESTORE|DBCC|KILL|SHUTDOWN|RECONFIGURE|COMMIT)\b(?!\s*\()",
    re.IGNORECASE,
)


def check_query(query: str, database: str) -> None:
    """Refuse SQL that is more than one statement or that does something other than read.

    Parameters
    ----------
    query : the SQL.
    database : what stands before ``://`` in the address, without a driver. One that is not known
        is taken for all that are.

    Raises :class:`~everloop.errors.InvalidInput` naming ``data.query``.
    """
    if _UNSURE.search(query.replace("\r\n", "\n")):
        raise _refused(query, "text without control characters")
    for plain in _readings(query, database):
        _check_reading(query, plain, database)


def _readings(query: str, database: str) -> Iterator[str]:
    """What is left of a query without comments and what is quoted, as the database reads it."""
    for kind in [database] if database in _ASIDES else _ASIDES:
        for strings in _STRINGS:
            aside = re.compile("|".join((*_ASIDES[kind], *strings)), re.DOTALL)
            yield aside.sub(_left, query)


def _left(found: re.Match[str]) -> str:
    if word := found.groupdict().get("word"):
        return word
    return " " if found[0][0] in "-#/" else " 0 "


def _check_reading(query: str, plain: str, database: str) -> None:
    if "/*" in plain:
        raise _refused(
            query, "comments that end, and hold no other comment and no code as /*! does"
        )
    statements = [text for part in plain.split(";") if (text := part.strip().lstrip("( \t\n"))]
    if database == "duckdb":
        while len(statements) > 1 and _first(statements[0]) in DUCKDB_PREPARES:
            statements.pop(0)
    if len(statements) > 1:
        raise _refused(query, "one statement")
    words = DUCKDB_READS if database == "duckdb" else READS
    if not statements or not _reads(statements[0], words):
        raise _refused(query, f"a query that reads, which begins with one of {', '.join(words)}")
    for word in _forbidden(database):
        if found := word.search(statements[0]):
            raise _refused(query, f"a query that reads, without {found[found.re.groups].upper()}")


def _reads(statement: str, words: tuple[str, ...]) -> bool:
    """Whether it begins as a query does; to explain a statement may be to carry it out."""
    explained = _EXPLAINS.match(statement)
    if explained is None:
        return _first(statement) in words
    what = explained["what"].lstrip("( \t\n")
    return _first(what) in words or re.fullmatch(r"[\w.$]*", what.strip()) is not None


def _forbidden(database: str) -> Iterator[re.Pattern[str]]:
    yield _CHANGES
    if database != "duckdb":  # INTO belongs to its UNPIVOT
        yield _INTO
    if database == "mssql":
        yield _STATEMENTS


def _first(statement: str) -> str:
    found = re.match(r"\w+", statement)
    return found[0].upper() if found else ""


def _refused(query: str, expected: str) -> InvalidInput:
    way_out = "A source is only read: what more there is to do belongs into a view, say."
    return invalid("data.query", query, expected, code="unreadable_source", fix=way_out)

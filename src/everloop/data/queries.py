"""What SQL may be asked of a source: one statement, which reads.

A driver cannot be trusted with this. MySQL and Oracle end the transaction at a DROP, so nothing
could be rolled back; a text of several statements ends it by a COMMIT of its own; DuckDB writes the
file of a COPY whatever the database is opened for.
"""

from __future__ import annotations

import re

from everloop.errors import InvalidInput, invalid

READS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
DUCKDB_READS = (*READS, "FROM", "PIVOT", "UNPIVOT", "SUMMARIZE")
DUCKDB_PREPARES = ("SET", "INSTALL", "LOAD", "ATTACH", "USE")  # may come before its query

_ASIDE = re.compile(  # comments, and what is quoted: no statement begins or ends in there
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$""", re.DOTALL
)
_CHANGES = re.compile(
    r"(?:[()]|\bANALY[SZ]E)\s*(INSERT|UPDATE|DELETE|MERGE)\b(?!\s*\()", re.IGNORECASE
)
_INTO = re.compile(r"\bINTO\b", re.IGNORECASE)


def check_query(query: str, duckdb: bool = False) -> None:
    """Refuse SQL that is more than one statement or that does something other than read.

    Raises :class:`~everloop.errors.InvalidInput` naming ``data.query``.
    """
    plain = _ASIDE.sub(lambda found: " " if found[0][:2] in ("--", "/*") else "''", query)
    statements = [text for part in plain.split(";") if (text := part.strip().lstrip("( \t\n"))]
    if duckdb:
        while len(statements) > 1 and _first(statements[0]) in DUCKDB_PREPARES:
            statements.pop(0)
    if len(statements) > 1:
        raise _refused(query, "one statement")
    words = DUCKDB_READS if duckdb else READS
    if not statements or _first(statements[0]) not in words:
        raise _refused(query, f"a query that reads, which begins with one of {', '.join(words)}")
    if found := _CHANGES.search(statements[0]):
        raise _refused(query, f"a query that reads, without {found[1].upper()}")
    if not duckdb and _INTO.search(statements[0]):
        raise _refused(query, "a query that reads, without INTO")


def _first(statement: str) -> str:
    return statement.split(maxsplit=1)[0].partition("(")[0].partition("'")[0].upper()


def _refused(query: str, expected: str) -> InvalidInput:
    way_out = "A source is only read: what more there is to do belongs into a view, say."
    return invalid("data.query", query, expected, code="unreadable_source", fix=way_out)

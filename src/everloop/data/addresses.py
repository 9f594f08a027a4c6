"""The address of a data source, as it is written and as it may be shown.

Light on purpose: loop files are checked without reading data.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urlsplit

from everloop.data.queries import check_query
from everloop.errors import InvalidInput, did_you_mean, invalid
from everloop.passwords import passwords, without_passwords

OBJECTS = ("s3", "gs", "az")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DATABASES = ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql", "snowflake", "duckdb")


def scheme(source: str) -> str:
    """What stands before ``://``, without a driver; empty for a path."""
    return source.partition("://")[0].partition("+")[0].lower() if "://" in source else ""


def is_database(source: str) -> bool:
    """Whether a query reads it."""
    return bool(scheme(source)) and scheme(source) not in (*OBJECTS, "file")


def resolved(source: str) -> str:
    """The address with ``${NAME}`` taken from the environment.

    A password may hold what ends it in an address, such as ``@``; one that is encoded for an
    address already stays as it is.

    Raises :class:`~everloop.errors.InvalidInput` naming a variable that is not set.
    """
    secrets = passwords(source) if is_database(source) else []

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise invalid(
                "data.source",
                f"${{{match[1]}}}",
                "a variable of the environment that is set",
                code="missing_variable",
                fix=f"export {match[1]}=…",
            )
        found = os.environ[match[1]]
        return quote(found, safe="%") if match[0] in secrets else found

    return _VARIABLE.sub(value, source)


def check_address(source: str, query: str | None) -> None:
    """Refuse an address that cannot be read, a query that does not read, a password in records."""
    if not is_database(source):
        if query is not None:
            raise invalid(
                "data.query",
                query,
                "no query, as data.source is not a database",
                fix='A query reads a database: source = "duckdb://" asks DuckDB about files.',
            )
        return
    check_database(source)
    if not query:
        raise invalid(
            "data.query",
            "<nothing>",
            f"the query that reads {without_passwords(source)}",
            code="missing_key",
            fix='For example query = "select * from flights".',
        )
    check_query(query, scheme(source))


def check_database(source: str) -> None:
    """Refuse the address of a database that is unknown, or that would put a password into records.

    A loop file is kept with every cycle, so a password may only be named: ``${PGPASSWORD}``.
    """
    if _secret(source):
        raise invalid(
            "data.source",
            without_passwords(source),
            "an address without a password, as it is recorded with every cycle",
            code="password_in_source",
            fix="Write ${PGPASSWORD}, say, in its place; the environment holds it.",
        )
    kind = scheme(source)
    known = (*_DATABASES, *OBJECTS)
    hint = did_you_mean(kind, known, "{}://".format)
    if kind in ("http", "https") or (kind not in known and hint):
        raise _unknown(source, hint)


def _unknown(source: str, hint: str | None) -> InvalidInput:
    return invalid(
        "data.source",
        without_passwords(source),
        "a path, a pattern, s3://, gs:// or az://, duckdb://, or SQLAlchemy's URL of a database",
        code="unknown_source",
        fix=hint,
    )


def _secret(source: str) -> bool:
    """Whether a password is written out."""
    return any(not _VARIABLE.fullmatch(written) for written in passwords(source))


def password(address: str) -> str | None:
    """The password of an address that is resolved."""
    try:
        return urlsplit(address).password
    except ValueError:
        return None

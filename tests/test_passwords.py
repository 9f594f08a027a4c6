"""What is secret in an address is hidden wherever the address is shown."""

from __future__ import annotations

import pytest

from everloop.passwords import passwords, without_passwords, without_users


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql+psycopg://me:hunter2@db:5432/x", "postgresql+psycopg://me:***@db:5432/x"),
        ("postgresql://me:p@ss:w@db/x", "postgresql://me:***@db/x"),
        ("postgresql://:pw@db/x", "postgresql://:***@db/x"),
        ("mysql://db/x?user=me&Password=pw&a=b", "mysql://db/x?user=me&Password=***&a=b"),
        ("az://a/c?account_key=abc==&sas_token=t", "az://a/c?account_key=***&sas_token=***"),
        (
            'source = "mysql://me:pw@db/x"\nurl = "s3://k:s@b/p"',
            'source = "mysql://me:***@db/x"\nurl = "s3://k:***@b/p"',
        ),
        ("from mysql://a:b@c to mysql://d:e@f.", "from mysql://a:***@c to mysql://d:***@f."),
    ],
)
def test_passwords_of_addresses_are_hidden(text: str, hidden: str) -> None:
    assert without_passwords(text) == hidden
    assert without_passwords(hidden) == hidden


@pytest.mark.parametrize(
    "text", ["postgresql://me@db/x", "http://127.0.0.1:8080/a@b", "s3://bucket/key=1/a.parquet", ""]
)
def test_addresses_without_one_stay_as_they_are(text: str) -> None:
    assert without_passwords(text) == text
    assert passwords(text) == []


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("s3://key:secret@bucket/p", "s3://***@bucket/p"),
        ("s3://key@bucket/p?token=t", "s3://***@bucket/p?token=***"),
        ("file:///tmp/a@b", "file:///tmp/a@b"),
    ],
)
def test_users_are_hidden_where_they_are_keys(text: str, hidden: str) -> None:
    assert without_users(text) == hidden


def test_passwords_are_told_as_they_are_written() -> None:
    assert passwords("postgresql://me:${PW}@db/x?sslpassword=pw2") == ["${PW}", "pw2"]

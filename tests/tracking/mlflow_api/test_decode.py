"""Requests as messages: what is taken, and the words in which the rest is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import field

from everloop.tracking.mlflow_api.decode import Int32, Int64, Message, Reader, Required, Tag
from everloop.tracking.mlflow_api.errors import WireError


class Sample(Message, frozen=True):
    run_id: Required
    count: Int64 = 0
    value: float | None = None
    text: str = ""
    size: Int32 | None = None
    flag: bool = False
    names: list[str] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)


READER = Reader(Sample)


@pytest.mark.parametrize(
    ("raw", "name", "expected"),
    [
        (b'{"run_id": "a", "count": 12}', "count", 12),
        (b'{"run_id": "a", "count": "12"}', "count", 12),
        (b'{"run_id": "a", "count": "-9223372036854775808"}', "count", -(2**63)),
        (b'{"run_id": "a", "count": 3.0}', "count", 3),
        (b'{"run_id": "a", "value": "0.25"}', "value", 0.25),
        (b'{"run_id": "a", "value": "Infinity"}', "value", math.inf),
        (b'{"run_id": "a", "value": "-Infinity"}', "value", -math.inf),
        (b'{"run_id": "a", "value": Infinity}', "value", math.inf),
        (b'{"run_id": "a", "value": 3}', "value", 3.0),
        (b'{"run_id": "a", "text": "null"}', "text", "null"),
        (b'{"run_id": "a", "count": null, "names": null}', "names", []),
        (b'{"run_id": "a", "unknown": {"deep": [1]}}', "run_id", "a"),
        (b'{"run_uuid": "b"}', "run_id", "b"),
        (b'{"run_uuid": "b", "run_id": "a"}', "run_id", "a"),
        (b'{"run_id": "a", "tags": [{"key": "k"}]}', "tags", [Tag(key="k")]),
        (b'{"run_id": "a", "tags": [{"key": "k", "value": null}]}', "tags", [Tag(key="k")]),
        (b'"{\\"run_id\\": \\"a\\"}"', "run_id", "a"),
        (b'{"run_id": "\\\\u0000"}', "run_id", "\\u0000"),
    ],
)
def test_a_body_is_read_as_protobuf_reads_it(raw: bytes, name: str, expected: Any) -> None:
    assert getattr(READER.body(raw), name) == expected


@pytest.mark.parametrize("raw", [b'{"run_id": "a", "value": "NaN"}', b'{"run_id":"a","value":NaN}'])
def test_nan_comes_as_text_or_bare(raw: bytes) -> None:
    value = READER.body(raw).value
    assert value is not None and math.isnan(value)


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        (b"run_id=a&count=12", "count", 12),
        (b"run_id=a&names=x&names=y", "names", ["x", "y"]),
        (b"run_id=a&names=x", "names", ["x"]),
        (b"run_id=a&flag=true", "flag", True),
        (b"run_id=a&flag=False", "flag", False),
        (b"run_id=a&value=NaN&text=a%26b+c", "text", "a&b c"),
        (b"run_id=a&text=null", "text", "null"),
        (b"run_id=a&run_id=b", "run_id", "a"),
    ],
)
def test_a_query_is_read_by_the_messages_types(query: bytes, name: str, expected: Any) -> None:
    assert getattr(READER.query(query), name) == expected


def test_what_the_path_says_goes_over_the_rest() -> None:
    assert READER.body(b'{"run_id": "a", "text": "t"}', {"run_id": "b"}).run_id == "b"
    assert READER.query(b"run_id=a", {"run_id": "b"}).run_id == "b"


DOCS = " See the API docs for more information about request parameters."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "Missing value for required parameter 'run_id'." + DOCS),
        (b"{}", "Missing value for required parameter 'run_id'." + DOCS),
        (b"no json", "Missing value for required parameter 'run_id'." + DOCS),
        (b"[1]", "Missing value for required parameter 'run_id'." + DOCS),
        (b'{"run_id": ""}', "Missing value for required parameter 'run_id'." + DOCS),
        (b'{"run_id": null}', "Missing value for required parameter 'run_id'." + DOCS),
        (b"[" * 100_000, "Missing value for required parameter 'run_id'." + DOCS),
        (
            b'{"run_id": 31}',
            "Invalid value 31 for parameter 'run_id' supplied:  Hint: Value was of type 'int'."
            + DOCS,
        ),
        (
            b'{"run_id": "a", "count": "foo"}',
            "Invalid value \"foo\" for parameter 'count' supplied:  Hint: Value was of type 'str'."
            + DOCS,
        ),
        (
            b'{"run_id": "a", "tags": [{"key": "k"}, {"value": "v"}]}',
            "Missing value for required parameter 'tags[1].key'." + DOCS,
        ),
        (
            b'{"run_id": "a", "tags": "5"}',
            "Invalid value \"5\" for parameter 'tags' supplied:  Hint: Value was of type 'str'."
            + DOCS,
        ),
        (b'{"run_id": "a\\u0000"}', "The request holds the character NUL, which no text may have."),
        (
            b'{"run_id": "\\ud800"}',
            "The request holds half of a surrogate pair, which is no text.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_mlflows_words(raw: bytes, message: str) -> None:
    with pytest.raises(WireError) as raised:
        READER.body(raw)
    assert (raised.value.code, raised.value.message) == ("INVALID_PARAMETER_VALUE", message)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"run_id": "a", "count": 9223372036854775808}',
        b'{"run_id": "a", "count": 1e400}',
        b'{"run_id": "a", "count": true}',
        b'{"run_id": "a", "size": 2147483648}',
        b'{"run_id": "a", "names": ["x", 1]}',
        b'{"run_id": "a", "tags": [3]}',
        b'{"run_id": "a", "count": ' + b"9" * 5000 + b"}",
        b'{"run_id": {"a": 1}}',
        b"\xff\xfe{}",
    ],
)
def test_odd_values_are_refused_and_never_crash(raw: bytes) -> None:
    with pytest.raises(WireError) as raised:
        READER.body(raw)
    assert raised.value.status == 400


def test_a_long_value_is_not_said_in_full() -> None:
    with pytest.raises(WireError) as raised:
        READER.body(b'{"run_id": ["' + b"x" * 1_000_000 + b'"]}')
    assert len(raised.value.message) < 2000


def test_a_query_of_too_many_parameters_is_refused() -> None:
    with pytest.raises(WireError):
        READER.query(b"&".join([b"names=x"] * 20_000))

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everloop.errors import InvalidInput
from everloop.store.filter import parser
from everloop.store.filter.fields import NULLABLE_TEXT, NUMERIC, Entity, Field, Fields
from everloop.store.filter.nodes import And, Comparison, Expression, Not, Or, Order
from everloop.store.filter.ordering import parse_order
from everloop.store.filter.parser import parse_filter
from everloop.store.filter.tokens import Token, tokens

FIELDS = Fields(
    (
        Entity("metric", ("metric", "metrics"), Field("number", NUMERIC)),
        Entity("parameter", ("param", "params"), Field("text", NULLABLE_TEXT)),
        Entity("tag", ("tag", "tags"), Field("text", NULLABLE_TEXT)),
        Entity(
            "attribute",
            ("attribute", "attributes"),
            {
                "status": Field(),
                "start_time": Field("number", NUMERIC),
                "version": Field("number", NUMERIC, quoted=True),
            },
            {"Created": "start_time", "run name": "status"},
        ),
        Entity("dataset", ("dataset",), {"name": Field(sortable=False)}),
    )
)


def parse(text: str) -> Expression | None:
    return parse_filter(text, FIELDS)


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert (caught.value.code, caught.value.path) == ("bad_filter", "filter")
    return caught.value.message


A = Comparison("parameter", "a", "=", "x")
B = Comparison("tag", "b", "=", "y")
C = Comparison("metric", "c", "<", 1)
a, b, c = "params.a = 'x'", "tags.b = 'y'", "metrics.c < 1"


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_no_filter(text: str | None) -> None:
    assert parse_filter(text, FIELDS) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metric.acc >= 0.94", ("metric", "acc", ">=", 0.94)),
        ("metrics.acc>=100", ("metric", "acc", ">=", 100)),
        ("metrics.m<-1e-3", ("metric", "m", "<", -0.001)),
        ("metrics.m = .5", ("metric", "m", "=", 0.5)),
        ("metrics.accuracy.2.0 > 5", ("metric", "accuracy.2.0", ">", 5)),
        ('metrics."X//Y#$$@&Z" = 3', ("metric", "X//Y#$$@&Z", "=", 3)),
        ("`metric`.`spacey name` > 5", ("metric", "spacey name", ">", 5)),
        ("params.m!='tf'", ("parameter", "m", "!=", "tf")),
        ("param.'m'=\"tf\"", ("parameter", "m", "=", "tf")),
        ('params.m = "L\'Hosp"', ("parameter", "m", "=", "L'Hosp")),
        ("params.m = 'it''s'", ("parameter", "m", "=", "it''s")),
        (r"params.m = 'a\'b'", ("parameter", "m", "=", r"a\'b")),
        ("params.m = 'C:\\'", ("parameter", "m", "=", "C:\\")),
        ("params.m = ''", ("parameter", "m", "=", "")),
        ("tags.mlflow.source.name like '%x'", ("tag", "mlflow.source.name", "LIKE", "%x")),
        ("tags.a ILIKE '_'", ("tag", "a", "ILIKE", "_")),
        ("params.a IN ('x', \"y\",)", ("parameter", "a", "IN", ("x", "y"))),
        ("status not in ('x')", ("attribute", "status", "NOT IN", ("x",))),
        ("tags.a is null", ("tag", "a", "IS NULL", None)),
        ("params.a IS NOT NULL", ("parameter", "a", "IS NOT NULL", None)),
        ("attribute.Created > 3", ("attribute", "start_time", ">", 3)),
        ("`run name` = 'x'", ("attribute", "status", "=", "x")),
        ("\"status\" = 'x'", ("attribute", "status", "=", "x")),
        ("version = '3'", ("attribute", "version", "=", 3)),
        ("start_time > 1e3", ("attribute", "start_time", ">", 1000.0)),
        ("params.a = 'x';", ("parameter", "a", "=", "x")),
        ("params.and = 'x'", ("parameter", "and", "=", "x")),
    ],
)
def test_a_comparison(text: str, expected: tuple[Any, ...]) -> None:
    assert parse(text) == Comparison(*expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{a} AND {b} and {c}", And((A, B, C))),
        (f"{a} OR {b} AND {c}", Or((A, And((B, C))))),
        (f"({a} OR {b}) AND {c}", And((Or((A, B)), C))),
        (f"({a} and ({b} and {c}))", And((A, B, C))),
        (f"NOT {a} AND {b}", And((Not(A), B))),
        (f"not not ({a})", Not(Not(A))),
        (f"({a})OR({b})", Or((A, B))),
    ],
)
def test_and_or_not(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metric.acc >= 0.94; metrics.rmse < 1", "Search filter contained multiple expression"),
        ("m.acc >= 0.94", "Invalid entity type 'm'"),
        ("acc >= 0.94", "Invalid attribute key 'acc'"),
        ("foo is null", "Invalid attribute key 'foo'"),
        ("dataset.profile = 'x'", "Invalid dataset key 'profile'"),
        ("metrics.A > 0.1 NAND params.B = 'LR'", "Invalid clause(s) in filter string"),
        ("`metrics.A > 0.1", "Invalid clause(s) in filter string"),
        ("param`.A > 0.1", "Invalid clause(s) in filter string"),
        ("attribute.status = true", "Invalid clause(s) in filter string"),
        ("params.'acc = LR", "Invalid clause(s) in filter string"),
        ("params.acc = 'LR", "Invalid clause(s) in filter string"),
        ("params.acc = LR'", "Invalid clause(s) in filter string"),
        ("params.acc = \"LR'", "Invalid clause(s) in filter string"),
        ("tags.acc = = 'LR'", "Invalid clause(s) in filter string"),
        ("attribute.status IS 'RUNNING'", "Invalid clause(s) in filter string"),
        ("params.acc LR !=", "Invalid clause(s) in filter string"),
        ("metric.acc !=", "Invalid clause(s) in filter string"),
        ("(params.a = 'x'", "Invalid clause(s) in filter string"),
        ("params.a = 'x')", "Invalid clause(s) in filter string"),
        ("params.a = 'x' AND", "Invalid clause(s) in filter string"),
        ("AND params.a = 'x'", "Invalid clause(s) in filter string"),
        ("params.a IN 'x'", "Invalid clause(s) in filter string"),
        ("()", "Invalid clause(s) in filter string"),
        ("1.0 > metrics.acc", "Invalid comparison clause. Expected 'Identifier' found '1.0'"),
        ("1=1", "Expected 'Identifier' found"),
        ("metric.model = 'LR'", "Expected numeric value type for metric. Found 'LR'"),
        ("metrics.acc != metrics.acc", "Expected numeric value type for metric"),
        ("metrics.acc IN ('a')", "Expected numeric value type for metric"),
        ("params.acc = 5", "Expected a quoted string value for parameter (e.g. 'my-value')"),
        ("attribute.status = 1", "Expected a quoted string value for attributes"),
        ("dataset.name = 1", "Expected a quoted string value for dataset attributes"),
        ("start_time = 'x'", "Expected numeric value type for numeric attribute: start_time"),
        ("params.acc = LR", "value is either not quoted or unidentified quote types"),
        ("params.acc = `LR`", "value is either not quoted or unidentified quote types"),
        ("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        ("params.a IN ()", "expected a non-empty list of string values, but got empty list"),
        ("params.a IN ('a' 'b')", "but got ill-formed list"),
        ("params.a IN ('a', 'b'", "but got ill-formed list"),
        ("params.a IN (1)", "but got different type in list: 1"),
        ("metrics.a ~ 1", "Invalid comparator '~'"),
        ("metrics.a LIKE 1", "Invalid comparator 'LIKE'"),
        ("params.a > 'x'", "Invalid comparator '>'"),
        ("status == 'x'", "Invalid comparator '=='"),
        ("a\0b", "not text"),
        ("params.a = '\ud800'", "not text"),
        ("a" * 200_001, "200001 characters"),
        ("(" * 60 + a + ")" * 60, "50 levels"),
        ("NOT " * 60 + a, "50 levels"),
        (f"{a} AND " * 200 + a, "200 comparisons"),
        ("params.a IN (" + "'x'," * 10_001 + ")", "10000 values"),
        ("params.a LIKE '" + "%" * 5001 + "'", "5000 characters"),
    ],
)
def test_a_refusal(text: str, words: str) -> None:
    assert words in refusal(text)


def test_a_refusal_says_where() -> None:
    assert refusal("params.a = 'x' AND params.b == 'y'").endswith("(at character 20)")
    assert refusal("params.a = 'x' ?").endswith("(at character 16)")


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("(" * 190_000, 60),
        ("'" * 190_001, 2),
        ("\\'" * 90_000, 2),
        ("params.a='x' AND " * 11_000, 900),
        ("`" * 99_999, 2),
    ],
)
def test_a_hostile_filter_is_read_no_further_than_its_refusal(
    text: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def counted(text: str) -> Iterator[Token]:
        for token in tokens(text):
            read.append(token)
            yield token

    monkeypatch.setattr(parser, "tokens", counted)
    refusal(text)
    assert 1 <= len(read) <= most


pieces = st.sampled_from(
    ["(", ")", "AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", ",", ";", "=", "!=", "~", "'x'",
     "'", '"y"', "`z`", "`", "1", "-2.5", "params.a", "tags.`b c`", "metrics.m", "status", ".",
     "\\", "é", "dataset.name", "--", "/*", "$$", "%", "_"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(pieces, max_size=12), st.sampled_from(["", " "]))
def test_anything_is_read_or_refused(parts: list[str], between: str) -> None:
    try:
        parse(between.join(parts))
    except InvalidInput as error:
        assert error.code == "bad_filter"


# -- order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss DESC", Order("metric", "loss", True)),
        ("metrics.`Mean Square Error`", Order("metric", "Mean Square Error")),
        ('params."a b"  asc', Order("parameter", "a b")),
        ("attributes.start_time ASC", Order("attribute", "start_time")),
        ("Created desc", Order("attribute", "start_time", True)),
        ("tags.a.b DeSc", Order("tag", "a.b", True)),
    ],
)
def test_an_order(text: str, expected: Order) -> None:
    assert parse_order([text], FIELDS) == [expected]


@pytest.mark.parametrize(
    ("clauses", "words"),
    [
        (["m.acc"], "Invalid entity type"),
        (["acc"], "Invalid attribute key"),
        (["`metrics.A"], "Invalid order_by clause"),
        (["metrics.A != 1"], "Invalid order_by clause"),
        (["metrics.A DESC DESC"], "Invalid order_by clause"),
        ([""], "Invalid order_by clause"),
        (["metrics.A; DROP TABLE runs"], "Invalid order_by clause"),
        (["status decs"], "Invalid ordering key"),
        (["dataset.name"], "Invalid identifier type 'dataset'"),
        (["metrics.a", "metric.a DESC"], "duplicate fields"),
        (["metrics.a" + "a" * 1000], "1009 characters"),
        ([f"metrics.a{n}" for n in range(11)], "at most 10"),
        (["metrics.\0"], "not text"),
    ],
)
def test_a_refused_order(clauses: list[str], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_order(clauses, FIELDS)
    assert words in caught.value.message
    assert (caught.value.code, caught.value.path) == ("bad_order_by", "order_by")


def test_no_order() -> None:
    assert parse_order(None, FIELDS) == parse_order([], FIELDS) == []

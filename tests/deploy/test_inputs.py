"""Bodies become the matrix that training saw, or one sentence with path, got and expected."""

from __future__ import annotations

import json
from datetime import datetime

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everloop.data.encode import encode
from everloop.data.schema import Feature, Schema
from everloop.deploy.serving.inputs import InputReader
from everloop.errors import InvalidInput

MIXED = Schema(
    features=(
        Feature("age", "number"),
        Feature("carrier code", "category", ("AA", "UA")),
        Feature("zone", "category", ("1", "2", "30")),
        Feature("flag", "category", ("false", "true")),
        Feature("member", "boolean"),
        Feature("leaves", "datetime"),
    ),
    target="late",
    task="binary",
    classes=("no", "yes"),
    id="trip",
    time="at",
)
ROW = {
    "age": 30,
    "carrier code": "UA",
    "zone": 30,
    "flag": True,
    "member": False,
    "leaves": "2013-01-05T17:30:00",
}
EXPECTED = [30.0, 1.0, 2.0, 1.0, 0.0, 1.0, 5.0, 17.5]
READER = InputReader(MIXED)


def read(value, reader=READER):
    return reader.read(msgspec.json.encode(value))


def sent(rows):
    """Every feature's values, as the log has them."""
    numbers = rows.numeric.of(rows.X)
    return (numbers.columns() if numbers else {}) | rows.columns


FORMS = {
    "records": [ROW],
    "record": ROW,
    "wrapped": {"records": [ROW]},
    "columns": {name: [value] for name, value in ROW.items()},
    "rows": [list(ROW.values())],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_matrix(form):
    rows = read(FORMS[form])
    assert rows.X.tolist() == [EXPECTED]
    assert rows.X.dtype == np.float64
    assert rows.X.flags.c_contiguous
    assert {name: list(values) for name, values in sent(rows).items()} == FORMS["columns"]
    assert (rows.ids, rows.times) == (None, None)


def test_missing_and_unseen_values():
    rows = read([dict.fromkeys(ROW), {**ROW, "carrier code": "ZZ", "zone": "x", "flag": "maybe"}])
    nan = float("nan")
    expected = [[nan, -1, -1, -1, nan, nan, nan, nan], [30, -1, -1, -1, 0, 1, 5, 17.5]]
    np.testing.assert_array_equal(rows.X, expected)


def test_levels_that_spell_numbers_and_truth_take_either_form():
    rows = read([{**ROW, "zone": zone, "flag": flag} for zone, flag in
                 [(1, False), ("2", "true"), (30.0, True), ("30", "false")]])  # fmt: skip
    assert rows.X[:, 2].tolist() == [0, 1, 2, 2]
    assert rows.X[:, 3].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "value",
    ["2013-01-05T17:30:00Z", "2013-01-05 17:30", "2013-01-05T12:30:00-05:00", 1357407000000,
     1357407000, " 2013-01-05T17:30:00.000999"],
)  # fmt: skip
def test_forms_of_an_instant(value):
    assert read({**ROW, "leaves": value}).X[0, 5:].tolist() == [1.0, 5.0, 17.5]


def test_id_time_and_target_may_come_along():
    given = {**ROW, "trip": 7, "at": "2013-01-05T00:00:00Z", "late": "yes"}
    rows = read([given, {**ROW, "trip": "x"}])
    assert rows.ids == ["7", "x"]
    assert rows.times == [1357344000000, None]
    assert set(sent(rows)) == set(ROW)
    columns = {**{name: [value, value] for name, value in ROW.items()}, "trip": ["a", None]}
    assert read(columns).ids == ["a", None]


instants = st.datetimes(min_value=datetime(1975, 1, 1))


@settings(max_examples=60, deadline=None)
@given(
    ages=st.lists(
        st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1, max_size=5,
    ),
    data=st.data(),
)  # fmt: skip
def test_serving_encodes_as_training_does(ages, data):
    draw = lambda values: [data.draw(values) for _ in ages]  # noqa: E731
    columns = {
        "age": ages,
        "carrier code": draw(st.sampled_from(["AA", "UA", "DL", None])),
        "zone": draw(st.sampled_from(["1", "2", "30", "4", None])),
        "flag": draw(st.sampled_from(["true", "false", None])),
        "member": draw(st.sampled_from([True, False, None])),
        "leaves": [moment and moment.isoformat() for moment in draw(st.none() | instants)],
    }
    frame = pl.DataFrame(
        columns,
        schema={"age": pl.Float64, "carrier code": pl.String, "zone": pl.String,
                "flag": pl.String, "member": pl.Boolean, "leaves": pl.String},
    )  # fmt: skip
    X = encode(frame, MIXED)
    for body in (columns, frame.to_dicts()):
        np.testing.assert_allclose(read(body).X, X, rtol=1e-15, equal_nan=True)


def without(name):
    return {key: value for key, value in ROW.items() if key != name}


BAD = [
    ([ROW, {**ROW, "age": "old"}], "$[1].age", "mistyped_column", "got 'old', expected a number"),
    ([{**ROW, "age": True}], "$[0].age", "mistyped_column", "got True"),
    ([{**ROW, "member": 1}], "$[0].member", "mistyped_column", "expected true, false or null"),
    ([{**ROW, "carrier code": 5}], "$[0].carrier code", "mistyped_column", "expected text"),
    ([{**ROW, "zone": True}], "$[0].zone", "mistyped_column", "text, a number or null"),
    ([{**ROW, "flag": [1]}], "$[0].flag", "mistyped_column", "text, true, false"),
    ([{**ROW, "leaves": "soon"}], "$[0].leaves", "mistyped_column", "got 'soon'"),
    ([{**ROW, "leaves": 5}], "$[0].leaves", "mistyped_column", "got 5"),
    ([{**ROW, "leaves": 10**400}], "$[0].leaves", "mistyped_column", "got 1000"),
    ([{**ROW, "at": "never"}], "$[0].at", "mistyped_column", "ISO date"),
    ([{**ROW, "trip": [1]}], "$[0].trip", "mistyped_column", "text or a whole number"),
    ([without("age")], "$[0].age", "missing_column", "Send null"),
    ([{**without("age"), "agee": 1}], "$[0].age", "missing_column", 'mean it by "agee"'),
    ([{**ROW, "colour": "red"}], "$[0].colour", "unknown_column", "Leave it out"),
    ([{**ROW, "trp": "1"}], "$[0].trp", "unknown_column", 'Did you mean "trip"'),
    ([ROW, 5], "$[1]", "mistyped_body", "got 5"),
    ([], "$", "empty", "at least one row"),
    ({"records": []}, "$", "empty", "at least one row"),
    ({"records": [without("zone")]}, "$.records[0].zone", "missing_column", "zone"),
    ({"records": [ROW], "x": 1}, "$.x", "unknown_column", "x"),
    ({}, "$.age", "missing_column", "age"),
    ("text", "$", "mistyped_body", "got 'text'"),
    (5, "$", "mistyped_body", "got 5"),
    (None, "$", "mistyped_body", "got None"),
    ({name: [] for name in ROW}, "$", "empty", "at least one row"),
    ({**FORMS["columns"], "zone": ["1", "2"]}, "$.zone", "unequal_columns", "expected 1 value"),
    ({**FORMS["columns"], "zone": "1"}, "$.zone", "mistyped_column", "a list"),
    ({**FORMS["columns"], "age": ["x"]}, "$.age[0]", "mistyped_column", "got 'x'"),
    ({**FORMS["columns"], "leaves": ["x"]}, "$.leaves[0]", "mistyped_column", "got 'x'"),
    ({**FORMS["columns"], "trip": ["x", "y"]}, "$.trip", "unequal_columns", "<2 values>"),
    ({**without("zone"), "age": [1]}, "$.zone", "missing_column", "zone"),
]


@pytest.mark.parametrize(("body", "path", "code", "part"), BAD)
def test_a_refusal_says_where_what_and_what_else(body, path, code, part):
    with pytest.raises(InvalidInput) as caught:
        READER.read(json.dumps(body).encode())
    assert (caught.value.path, caught.value.code) == (path, code)
    assert part in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"), (b"{", "invalid_json"), (b"[{]", "invalid_json"),
        (b'[{"age": 1}] x', "invalid_json"), (b"\xff\xfe", "invalid_json"),
        (b'[{"age": "\xff"}]', "invalid_json"), (b"[" * 100_000, "invalid_json"),
        (b'{"a":' * 100_000, "invalid_json"), (b'{"age": tru}', "invalid_json"),
        (b'[{"age": NaN}]', "not_finite"), (b'[{"age": -Infinity}]', "not_finite"),
        (b'{"age": [Infinity]}', "not_finite"), (b'[{"age": 1e999}]', "not_finite"),
        (b'{"age": [-1e999]}', "not_finite"),
    ],
)  # fmt: skip
def test_what_is_no_json_or_not_finite(body, code):
    with pytest.raises(InvalidInput) as caught:
        READER.read(body)
    assert caught.value.code == code


def test_a_hostile_name_does_not_come_back_at_length():
    with pytest.raises(InvalidInput) as caught:
        read([{**ROW, "x" * 1_000_000: 1, **{f"u{i}": 1 for i in range(10_000)}}])
    assert len(caught.value.message) < 500


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*ROW, "trip", "at", "records", "late"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused_with_a_sentence(value):
    try:
        rows = READER.read(json.dumps(value).encode())
    except InvalidInput as error:
        assert error.path
    else:
        assert len(rows.X)


def test_columns_called_like_our_own_words():
    schema = Schema((Feature("records", "number"), Feature("id", "number")), "id", "regression")
    reader = InputReader(schema)
    assert read({"records": [1, 2], "id": [3, 4]}, reader).X.tolist() == [[1, 3], [2, 4]]
    assert read([{"records": 1, "id": 2}], reader).X.tolist() == [[1, 2]]


def test_rows_that_are_ranked_together_may_name_their_group() -> None:
    features = (Feature("age", "number"),)
    ranked = Schema(features, target="clicks", task="ranking", group="query", id="doc")
    rows = InputReader(ranked).read(
        b'[{"age": 1, "query": "shoes", "doc": 7}, {"age": 2, "query": 3, "doc": 8}, {"age": 3}]'
    )
    assert rows.X[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert rows.ids == ["7", "8", None]
    columns = InputReader(ranked).read(b'{"age": [1, 2], "query": ["a", "a"]}')
    assert columns.X[:, 0].tolist() == [1.0, 2.0]


LISTS = [list(ROW.values())]


def test_rows_without_names_give_the_same_matrix():
    assert READER.read_lists(msgspec.json.encode(LISTS)).X.tolist() == [EXPECTED]


def test_columns_that_are_decoded_give_the_same_matrix():
    rows = READER.from_columns({name: [value] for name, value in ROW.items()})
    assert rows.X.tolist() == [EXPECTED]


def test_a_matrix_of_numbers_is_taken_as_it_is():
    reader = InputReader(msgspec.structs.replace(MIXED, features=(Feature("a", "number"),) * 1))
    rows = reader.from_matrix(np.array([[1], [2]], dtype=np.int32))
    assert rows.X.tolist() == [[1.0], [2.0]]
    assert sent(rows) == {"a": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([], "$.instances"),
        ({}, "$.instances"),
        ([[1]], "$.instances[0]"),
        ([LISTS[0], 5], "$.instances[1]"),
        ([["old", *LISTS[0][1:]]], "$.instances[0][0]"),
    ],
)
def test_a_refused_list_is_named_by_its_place(rows, path):
    with pytest.raises(InvalidInput) as refusal:
        READER.read_lists(msgspec.json.encode(rows), "$.instances")
    assert refusal.value.path == path


def test_a_row_without_names_is_named_by_its_place():
    with pytest.raises(InvalidInput) as refusal:
        READER.read(b" [ " + msgspec.json.encode(["old", *LISTS[0][1:]]) + b"]")
    assert refusal.value.path == "$[0][0]"


def test_a_part_of_a_body_is_named_by_where_it_stands():
    with pytest.raises(InvalidInput) as refusal:
        READER.read(msgspec.json.encode([{**ROW, "age": "old"}]), "$.instances")
    assert refusal.value.path == "$.instances[0].age"


@pytest.mark.parametrize("shape", [(3,), (2, 5), (0, 6)])
def test_a_matrix_of_another_shape_is_refused(shape):
    with pytest.raises(InvalidInput):
        READER.from_matrix(np.zeros(shape))


@pytest.mark.parametrize("name", ["a\nb", 'height "', "a\\b"])
def test_a_name_that_no_request_can_carry_is_a_sentence(name):
    """So that of one model's names no other model's server falls."""
    with pytest.raises(InvalidInput, match=r"schema: got \[.*names of columns without quotes"):
        InputReader(msgspec.structs.replace(MIXED, features=(Feature(name, "number"),)))

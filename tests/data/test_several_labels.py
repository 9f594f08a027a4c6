"""Several labels a row: the forms they come in, what is refused, and how rows are divided."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.conform import conform
from everloop.data.declared import with_target
from everloop.data.encode import encode_target
from everloop.data.infer import infer_schema
from everloop.data.multilabel import from_json, matrix, strata
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.data.splits import k_fold, split
from everloop.errors import InvalidInput
from everloop.loop.declaration import from_dict

COLUMNS = {"task": "multilabel", "labels": ("hot", "wet", "dark"), "target": "labels"}


def table(rows: int = 200, **columns: object) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    given = {name: rng.integers(0, 2, rows) for name in ("hot", "wet", "dark")}
    return pl.DataFrame({"x": rng.normal(size=rows), **given, **columns})


def schema_of(frame: pl.DataFrame, **spec: object) -> tuple[pl.DataFrame, Schema]:
    declared = DataSpec("f.csv", **{**COLUMNS, **spec})
    made = with_target(frame, declared)
    return made, infer_schema(made, declared).schema


def test_columns_lists_and_texts_become_the_same_matrix() -> None:
    frame = table()
    wanted = frame.select("hot", "wet", "dark").to_numpy()
    made, schema = schema_of(frame)
    assert (schema.task, schema.classes, schema.names) == (
        "multilabel",
        ("hot", "wet", "dark"),
        ("x",),
    )
    assert np.array_equal(encode_target(made, schema), wanted)
    lists = [[n for n, v in zip(("hot", "wet", "dark"), row, strict=True) if v] for row in wanted]
    for values in (lists, [" ; ".join(row) for row in lists]):
        other = pl.DataFrame({"x": frame["x"], "tags": values})
        made, schema = schema_of(other, labels=(), target="tags")
        assert schema.classes == ("dark", "hot", "wet")  # in order of the name
        assert np.array_equal(encode_target(made, schema), wanted[:, [2, 0, 1]])


def test_the_loop_file_names_a_list_or_a_column() -> None:
    data = {"source": "f.csv", "target": ["hot", "wet"]}
    spec = from_dict({"data": data}).declaration.data
    assert (spec.labels, spec.target, spec.task) == (("hot", "wet"), "labels", "multilabel")
    named = {"source": "f.csv", "target": "weather", "labels": ["hot", "wet"]}
    assert from_dict({"data": named}).declaration.data.target == "weather"


@pytest.mark.parametrize(
    ("columns", "spec", "part"),
    [
        ({"wet": [0, 1, 2, 1] * 50}, {}, 'column "wet" row 3: got 2, expected 0 or 1'),
        ({"wet": ["0", "1", "no", "1"] * 50}, {}, "row 3: got 'no', expected 0 or 1"),
        ({"wet": [0.0, None, 1.0, 1.0] * 50}, {}, 'column "wet" row 2: got None, expected a label'),
        (
            {"y": ["a", None, "b;a", ";"] * 50},
            {"labels": (), "target": "y"},
            'row 2: got None, expected a label in every row. Write ";" where no label applies',
        ),
        ({"wet": [0] * 200}, {}, "no row of the data has it"),
        ({"wet": [1] * 200}, {}, "every row of the data has it"),
        ({"labels": [1] * 200}, {}, "a name that is no column of the data"),
        ({}, {"labels": ("hot", "wett")}, 'Did you mean "wet"?'),
        ({"y": [0.5, 1.5] * 100}, {"labels": (), "target": "y"}, "a list of labels, or text"),
        (
            {"y": [["a"], ["b", "a"]] * 100},
            {"labels": (), "target": "y", "task": None},
            'Set data.task = "multilabel"',
        ),
        ({"y": [["a"], ["b;a"]] * 100}, {"labels": (), "target": "y"}, 'labels without ";"'),
    ],
)
def test_what_is_no_label_is_refused(
    columns: dict[str, object], spec: dict[str, object], part: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        schema_of(table(**columns), **spec)
    assert part in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"target": ["hot"]}, "two or more different columns"),
        ({"target": ["hot", "hot"]}, "two or more different columns"),
        ({"target": ["hot", "wet"], "task": "binary"}, '"multilabel", as data.labels are given'),
        ({"target": ["hot", "wet"], "id": "wet"}, "a column other than those of data.labels"),
        ({"target": ["hot", "wet"], "ignore": ["wet"]}, "columns other than those of data.labels"),
    ],
)
def test_a_loop_file_that_contradicts_itself_is_refused(data: dict[str, object], part: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_dict({"data": {"source": "f.csv", **data}})
    assert part in caught.value.message


def test_a_label_that_training_never_saw_is_refused_by_name() -> None:
    made, schema = schema_of(table())
    new = made.with_columns(labels=pl.Series(["hot", "cold;wet"] * 100))
    with pytest.raises(InvalidInput, match=r'column "labels" row 2.*not \'cold\''):
        conform(new, schema, training=True)


def test_labels_in_the_log_are_read_back() -> None:
    classes = ("hot", "wet")
    assert from_json('["wet"]', classes).tolist() == [0, 1]
    assert from_json('"hot;wet"', classes).tolist() == [1, 1]
    assert from_json("[]", classes).tolist() == [0, 0]
    for unknown in (None, '["cold"]', "true", "3"):
        assert np.isnan(from_json(unknown, classes)).all()
    assert matrix([["wet", "cold"], []], classes).tolist() == [[0, 1], [0, 0]]


def test_divisions_hold_combinations_to_their_share() -> None:
    rng = np.random.default_rng(1)
    common = np.repeat([[0, 0], [1, 0], [1, 1]], [600, 300, 95], axis=0)
    labels = np.vstack([common, np.repeat([[0, 1]], 5, axis=0)])
    frame = pl.DataFrame({"x": rng.normal(size=1000), "hot": labels[:, 0], "wet": labels[:, 1]})
    made, schema = schema_of(frame, labels=("hot", "wet"))
    parts = split(made, schema, 0.2, seed=0, how="stratified")
    y = encode_target(made, schema)
    assert "the same share of each combination of labels (1 rare ones count as one)" in parts.how
    for combination in ([0, 0], [1, 0]):
        rows = (y == combination).all(axis=1)
        assert rows[parts.test].sum() == round(rows.sum() * 0.2)
    codes, rare = strata(y)
    assert rare == 1 and len(np.unique(codes)) == 4
    for part in k_fold(made, schema, 4, seed=0, stratified=True):
        assert abs((y[part.test] == [1, 0]).all(axis=1).sum() - 75) <= 1

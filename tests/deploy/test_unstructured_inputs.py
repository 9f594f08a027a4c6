"""Requests with texts, images and sequences become what files do, or one sentence."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from everloop.data.encode import encode
from everloop.data.schema import Feature, Schema
from everloop.deploy.serving.inputs import InputReader
from everloop.deploy.serving.openapi import record_schema
from everloop.errors import InvalidInput

SCHEMA = Schema(
    (
        Feature("text", "text", ("free", "prize", "now"), shape=(5,)),
        Feature("photo", "image", shape=(3, 2, 1)),
        Feature("steps", "sequence", shape=(3, 2)),
        Feature("n", "number"),
    ),
    "y",
    "binary",
    ("ham", "spam"),
)


def photo(seed: int, size: tuple[int, int] = (3, 2), kind: str = "PNG") -> str:
    array = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


ROWS = [
    {"text": "A FREE prize!", "photo": photo(1), "steps": [[1, 2], [3, None]], "n": 1},
    {"text": None, "photo": photo(2, (9, 7)), "steps": None, "n": None},
    {
        "text": "now " * 9,
        "photo": photo(3, kind="JPEG"),
        "steps": [[i, i] for i in range(5)],
        "n": 2,
    },
]


def test_a_request_becomes_what_a_file_with_the_same_values_does():
    reader = InputReader(SCHEMA)
    types = {"text": pl.String, "photo": pl.String, "steps": pl.List(pl.List(pl.Float64))}
    expected = encode(pl.DataFrame(ROWS, schema={**types, "n": pl.Float64}), SCHEMA)
    columns = {name: [row[name] for row in ROWS] for name in SCHEMA.names}
    for body in (ROWS, {"records": ROWS}, columns):
        assert np.array_equal(reader.read(json.dumps(body).encode()).X, expected, equal_nan=True)
    assert np.isnan(expected[1, 11:]).all()
    one = reader.read(json.dumps(ROWS[0]).encode())
    assert np.array_equal(one.X, expected[:1], equal_nan=True)


def test_an_image_may_come_as_numbers():
    rows = [{**ROWS[0], "photo": [[0, 1], [2, 3], [4, 255]]}, {**ROWS[0], "photo": None}]
    X = InputReader(SCHEMA).read(json.dumps(rows).encode()).X
    assert X[0, 5:11].tolist() == [0, 1, 2, 3, 4, 255]
    assert np.isnan(X[1, 5:11]).all()


WRONG = [
    ({"text": 5}, "$[0].text", "text or null"),
    ({"photo": "bm8gaW1hZ2U="}, "$[0].photo", "a PNG or JPEG image in base64"),
    ({"photo": photo(1)[:40]}, "$[0].photo", "a PNG or JPEG image in base64"),
    ({"photo": [[1, 2]]}, "$[0].photo", "3 by 2 by 1 numbers from 0 to 255"),
    ({"photo": [[1, 2], [3, 4], [5, 256]]}, "$[0].photo", "numbers from 0 to 255"),
    ({"steps": [1, 2]}, "$[0].steps", "a list of lists of 2 numbers"),
    ({"steps": [["a", 1]]}, "$[0].steps", "a list of lists of 2 numbers"),
    ({"steps": "1, 2"}, "$[0].steps", "a list of lists of 2 numbers"),
]


@pytest.mark.parametrize(("change", "path", "expected"), WRONG)
def test_a_wrong_value_is_named_with_its_place(change, path, expected):
    with pytest.raises(InvalidInput) as told:
        InputReader(SCHEMA).read(json.dumps([{**ROWS[0], **change}]).encode())
    assert (told.value.path, told.value.code) == (path, "mistyped_column")
    assert expected in told.value.message
    assert len(told.value.message) < 400


def test_openapi_describes_them():
    shown = record_schema(InputReader(SCHEMA))["properties"]
    assert shown["text"]["type"] == ["string", "null"]
    assert shown["photo"]["type"] == ["string", "array", "null"]
    assert "last 3 are read" in shown["steps"]["description"]

"""Each request's values against what the model was trained on: marked and counted, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from in_process import Plane

from everloop.data.schema import Feature, Schema
from everloop.data.segments import PredictionRecord
from everloop.deploy.serving.checks import Checks
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.redaction import Redaction
from everloop.deploy.spec import ServingSpec
from everloop.deploy.state import (
    Arm,
    Bounds,
    DesiredState,
    EndpointState,
    LogRules,
    state_path,
    write_state,
)
from everloop.errors import InvalidInput
from everloop.monitor.profile import NumberSketch, Profile

SCHEMA = Schema(
    features=(
        Feature("age", "number"),
        Feature("bmi", "number", nullable=True),
        Feature("zone", "category", ("1", "2")),
        Feature("member", "boolean"),
        Feature("leaves", "datetime", nullable=True),
    ),
    target="y",
    task="regression",
)
ROW = {"age": 30.0, "bmi": 22.0, "zone": "2", "member": True, "leaves": "2013-01-05T17:30"}
READER = InputReader(SCHEMA)


def made(
    refuse: tuple[str, ...] = (), expected: dict[str, Bounds] | None = None, final: bool = True
) -> tuple[Checks, dict[tuple[str, str], int]]:
    told: dict[tuple[str, str], int] = {}

    def count(feature: str, check: str, rows: int) -> None:
        told[feature, check] = told.get((feature, check), 0) + rows

    ranges = {"age": (10.0, 60.0), "bmi": (15.0, 40.0)}
    return Checks(SCHEMA, ranges, expected or {}, refuse, count, final), told


def read(*changes: dict[str, Any]) -> Rows:
    return READER.read(msgspec.json.encode([ROW | change for change in changes]))


def test_what_is_as_expected_is_left_alone() -> None:
    checks, told = made(("missing", "out_of_range", "unknown_category"))
    rows = read({}, {"age": 10, "zone": 1, "bmi": None, "leaves": None}, {"age": 60.0})
    assert checks.look(rows) is rows
    assert checks.judge(rows) is rows and told == {}


def test_each_check_names_its_rows_and_counts_them() -> None:
    checks, told = made()
    rows = checks.look(
        read(
            {}, {"age": 9.9, "zone": "7"}, {"age": None, "zone": None}, {"bmi": 41, "member": None}
        )
    )
    assert rows.marks == [
        [],
        ["out_of_range age", "unknown_category zone"],
        ["missing age", "missing zone"],
        ["out_of_range bmi", "missing member"],
    ]
    assert told == {}
    checks.judge(rows)
    assert told == {
        ("age", "out_of_range"): 1, ("age", "missing"): 1, ("bmi", "out_of_range"): 1,
        ("zone", "unknown_category"): 1, ("zone", "missing"): 1, ("member", "missing"): 1,
    }  # fmt: skip
    assert rows.part([3, 0]).marks == [["out_of_range bmi", "missing member"], []]


@pytest.mark.parametrize(
    ("check", "change", "path", "expected"),
    [
        ("missing", {"age": None}, "$[1].age", "got None, expected a value"),
        ("out_of_range", {"age": 99}, "$[1].age", "got 99.0, expected a number from 10 to 60"),
        ("unknown_category", {"zone": "7"}, "$[1].zone", "got '7', expected one of '1', '2'"),
    ],
)
def test_what_is_refused_names_field_value_and_expectation(check, change, path, expected) -> None:
    checks, told = made((check,))
    with pytest.raises(InvalidInput, match=expected) as refused:
        checks.judge(checks.look(read({}, change)))
    assert (refused.value.code, refused.value.path) == (check, path)
    assert sum(told.values()) == 1
    others, told = made((check,), final=False)  # another version is asked, and counts
    with pytest.raises(InvalidInput):
        others.judge(others.look(read({}, change)))
    assert told == {}


def test_what_a_person_wrote_is_obeyed_instead() -> None:
    checks, _ = made(
        expected={
            "age": Bounds(range=(0.0, 100.0), missing=0.2),
            "bmi": Bounds(missing=0.0),
            "zone": Bounds(levels=("2", "3")),
        }
    )
    rows = checks.look(read({"age": 99}, {"age": None}, {"bmi": None}, {"zone": 1}, {"zone": 3}))
    assert rows.marks == [[], [], ["missing bmi"], ["unknown_category zone"], []]


def test_marks_of_hidden_features_are_not_logged(tmp_path: Path) -> None:
    record = PredictionRecord(
        at=1, request="r", endpoint="e", version=1, arm="champion", ids=["a", "b"], times=None,
        columns={"age": [1, 2], "bmi": [1, 2]}, y=[1, 2], p=None, ms=1.0,
        marks=[["out_of_range age", "missing bmi"], []],
    )  # fmt: skip
    kept = Redaction(LogRules(mask=("age",)), None).prediction(record)
    assert kept is not None and kept.marks == [["missing bmi"], []]


def test_over_http_with_the_profile_of_the_package(project, models, tmp_path: Path) -> None:
    sketch = NumberSketch(
        n=9, missing=0, infinite=0, mean=0.0, sd=1.0, points=(-1.0, 1.0), below=(0, 8), upto=(1, 9)
    )
    profile = Profile(rows=9, features={f"x{i}": sketch for i in range(4)})
    digest = project.package(
        models.onnx(models.linear(), 4), models.NUMBERS, profile_json=profile.to_json()
    )
    arms = (Arm(1, digest),)
    strict = ServingSpec(refuse=("out_of_range",))
    state = {"lax": EndpointState("m", arms), "strict": EndpointState("m", arms, strict)}
    write_state(state_path(project.state), DesiredState(1, state))
    plane = Plane(project.state, tmp_path / "log")
    try:
        body = json.dumps([{"x0": 2.0, "x1": 2.1, "x2": 0, "x3": None}]).encode()
        # A linear model has no answer to a missing value; the mark is made before it is asked.
        assert plane.post("/endpoints/lax/predict", body)[0] == 422
        status, _ = plane.post("/endpoints/lax/predict", body.replace(b"null", b"-1"))
        assert status == 200
        assert plane.logged()[-1]["marks"] == [["out_of_range x1"]]
        status, said = plane.post("/endpoints/strict/predict", body)
        error = json.loads(said)["error"]
        assert (status, error["code"], error["path"]) == (422, "out_of_range", "$[0].x1")
        assert error["expected"] == "a number from -2 to 2" and error["got"] == "2.1"
        counted = plane.counts.total().unexpected()
        assert counted["lax"] == {"x1": {"out_of_range": 2}, "x3": {"missing": 1}}
        assert counted["strict"]["x1"] == {"out_of_range": 1}
        told = plane.counts.exposition().decode()
        labels = '{check="out_of_range",endpoint="lax",feature="x1"}'
        assert f"everloop_unexpected_values_total{labels} 2.0" in told
        assert np.isfinite(plane.logged()[-1]["y"]).all()
    finally:
        plane.close()

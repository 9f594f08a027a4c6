"""What must not be told never reaches the disk, and what is kept stays of use."""

from __future__ import annotations

import pytest
from serving_harness import ROW, TRIP

from everloop.data.pseudonyms import PURPOSE, pseudonym
from everloop.data.segments import FeedbackRecord, PredictionRecord
from everloop.deploy.serving.redaction import Redaction
from everloop.deploy.state import Arm, LogRules

KEY = b"k" * 32


def record(ids: list[str], arm: str = "champion") -> PredictionRecord:
    return PredictionRecord(
        at=1, request="r", endpoint="flights", version=1, arm=arm, ids=ids, times=None,
        columns={"a": [*range(len(ids))], "b": ["x"] * len(ids)},
        y=[*range(len(ids))], p=None, ms=1.0,
    )  # fmt: skip


def test_no_hidden_value_is_found_in_any_file(project, start):
    rules = LogRules(mask=("zone",), hash=("carrier code",), drop=("age",), ids=True)
    project.want(rules, flights=[Arm(1, project.mixed())])
    serving = start()
    secret = "anna.karenina@example.com"
    trip = TRIP | {"trip": secret, "carrier code": secret, "age": 7654321, "zone": "zone-4711"}
    assert serving.predict([trip, TRIP | {"trip": "2"}]).status_code == 200
    assert serving.http.post("/feedback", json=[{"id": secret, "label": "yes"}]).status_code == 200
    assert serving.predict([trip | {"age": secret}]).status_code == 422
    serving.stop()
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        for plain in (secret, "7654321", "zone-4711"):
            assert plain.encode() not in path.read_bytes(), path
    (said,), (label,) = serving.records(), serving.records("feedback")
    key = project.keys.derive(PURPOSE)
    assert said["columns"]["carrier code"] == [pseudonym(secret, key), pseudonym("UA", key)]
    assert said["columns"]["zone"] == ["***", "***"]
    assert "age" not in said["columns"]
    assert label["ids"] == said["ids"][:1] == [pseudonym(secret, key)]


def test_a_sample_keeps_the_same_rows_of_both_arms(project):
    rules = Redaction(LogRules(sample=0.3), KEY)
    ids = [f"row-{i}" for i in range(2000)]
    kept = rules.prediction(record(ids))
    assert kept is not None
    assert 500 < len(kept.ids) < 700
    assert [ids[row] for row in kept.y] == kept.ids
    assert kept.columns["a"] == kept.y
    assert kept.rate == 0.3
    shadow = rules.prediction(record(ids, "shadow"))
    assert shadow is not None
    assert shadow.ids == kept.ids
    more = Redaction(LogRules(sample=0.6), None).prediction(record(ids))
    assert more is not None
    assert set(kept.ids) < set(more.ids)


def test_without_its_key_what_should_be_hashed_is_masked():
    rules = Redaction(LogRules(hash=("b",), ids=True), None)
    kept = rules.prediction(record(["anna"]))
    assert kept is not None
    assert (kept.columns["b"], kept.ids) == (["***"], ["***"])
    said = rules.feedback(FeedbackRecord(at=1, endpoint="flights", ids=["anna"], labels=[1]))
    assert said.ids == ["***"]


def test_an_error_that_could_tell_a_value_is_withheld():
    failed = record(["anna"])
    failed.error = "x: got 'anna', expected a number"
    kept = Redaction(LogRules(mask=("a",)), KEY).prediction(failed)
    assert kept is not None
    assert "anna" not in str(kept.error)


def test_rules_change_without_a_restart(project, start):
    digest = project.linear()
    project.want(flights=[Arm(1, digest)])
    serving = start()
    serving.predict([ROW])
    serving.applied(project.want(LogRules(drop=("x0",)), flights=[Arm(1, digest)]))
    serving.predict([ROW])
    assert ["x0" in said["columns"] for said in serving.records()] == [True, False]


@pytest.mark.parametrize("value", ["7", 7, 7.0])
def test_a_number_and_its_text_have_one_hash(value):
    assert pseudonym(value, KEY) == pseudonym("7", KEY) != pseudonym("7", b"other")

"""[monitor.log]: what is refused, what monitoring makes of hidden columns, and lost rows."""

from __future__ import annotations

import os

import msgspec
import polars as pl
import pytest

from everloop.data.pseudonyms import pseudonym
from everloop.data.schema import Feature, Schema
from everloop.data.segments import PredictionRecord, SegmentWriter, encode_record
from everloop.deploy.serving.redaction import Redaction
from everloop.deploy.serving.standing import Standing, write_standing
from everloop.errors import InvalidInput
from everloop.loop.declaration import parse
from everloop.loop.hiding import check_columns, profile_as_logged, rules_of, schema_as_logged
from everloop.loop.losses import tell_losses
from everloop.loop.project import Project
from everloop.monitor.inputs import profile_rows
from everloop.monitor.profile import profile
from everloop.monitor.spec import LogSpec
from everloop.store.clock import now_ms

KEY = b"k" * 32
SCHEMA = Schema(
    features=(
        Feature("distance", "number"),
        Feature("carrier", "category", ("AA", "UA")),
        Feature("name", "category", ("Anna", "Ben")),
        Feature("age", "number"),
    ),
    target="late",
    task="binary",
    classes=(False, True),
    id="flight",
)
HIDING = LogSpec(mask=("name",), hash=("carrier", "flight"), drop=("age",))
FILE = """
[data]
source = "a.csv"
target = "late"
id = "flight"
time = "at"
[monitor.log]
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('mask = ["name"]\nhash = ["name"]', r"monitor.log.hash: got 'name', .* mask"),
        ('drop = ["flight"]', r"monitor.log.drop: got 'flight'.*monitor.log.hash"),
        ('hash = ["late"]', "other than data.target"),
        ('mask = ["at"]', "other than data.time"),
        ("sample = 0", r"monitor.log.sample: got 0.0, expected a share"),
        ('keep = "soon"', r"monitor.log.keep: got 'soon'"),
        ('masks = ["name"]', 'Did you mean "mask"'),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(line, said):
    with pytest.raises(InvalidInput, match=said):
        parse(FILE + line)


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(InvalidInput, match=r'log.hash: got .carier.*Did you mean "carrier"'):
        check_columns(LogSpec(hash=("carier",)), SCHEMA)
    check_columns(HIDING, SCHEMA)


def test_hashed_categories_are_watched_and_train_nothing(tmp_path):
    rules = rules_of(HIDING, "flight")
    assert rules is not None
    assert (rules.ids, rules.hash) == (True, ("carrier",))
    rows = {
        "distance": [1.0, 2.0, 3.0],
        "carrier": ["AA", "UA", "UA"],
        "name": ["Anna", "Ben", "Ben"],
        "age": [1, 2, 3],
    }
    record = PredictionRecord(
        at=1, request="r", endpoint="flights", version=1, arm="champion", ids=["1", "2", "3"],
        times=None, columns=rows, y=[False] * 3, p=[[1.0, 0.0]] * 3, ms=1.0,
    )  # fmt: skip
    kept = Redaction(rules, KEY).prediction(record)
    assert kept is not None
    with Project.open(tmp_path) as project:
        writer = SegmentWriter(project.state / "log" / "predictions", "predictions")
        for _ in range(2):  # the second is a caller's retry
            writer.append(encode_record(kept))
        assert project.log.ship() == 6
        watched = schema_as_logged(SCHEMA, HIDING, KEY)
        assert watched.names == ("distance", "carrier")
        found = project.log.predictions("flights", schema=watched)
        assert found.height == 3
        reference = profile(pl.DataFrame(rows), SCHEMA)
        expected = profile_as_logged(reference, watched, HIDING, KEY).features["carrier"]
        seen = profile_rows(found, watched).features["carrier"]
        assert (seen.levels, seen.counts, seen.unseen) == (expected.levels, (1, 2), 0)
        assert seen.levels == (pseudonym("AA", KEY), pseudonym("UA", KEY))
        plain = project.log.predictions("flights", schema=SCHEMA, hidden=HIDING.hidden)
        nulls = plain.select(pl.col("carrier", "name", "age").is_null().all()).row(0)
        assert nulls == (True, True, True)
        assert plain["distance"].to_list() == [1.0, 2.0, 3.0]


def test_lost_rows_raise_one_alert_in_a_window(tmp_path):
    declared = parse(FILE, "flights").declaration
    with Project.open(tmp_path) as project:
        assert tell_losses(project, declared) is None
        lost = {"flights": {"full": 7}, "other": {"failed": 1}, "": {"unsynced": 2}}
        standing = Standing(os.getpid(), "http://127.0.0.1:1", 1, {}, lost)
        write_standing(project.serving_dir, standing)
        alert = tell_losses(project, declared)
        assert alert is not None
        assert (alert.kind, alert.severity) == ("log", "critical")
        assert alert.evidence == {"total": 9, "lost": {"full": 7, "unsynced": 2}}
        assert "log_max_mb" in alert.summary
        assert tell_losses(project, declared) is None
        (event,) = [e for e in project.events.page() if e.kind == "alert.raised"]
        assert event.payload["kind"] == "log"
        more = msgspec.structs.replace(standing, log_lost={"flights": {"full": 99}})
        write_standing(project.serving_dir, more)
        again = tell_losses(project, declared)
        assert again is None or again.window > alert.window  # only when midnight passed meanwhile
        assert alert.at <= now_ms()

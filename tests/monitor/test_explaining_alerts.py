"""Alerts of a real stream, explained from its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_of_days import SCHEMA, SPEC, T0, Stream, accuracy

from everloop.errors import InvalidInput, NotFound
from everloop.monitor.cause.attribution import CONCEPT
from everloop.monitor.cause.explain import Known, explain_alert
from everloop.monitor.cause.found import Cause
from everloop.monitor.cause.similar import Outcome
from everloop.monitor.cause.upstream import Upstream
from everloop.monitor.spans import DAY
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, WindowStore
from everloop.store.database import Database

HOUR = 3_600_000


@pytest.fixture
def stream(sqlite_url: str, tmp_path: Path) -> Iterator[Stream]:
    database = Database(sqlite_url)
    yield Stream(database, tmp_path)
    database.close()


def raised(stream: Stream, days: int, kind: str, spec: MonitorSpec = SPEC) -> Alert:
    stream.day(days)  # ends the last one
    found = stream.tick(spec=spec, now=T0 + (days + 3) * DAY)
    return next(alert for alert in found if alert.kind == kind)


def explained(stream: Stream, alert: Alert, **more: Any) -> Cause:
    known = Known(
        log=stream.log,
        windows=stream.windows,
        schema=SCHEMA,
        hidden=more.get("hidden", frozenset()),
        metric="accuracy",
        score=accuracy,
        upstream=more.get("upstream", lambda clock: []),
        outcome=more.get("outcome", lambda cycle: None),
    )
    return explain_alert(known, alert)


def from_noon(change: Callable[[float], float]) -> Callable[[dict[str, list[Any]]], None]:
    def changed(columns: dict[str, list[Any]]) -> None:
        half = len(columns["x0"]) // 2
        columns["x0"][half:] = [change(value) for value in columns["x0"][half:]]

    return changed


def test_a_drift_is_dated_to_the_hour_within_its_window(stream: Stream) -> None:
    for day in range(5):
        stream.day(day)
    stream.day(5, change=from_noon(lambda value: min(199.0, value + 80)))
    cause = explained(stream, raised(stream, 6, "drift"))
    assert cause.since is not None
    assert abs(cause.since.at - (T0 + 5 * DAY + 12 * HOUR)) <= HOUR
    assert cause.since.high - cause.since.low <= 4 * HOUR
    assert cause.sentence.startswith("x0 shifted since 2013-01-06 1")
    assert cause.segments == cause.sources == []
    assert cause.rows[0] + cause.rows[1] == 6_000


def test_a_loss_without_drift_is_concept_change(stream: Stream) -> None:
    for day in range(6):
        stream.day(day, right=0.8 if day < 5 else 0.6)
    cause = explained(stream, raised(stream, 6, "performance"))
    assert cause.since is not None
    assert abs(cause.since.at - (T0 + 5 * DAY)) <= 4 * HOUR
    assert cause.attribution is not None and cause.attribution.loss is not None
    assert cause.attribution.loss == pytest.approx(0.2, abs=0.05)
    concept = cause.attribution.part(CONCEPT)
    assert concept is not None and concept.share == pytest.approx(1, abs=0.1)
    assert "is concept change: labels differ at equal features" in cause.sentence
    assert cause.labelled == 1_000


def test_the_client_that_broke_is_named_from_a_column_of_the_log(stream: Stream) -> None:
    def clients(columns: dict[str, list[Any]], broken: str | None = None) -> None:
        names = [f"c{i % 4}" for i in range(len(columns["x0"]))]
        columns["client"] = names
        for i, name in enumerate(names):
            columns["x0"][i] = 190.0 if name == broken else columns["x0"][i]

    for day in range(5):
        stream.day(day, change=clients)
    stream.day(5, change=lambda columns: clients(columns, "c3"))
    cause = explained(stream, raised(stream, 6, "drift"))
    assert [one.segment for one in cause.sources] == ["client = c3"]
    assert "all of it comes from client = c3 (25 % of the rows)" in cause.sentence


def test_changes_upstream_and_what_was_done_before_are_told(stream: Stream) -> None:
    shifted = from_noon(lambda value: min(199.0, value + 80))
    for day in range(9):
        stream.day(day, change=shifted if day in (3, 8) else None)
    stream.day(9)
    first, second = (a for a in stream.tick(now=T0 + 12 * DAY) if a.feature == "x0")
    with stream.events.transaction() as conn:
        stream.windows.link(conn, [first.id], "a-cycle")
    cause = explained(
        stream,
        second,
        upstream=lambda clock: [
            Upstream("deployed", clock - HOUR, -HOUR, "ada"),
            Upstream("declared", clock + 3 * HOUR, 3 * HOUR),
            Upstream("long ago", clock - 30 * DAY, -30 * DAY),
        ],
        outcome=lambda cycle: Outcome(3, "promoted", "better") if cycle == "a-cycle" else None,
    )
    assert [one.what for one in cause.upstream] == ["deployed", "declared"]
    assert cause.similar[0].alert == first.id
    assert cause.similar[0].outcome == Outcome(3, "promoted", "better")
    assert "nearest change upstream: deployed, 60 min before" in cause.sentence
    assert cause.sentence.endswith("led to cycle 3: promoted")


def test_what_is_not_known_is_said(stream: Stream) -> None:
    stream.day(0, change=from_noon(lambda value: 0.0), label=False)
    alert = raised(stream, 1, "drift")
    cause = explained(stream, alert)
    assert cause.attribution is not None
    assert cause.attribution.note.startswith("not enough evidence: 0 labelled rows")
    gone = Alert(
        id="0" * 64, endpoint="e", window=T0 - DAY, kind="log", severity="critical", feature=None,
        summary="7 rows were answered and not logged.", evidence={}, at=T0,
    )  # fmt: skip
    nothing = explained(stream, gone)
    assert nothing.notes == ["the log has no rows of its window"]
    assert nothing.sentence.startswith("7 rows were answered and not logged was seen in the window")


def test_a_hidden_feature_is_not_told(stream: Stream) -> None:
    for day in range(6):
        stream.day(day, change=from_noon(lambda value: 190.0) if day == 5 else None)
    cause = explained(stream, raised(stream, 6, "drift"), hidden=frozenset({"x0"}))
    assert cause.since is None
    assert cause.segments == []


def test_an_alert_is_found_by_the_beginning_of_its_id(database: Database) -> None:
    store = WindowStore(database)
    for id in ("abcd1" + "0" * 59, "abcd2" + "0" * 59):
        alert = Alert(
            id=id, endpoint="e", window=0, kind="log", severity="info", feature=None, summary="s",
            evidence={"total": 1}, at=0,
        )  # fmt: skip
        with database.write() as conn:
            store.add(conn, alert)
    assert store.alert("abcd1").id.startswith("abcd1")
    store.explain(store.alert("ABCD1"), {"sentence": "so"})
    assert store.alert("abcd1").evidence == {"total": 1, "cause": {"sentence": "so"}}
    with pytest.raises(NotFound, match="begins with 'ffff'"):
        store.alert("ffff")
    for key in ("abcd", "abc", "x%_y"):
        with pytest.raises(InvalidInput, match="alert"):
            store.alert(key)

"""What is told, when, once; on both dialects."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alert_helpers import DAY, T0, Office

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.loop.declaration import parse
from everloop.monitor.alerting.notice import Item, Notice
from everloop.monitor.alerting.standing import stand
from everloop.monitor.spec import MonitorSpec, RuleSpec
from everloop.monitor.windows import Window
from everloop.store.clock import now_ms
from everloop.store.tables import alert_deliveries

FILE = """
[data]
source = "d.csv"
target = "y"
[monitor.channels.ops]
kind = "slack"
url = "$SLACK_URL"
[[monitor.alerts]]
channels = ["ops"]
"""


def spec(**rule: Any) -> MonitorSpec:
    return MonitorSpec(alerts=(RuleSpec(channels=("log",), **rule),))


def test_an_incident_is_told_once_and_its_end_too(office: Office) -> None:
    office.day(0, "x")
    assert [office.route(spec()), office.route(spec())] == [1, 0]
    for day in range(1, 4):
        office.day(day, "x", new=[])
        assert office.route(spec()) == 0
    for day in range(4, 7):
        assert office.lines() == [] or office.lines()[-1][0] == "firing"
        office.send()
        office.day(day)
        office.route(spec())
    office.send()
    assert office.lines() == [("firing", ["x"]), ("resolved", ["x"])]
    (line,) = office.desk.page()
    assert (line.state, line.incident.windows) == ("resolved", 4)
    assert (line.incident.since, line.incident.last) == (T0, T0 + 3 * DAY)
    assert office.events.latest(1)[0].kind == "alert.resolved"
    office.day(7, "x")
    assert office.route(spec()) == 1  # another time, another incident
    assert [one.state for one in office.desk.page()] == ["open", "resolved"]


def test_a_group_is_told_as_one_and_again_when_it_grows(office: Office) -> None:
    office.day(0, "x", "y")
    office.route(spec(group=("kind",)))
    office.day(1, "x", "y", "z", new=["z"])
    office.route(spec(group=("kind",)))
    office.send()
    assert [(s, sorted(f)) for s, f in office.lines()] == [
        ("firing", ["x", "y"]), ("firing", ["x", "y", "z"]),
    ]  # fmt: skip


def test_a_group_by_feature_is_told_apart(office: Office) -> None:
    office.day(0, "x", "y")
    assert office.route(spec(group=("kind", "feature"))) == 2


def test_it_is_told_after_so_many_windows_in_a_row(office: Office) -> None:
    patient = spec(windows=3)
    office.day(0, "x")
    office.day(1)
    office.day(2, "x", new=[])
    office.day(3, "x", new=[])
    assert office.route(patient) == 0
    office.day(4, "x", new=[])
    assert office.route(patient) == 1


def test_what_passed_before_it_was_looked_at_is_told_with_its_end(office: Office) -> None:
    office.day(0, "x")
    for day in range(1, 5):
        office.day(day)
    assert office.route(spec()) == 2
    office.send()
    assert office.lines() == [("firing", ["x"]), ("resolved", ["x"])]


def test_rules_choose_by_kind_severity_and_feature(office: Office) -> None:
    office.day(0, "x", severity="warning")
    assert office.route(spec(severity="critical")) == 0
    assert office.route(spec(kinds=("quality",))) == 0
    assert office.route(spec(feature="wind_*")) == 0
    assert office.route(spec(feature="x*", kinds=("drift",))) == 1


def test_what_gets_worse_is_told_again(office: Office) -> None:
    office.day(0, "x", severity="info")
    assert office.route(spec()) == 0
    office.day(1, "x", severity="warning")
    assert office.route(spec()) == 1
    office.day(2, "x", severity="critical")
    assert office.route(spec()) == 1
    assert office.desk.page()[0].incident.severity == "critical"


def test_silence_keeps_it_quiet_until_it_is_taken_back(office: Office) -> None:
    silences = office.desk.silences
    made = silences.add("1m", actor="ann", comment="a new sensor", kind="drift", feature="x*")
    office.day(0, "x", "y")
    office.route(spec())
    office.send()
    assert office.lines() == [("firing", ["y"])]
    states = {one.incident.feature: one.state for one in office.desk.page()}
    assert states == {"x": "silenced", "y": "open"}
    silences.end(made.id[:8], "bob")
    office.route(spec())
    office.send()
    assert sorted(office.lines()[-1][1]) == ["x", "y"]
    with pytest.raises(Conflict, match="over already"):
        silences.end(made.id, "bob")
    told = [(e.kind, e.actor, e.payload["comment"]) for e in office.events.latest(20)]
    assert ("silence.added", "ann", "a new sensor") in told
    assert ("silence.ended", "bob", "a new sensor") in told


def test_a_silence_needs_a_reason_and_an_end(office: Office) -> None:
    for arguments, field in (
        ({"duration": "soon", "comment": "c"}, "duration: got 'soon'"),
        ({"duration": "0s", "comment": "c"}, "duration: got '0s'"),
        ({"duration": "367d", "comment": "c"}, "duration: got '367d', .* up to 366d, as \"4h\""),
        ({"duration": "9" * 400 + "d", "comment": "c"}, "duration: got '999"),
        ({"duration": "1s", "comment": " "}, "comment"),
        ({"duration": "1s", "comment": "c", "kind": ""}, "kind"),
    ):
        with pytest.raises(InvalidInput, match=field):
            office.desk.silences.add(actor="a", **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r'kind: got .drfit., .* Did you mean "drift"'):
        office.desk.silences.add("1s", actor="a", comment="why", kind="drfit")
    with pytest.raises(NotFound):
        office.desk.silences.end("%", "a")


def test_nothing_is_told_without_rules_and_all_is_seen(office: Office) -> None:
    office.day(0, "x")
    assert office.route(MonitorSpec()) == 0
    (line,) = office.desk.page(state="open")
    found = office.desk.get(line.incident.id[:10])
    assert [alert.feature for alert in found.alerts] == ["x"]
    with pytest.raises(NotFound):
        office.desk.get("nothing")


def test_a_linked_cycle_is_what_was_done(office: Office) -> None:
    office.day(0, "x")
    office.route(spec())
    (line,) = office.desk.page()
    with office.windows.db.write() as conn:
        office.windows.link(conn, [line.incident.id], "c1")
    assert office.desk.page()[0].incident.cycles == ["c1"]
    for day in range(1, 5):
        office.day(day)
    office.route(spec())
    office.send()
    office.send()  # an end is sent after its beginning
    told = [d.payload.items[0].outcome for d in office.desk.deliveries.page()]
    assert told == ["c1 ended", ""]


def test_an_end_waits_until_its_beginning_was_told(office: Office) -> None:
    office.day(0, "x")
    for day in range(1, 5):
        office.day(day)
    office.route(spec())
    with office.windows.db.write() as conn:  # the beginning is tried again in an hour
        first = sa.select(alert_deliveries.c.id).order_by(alert_deliveries.c.created).limit(1)
        later = sa.update(alert_deliveries).where(alert_deliveries.c.id.in_(first))
        conn.execute(later.values(due=now_ms() + 3_600_000))
    assert office.send() == 0
    assert office.lines() == []


def test_windows_that_cannot_tell_change_nothing() -> None:
    found = stand(0, [(0, True), (1, None), (2, True), (3, False), (4, None), (5, False)])
    assert (found.last, found.windows, found.quiet) == (2, 2, 2)
    assert not found.over


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('channels = ["ops"]', 'channels = ["opps"]'), 'Did you mean "ops"'),
        (('channels = ["ops"]', ""), "monitor.alerts[0].channels"),
        (('channels = ["ops"]', 'channels = ["ops"]\nkind = ["drift"]'), 'Did you mean "kinds"'),
        (('channels = ["ops"]', 'channels = ["ops"]\nkinds = ["drif"]'), 'Did you mean "drift"'),
        (('channels = ["ops"]', 'channels = ["ops"]\nwindows = 0'), "monitor.alerts[0].windows"),
        (('kind = "slack"', 'kind = "slak"'), 'Did you mean "slack"'),
        (('kind = "slack"', 'kind = "slack"\nroom = "a"'), "monitor.channels.ops.room"),
        (('url = "$SLACK_URL"', ""), "monitor.channels.ops.url"),
        (('url = "$SLACK_URL"', 'url = "https://hooks/T0/xoxb"'), "must not stand in a file"),
    ],
)
def test_a_loop_file_that_cannot_work_is_refused(change: tuple[str, str], sentence: str) -> None:
    parse(FILE)
    with pytest.raises(InvalidInput) as refused:
        parse(FILE.replace(*change))
    assert sentence in refused.value.message
    assert "xoxb" not in refused.value.message


def test_an_incident_says_what_its_newest_window_says(office: Office) -> None:
    faults = [
        {"check": "missing", "summary": "x is missing in 12 %", "quarantine": False},
        {"check": "unit_change", "summary": "x looks multiplied by 1000", "quarantine": True},
    ]
    rules = spec(group=("feature",))
    for day, fault in enumerate(faults):
        start = T0 + day * DAY
        window = Window(
            endpoint="e", start=start, end=start + DAY, rows=500, labelled=0, performance=None,
            checks={"faults": {"x": {**fault, "evidence": {}}}}, quarantined=False, updated=start,
        )  # fmt: skip
        first = [office.alert(start, "x", "warning", "quality")] if not day else []
        with office.events.transaction() as conn:
            office.windows.save(conn, window, first)
        assert office.route(rules) == 1  # it got worse, so it is told again
    (line,) = office.desk.page()
    assert line.incident.summary == "x looks multiplied by 1000"
    assert line.incident.severity == "critical"
    assert [a.summary for a in office.desk.get(line.incident.id).alerts] == ["x drifted"]


def test_the_title_of_a_group_is_of_its_worst() -> None:
    items = [
        Item(
            id=str(severity), kind="quality", feature="x", segment=None, severity=severity,
            summary=f"a {severity} thing", since=T0, last=T0,
        )
        for severity in ("warning", "critical", "info")
    ]  # fmt: skip
    notice = Notice(
        key="k", state="firing", endpoint="e", rule="r", severity="critical", at=T0, items=items
    )
    assert notice.title == "[critical] e: a critical thing (and 2 more)"

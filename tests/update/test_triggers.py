from __future__ import annotations

import pytest

from everloop.errors import InvalidInput
from everloop.extensions import triggers
from everloop.update.checking import check_update
from everloop.update.situation import Considered, Heard, Seen, Situation, Told
from everloop.update.spec import UpdateSpec, ValueSpec
from everloop.update.triggers import parse_trigger
from everloop.update.triggers._base import Cause

DAY = 86_400_000


def seen(day: int = 9, **more: object) -> Seen:
    values: dict[str, object] = {"rows": 100, "labelled": 100, "quarantined": False}
    return Seen(start=day * DAY, end=(day + 1) * DAY, **values | more)  # type: ignore[arg-type]


def told(kind: str, day: int = 9, feature: str | None = "temp") -> Told:
    return Told(f"{kind}-{day}", kind, day * DAY, feature, f"{feature} changed")


def situation(**more: object) -> Situation:
    last = Considered(0, 1_000)
    values: dict[str, object] = {"windows": (seen(),), "rows": 1_100, "considered": last}
    return Situation(now=10 * DAY, **{"last_cycle": last, **values, **more})  # type: ignore[arg-type]


def fires(text: str, at: Situation) -> Cause | None:
    return parse_trigger(text).fires(at)


@pytest.mark.parametrize("kind", ["drift", "performance"])
def test_a_new_alert_fires_its_own_trigger(kind: str) -> None:
    cause = fires(kind, situation(alerts=(told(kind),)))
    assert cause is not None
    assert cause.alerts == (f"{kind}-9",)
    assert "temp changed" in cause.reason
    other = {"drift": "performance", "performance": "drift"}[kind]
    assert fires(other, situation(alerts=(told(kind),))) is None


@pytest.mark.parametrize("kind", ["drift", "performance"])
def test_alerts_of_quarantined_windows_fire_nothing(kind: str) -> None:
    at = situation(windows=(seen(9, quarantined=True), seen(10)), alerts=(told(kind, 9),))
    assert fires(kind, at) is None


@pytest.mark.parametrize(
    ("kind", "window"), [("drift", seen(drifting=("temp",))), ("performance", seen(worse=True))]
)
def test_what_goes_on_fires_again_when_a_quarter_more_rows_came(kind: str, window: Seen) -> None:
    assert fires(kind, situation(windows=(window,), rows=1_249)) is None
    assert fires(kind, situation(windows=(window,), rows=1_250)) is not None
    assert fires(kind, situation(windows=(seen(),), rows=9_999)) is None


def test_an_estimate_asks_only_where_it_may() -> None:
    at = situation(alerts=(told("estimate"),))
    cause = fires("estimated performance", at)
    assert cause is not None and (cause.trigger, cause.alerts) == ("estimate", ("estimate-9",))
    assert fires("performance", at) is None
    assert fires("estimated performance", situation(alerts=(told("performance"),))) is None
    low = (seen(expected_worse=True),)
    assert fires("estimated performance", situation(windows=low, rows=1_249)) is None
    assert fires("estimated performance", situation(windows=low, rows=1_250)) is not None


def test_a_schedule_counts_event_time_from_the_last_cycle() -> None:
    assert fires("every 10d", situation()) is not None
    assert fires("every 11d", situation()) is None
    assert fires("every 11d", situation(last_cycle=None)) is not None


def test_a_volume_counts_rows_from_the_last_cycle() -> None:
    assert fires("every 100 rows", situation()) is not None
    assert fires("every 101 rows", situation()) is None


@pytest.mark.parametrize(
    ("calendar", "last", "due"),
    [
        ("cron 0 0 * * *", 9 * DAY, True),  # now is midnight of day 10
        ("cron 0 0 * * *", 10 * DAY, False),
        ("cron 30 23 * * *", 10 * DAY - 1_860_000, True),
        ("cron 30 23 * * *", 10 * DAY - 1_740_000, False),
        ("cron 0 0 * * sun", 3 * DAY, False),  # 1970-01-11, day 10, was a Sunday; see below
        ("cron 0 0 1 2 *", 0, False),
    ],
)
def test_a_calendar_is_read_in_event_time(calendar: str, last: int, due: bool) -> None:
    at = situation(last_cycle=Considered(last, 1_000))
    if calendar.endswith("sun"):
        assert fires(calendar, at) is not None
        at = situation(last_cycle=Considered(10 * DAY, 1_000))
    assert (fires(calendar, at) is not None) == due


def test_another_source_asks_once() -> None:
    before = Considered(0, 1_000, source="aa")
    assert fires("new data", situation(source="bb", last_cycle=before)) is not None
    assert fires("new data", situation(source="aa", last_cycle=before)) is None
    assert fires("new data", situation(source="bb")) is None  # nobody knows what it was


def test_an_event_from_upstream_is_named() -> None:
    heard = (Heard("schema-change", 5, "etl", "v3"), Heard("other", 6, "etl"))
    cause = fires("event schema-change", situation(heard=heard))
    assert cause is not None and cause.asked
    assert cause.reason == "schema-change was told by etl (v3)"
    assert fires("event else", situation(heard=heard)) is None


def test_rules_over_several_triggers() -> None:
    both = situation(alerts=(told("drift"), told("performance")))
    one = situation(alerts=(told("drift"),))
    assert fires("drift and performance", one) is None
    cause = fires("drift and performance", both)
    assert cause is not None and not cause.asked
    assert cause.alerts == ("drift-9", "performance-9")
    assert fires("2 of drift, performance, every 99d", both) is not None
    assert fires("2 of drift, performance, every 99d", one) is None
    timed = fires("drift and every 10d", one)
    assert timed is not None and not timed.asked  # what was seen still needs its proof
    assert fires("every 10d and every 100 rows", one).asked  # type: ignore[union-attr]


@pytest.mark.parametrize("name", triggers.names())
def test_every_trigger_reads_its_own_form_and_no_other(name: str) -> None:
    kind = triggers.get(name)
    assert isinstance(kind.parse(kind.form), kind)
    others = [other.form for key, other in triggers if key != name]
    assert all(kind.parse(form) is None for form in others)
    asks = name in ("schedule", "cron")  # with no cycle yet, it is time
    assert (parse_trigger(kind.form).fires(Situation(now=0)) is not None) == asks


@pytest.mark.parametrize(
    "text",
    [
        "drfit",
        "every",
        "every 5",
        "every day",
        "every 0 rows",
        "",
        "every -3 rows",
        "cron",
        "cron 61 * * * *",
        "cron 0 0 31 2 *",
        "cron * * * * * *",
        "event",
        "event a b",
        "drift and",
        "drift and drfit",
        "3 of drift, performance",
        "0 of drift, performance",
        "1 of drift",
        "drift and a and b",
    ],
)
def test_what_is_no_trigger_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"update\.when: got .* expected one of") as caught:
        check_update(UpdateSpec(when=("drift", text)))
    assert text != "drfit" or 'Did you mean "drift"?' in caught.value.message


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"min_gain": 1.5}, r"update\.min_gain: got 1\.5, expected a share"),
        ({"method": "retrian"}, r"update\.method: got .retrian., .* Did you mean .retrain"),
        ({"hour": -1.0}, r"update\.hour: got -1\.0, expected 0 or more"),
        ({"timezone": "Mars/Base"}, r"update\.timezone: got 'Mars/Base', expected a time zone"),
        ({"quiet": ("25:00-06:00",)}, r"update\.quiet: got '25:00-06:00', expected a day, hours"),
        ({"quiet": ("sat sun mon",)}, r"update\.quiet: got 'sat sun mon'"),
        ({"quiet": ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}, "in which an update may"),
        ({"budget": ("3 cycles",)}, r"update\.budget: got '3 cycles', expected lines like"),
        ({"budget": ("2x of compute per 7d",)}, r"expected lines like"),
        ({"budget": ("50 of money per 30d",)}, r"update\.hour: got 0\.0, expected what an hour"),
        ({"budget": ("0 cycles per 7d",)}, r"expected room for an update.* \"never\""),
        ({"budget": ("1 cycle per 7d",), "when": ("every 1d",)}, r'room for "every 1d"'),
        ({"budget": ("2 cycles per 7d",), "when": ("cron 0 3 * * 1-5",)}, r'room for "cron 0 3'),
        ({"quiet": ("00:00-12:00", "12:00-00:00")}, "an hour in which an update may begin"),
        ({"quiet": ("mon 09:00-09:00",)}, "hours that end at another time than they begin"),
        ({"quiet": ("sat sun",)}, r"update\.quiet: got 'sat sun', expected a day, hours or both"),
        ({"quiet": ("01:00-02:00 05:00-06:00",)}, r"expected a day, hours or both"),
        ({"cooldown": "7d", "when": ("every 1d",)}, r"update\.cooldown: got '7d', .*\"every 1d\""),
        ({"review": 40.0}, r"update\.review: got 40\.0, expected update\.value beside it"),
        ({"bad_hour": 9.0}, r"update\.bad_hour: got 9\.0, expected update\.value beside it"),
        ({"min_gain": 0.1, "value": ValueSpec(50.0)}, r"no min_gain beside update\.value"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_named(policy: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_update(UpdateSpec(**policy))  # type: ignore[arg-type]


def test_a_policy_with_room_passes() -> None:
    check_update(
        UpdateSpec(
            when=("every 7d", "cron 0 3 * * mon", "drift and every 1d", "event etl", "new data"),
            cooldown="7d",
            budget=("1 cycle per 7d", "2h of compute per 1d", "50 of money per 30d"),
            hour=2.5,
            quiet=("sat", "fri 16:00-23:59", "00:00-12:00", "12:01-00:00"),
            timezone="Europe/Rome",
        )
    )

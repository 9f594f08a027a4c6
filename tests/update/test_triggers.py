from __future__ import annotations

import pytest

from everloop.errors import InvalidInput
from everloop.extensions import triggers
from everloop.update.situation import Considered, Seen, Situation, Told
from everloop.update.spec import UpdateSpec
from everloop.update.triggers import check_triggers, parse_trigger
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


@pytest.mark.parametrize("name", triggers.names())
def test_every_trigger_reads_its_own_form_and_no_other(name: str) -> None:
    kind = triggers.get(name)
    assert isinstance(kind.parse(kind.form), kind)
    others = [other.form for key, other in triggers if key != name]
    assert all(kind.parse(form) is None for form in others)
    assert parse_trigger(kind.form).fires(Situation(now=0)) is None or kind.form.startswith("every")


@pytest.mark.parametrize(
    "text", ["drfit", "every", "every 5", "every day", "every 0 rows", "", "every -3 rows"]
)
def test_what_is_no_trigger_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"update\.when: got .* expected one of") as caught:
        check_triggers(UpdateSpec(when=("drift", text)))
    assert text != "drfit" or 'Did you mean "drift"?' in caught.value.message


def test_a_gain_beyond_reach_is_refused() -> None:
    with pytest.raises(InvalidInput, match="min_gain"):
        check_triggers(UpdateSpec(min_gain=1.5))

from __future__ import annotations

import msgspec
import pytest

from everloop.update.budget import Spent
from everloop.update.decide import decide, needs_probe, replay, triggered
from everloop.update.situation import Considered, Paused, Seen, Situation, Told
from everloop.update.spec import UpdateSpec
from everloop.update.worth import Worth

DAY = 86_400_000
SPEC = UpdateSpec()
DRIFT = Told("a1", "drift", 9 * DAY, "temp", "temp drifted: median 38 → 71")
FAULT = "distance looks multiplied by 1.609: miles → kilometres"
QUALITY = Told("a2", "quality", 9 * DAY, "distance", FAULT)
PAUSED = Paused("ana", 0, "audit")
QUIET = UpdateSpec(quiet=("sat",))
ONCE = UpdateSpec(budget=("1 cycle per 7d",))
DAILY = UpdateSpec(when=("every 1d",))
FITTED = UpdateSpec(when=("every 1d",), method="retrain")
GOOD = Seen(9 * DAY, 10 * DAY, 100, 100, False)
LATER = Considered(12 * DAY, 1_000)  # as a clock had it that was put back since
BAD = Seen(9 * DAY, 10 * DAY, 100, 100, True, (FAULT,))


def worth(gain: float, enough: bool = True) -> Worth:
    return Worth(
        metric="roc_auc",
        champion=0.62,
        challenger=0.62 + gain,
        gain=gain,
        low=gain - 0.01,
        high=gain + 0.01,
        needed=0.003,
        rows=900,
        trained_rows=9_000,
        seconds=1.0,
        worth=enough and gain > 0.01,
        enough=enough,
        note="" if enough else "only 3 labelled rows are new to the champion, 200 needed",
    )


def situation(**more: object) -> Situation:
    last = Considered(8 * DAY, 1_000)
    values = {"windows": (GOOD,), "rows": 1_100, "considered": last, "last_cycle": last}
    return Situation(now=10 * DAY, **values | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "spec", "action", "said"),
    [
        (situation(), SPEC, "none", "none of its triggers (drift, performance) sees a reason"),
        (situation(alerts=(DRIFT,)), SPEC, "cycle", "Update: temp drifted: median 38 → 71."),
        (situation(alerts=(DRIFT,), worth=worth(0.05)), SPEC, "cycle", "Worth it: a quick"),
        (situation(alerts=(DRIFT,), worth=worth(0.001)), SPEC, "none", "Not worth it: a quick"),
        (situation(alerts=(DRIFT,), worth=worth(0, False)), SPEC, "none", "only 3 labelled rows"),
        (situation(alerts=(DRIFT,)), UpdateSpec(cooldown="7d"), "none", "less than 7d ago"),
        (situation(alerts=(DRIFT,)), UpdateSpec(cooldown="2d"), "cycle", "Update"),
        (situation(alerts=(DRIFT,), last_cycle=LATER), SPEC, "cycle", "Update"),
        (
            situation(alerts=(DRIFT,), last_cycle=LATER),
            UpdateSpec(cooldown="1d"),
            "cycle",
            "Update",
        ),
        (situation(alerts=(DRIFT,)), UpdateSpec(when=()), "none", "triggers (nothing)"),
        (situation(windows=(BAD,), alerts=(QUALITY,)), SPEC, "refuse", FAULT),
        (situation(windows=(BAD,)), UpdateSpec(when=("every 1d",)), "refuse", "in quarantine"),
        (situation(windows=(BAD,)), SPEC, "none", "No update"),
        (situation(worth=worth(0.0)), DAILY, "none", "Not worth it: a quick"),
        (situation(worth=worth(0.05)), DAILY, "cycle", "Worth it: a quick"),
        (situation(worth=worth(0, False)), DAILY, "cycle", "Nothing tells whether it is worth it"),
        (situation(worth=worth(0.0)), FITTED, "cycle", "1d have passed"),
        (situation(timed=Considered(10 * DAY, 1_100)), DAILY, "none", "sees a reason"),
        (situation(), UpdateSpec(when=("every 1d",), cooldown="9d"), "cycle", "1d have passed"),
        (
            situation(alerts=(DRIFT,), paused=PAUSED),
            SPEC,
            "none",
            "has paused the loop (audit)",
        ),
        (
            situation(paused=PAUSED),
            UpdateSpec(when=("every 1d",)),
            "none",
            "ana has paused",
        ),
        (situation(alerts=(DRIFT,), clock=9 * DAY), QUIET, "none", 'quiet hours ("sat", UTC)'),
        (situation(alerts=(DRIFT,), clock=10 * DAY), QUIET, "cycle", "Update"),
        (situation(alerts=(DRIFT,), spent=(Spent(9 * DAY, 5.0),)), ONCE, "none", "1 used of the"),
        (situation(alerts=(DRIFT,), spent=(Spent(2 * DAY, 5.0),)), ONCE, "cycle", "Update"),
        (situation(windows=(BAD,), alerts=(QUALITY,), paused=PAUSED), SPEC, "refuse", FAULT),
        (
            situation(windows=(Seen(9 * DAY, 10 * DAY, 9, 9, False, (), ("temp",)),)),
            SPEC,
            "none",
            "temp is as it was when an update was last considered",
        ),
    ],
)
def test_the_decision_and_its_reason(
    at: Situation, spec: UpdateSpec, action: str, said: str
) -> None:
    decision = decide(at, spec)
    assert (decision.action, said in decision.reason) == (action, True), decision.reason
    assert decision.reason[0].isupper() and decision.reason.endswith(".")
    recorded = msgspec.json.decode(msgspec.json.encode(decision.evidence))
    assert replay(recorded) == decision


BROKEN = msgspec.structs.replace(BAD, broken=("distance",))
DROP, OTHER = UpdateSpec(fallback="drop"), UpdateSpec(fallback="version")


@pytest.mark.parametrize(
    ("more", "spec", "action", "said"),
    [
        ({}, DROP, "cycle", "A model without distance is trained on the sound rows"),
        ({"without": 3}, OTHER, "cycle", "Version 3 does not read distance and serves instead"),
        ({}, OTHER, "refuse", "No version does without distance."),
        ({"attempted": True}, DROP, "refuse", "A way round distance was tried already."),
        ({"avoided": True}, DROP, "none", "the champion does not read what broke"),
        ({"paused": PAUSED}, DROP, "refuse", "in quarantine"),
        ({"windows": (BAD,)}, DROP, "refuse", "No feature is what broke"),
        ({}, SPEC, "refuse", "Mend the source, or release the window"),
    ],
)
def test_a_broken_feature_is_gone_round_where_the_policy_says_so(
    more: dict[str, object], spec: UpdateSpec, action: str, said: str
) -> None:
    found = decide(situation(**{"windows": (BROKEN,), "alerts": (QUALITY,), **more}), spec)
    assert (found.action, said in found.reason) == (action, True), found.reason
    if action == "cycle":
        assert (found.cause.get("drop"), found.cause.get("version")) in (
            (["distance"], None),
            (None, 3),
        )
    assert replay(msgspec.json.decode(msgspec.json.encode(found.evidence))) == found


def test_a_refusal_names_the_window_and_the_way_out() -> None:
    reason = decide(situation(windows=(BAD,), alerts=(QUALITY,)), SPEC).reason
    assert "from 1970-01-10 to 1970-01-11" in reason
    assert "release the window" in reason


def test_the_cause_goes_to_the_cycle() -> None:
    spec = UpdateSpec(when=("drift", "every 1d"))
    cause = decide(situation(alerts=(DRIFT,)), spec).cause
    assert cause["kind"] == "drift"
    assert cause["triggers"] == ["drift", "schedule"]
    assert (cause["alerts"], cause["features"], cause["at"]) == (["a1"], ["temp"], 10 * DAY)


@pytest.mark.parametrize(
    ("at", "spec", "needed"),
    [
        (situation(), SPEC, False),
        (situation(alerts=(DRIFT,)), SPEC, True),
        (situation(alerts=(DRIFT,)), UpdateSpec(cooldown="7d"), False),
        (situation(alerts=(DRIFT,)), UpdateSpec(when=("drift", "every 1d")), True),
        (situation(), UpdateSpec(when=("every 1d",)), True),
        (situation(), UpdateSpec(when=("every 1d",), cooldown="9d"), True),
        (situation(), UpdateSpec(when=("every 1d",), method="retrain"), False),
        (situation(windows=(BAD,), alerts=(DRIFT,)), SPEC, False),
    ],
)
def test_a_probe_is_asked_for_only_where_it_decides(
    at: Situation, spec: UpdateSpec, needed: bool
) -> None:
    assert needs_probe(at, spec) is needed
    assert not needed or triggered(at, spec)

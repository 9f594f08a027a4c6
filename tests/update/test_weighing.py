from __future__ import annotations

import msgspec
import pytest
from test_decide import DRIFT, situation, worth

from everloop.errors import InvalidInput
from everloop.update.checking import check_update
from everloop.update.cost import Experience, Training, cost_of
from everloop.update.decide import decide, replay
from everloop.update.realised import Expected, MeasuredWindow, Realised, with_window
from everloop.update.record import PastUpdate, share_that_comes_true
from everloop.update.situation import Estimated, Seen
from everloop.update.spec import UpdateSpec, ValueSpec
from everloop.update.weighing import weigh

DAY = 86_400_000
MONEY = UpdateSpec(
    value=ValueSpec(50.0, 0.01, "30d"), hour=6.0, review=20.0, bad_hour=10.0, approval="human"
)
FITS = (Training(3600.0), Training(9999.0), Training(60.0), Training(6.0, "calibrate"))
HOUR = Experience(trained=FITS, rollouts=15, rolled_back=1, on_trial=(2.0,))


def past(*realised: float, expected: float = 0.04, error: float = 0.005) -> Experience:
    updates = (PastUpdate(n, "roc_auc", expected, error, r, error) for n, r in enumerate(realised))
    return Experience(updates=tuple(updates))


def test_without_a_record_a_probe_is_believed() -> None:
    found = weigh(worth(0.05), situation(), UpdateSpec())
    assert (found.worth, found.share, found.updates) == (True, 1.0, 0)
    assert (found.gain, found.needed, found.cost) == (0.05, 0.003, None)


@pytest.mark.parametrize(
    ("realised", "least", "most"),
    [
        ((0.04, 0.041, 0.039), 0.95, 1.0),
        ((0.02, 0.021, 0.019), 0.5, 0.56),
        ((0.02,), 0.5, 0.6),  # less sure, so nearer to one
        ((0.08, 0.09), 1.0, 1.0),  # never more than what the probe said
        ((-0.04, -0.03, -0.04), 0.25, 0.25),  # never nothing, or it would never be learned again
        ((0.08, -0.04, 0.06, -0.02), 0.5, 0.95),  # updates differ: half is known of little
    ],
)
def test_the_share_that_came_true(realised: tuple[float, ...], least: float, most: float) -> None:
    found = share_that_comes_true(past(*realised).updates, "roc_auc")
    assert least <= found.value <= most
    assert found.updates == len(realised)
    assert share_that_comes_true(past(*realised).updates, "accuracy").updates == 0


def test_a_record_of_disappointments_turns_a_yes_into_a_no_that_names_it() -> None:
    at = situation(alerts=(DRIFT,), worth=worth(0.005 + 0.01), experience=past(0.005, 0.006))
    spec = UpdateSpec()
    strict = msgspec.structs.replace(at, worth=msgspec.structs.replace(worth(0.015), needed=0.01))
    assert decide(msgspec.structs.replace(strict, experience=None), spec).action == "cycle"
    found = decide(strict, spec)
    assert found.action == "none"
    assert "came true in 2 past updates, which leaves +0.00" in found.reason
    assert "a gain of 0.0100 would be. Seen: temp drifted" in found.reason
    assert replay(msgspec.json.decode(msgspec.json.encode(found.evidence))) == found


def test_a_gain_pays_for_compute_a_review_and_the_risk() -> None:
    at = situation(alerts=(DRIFT,), worth=worth(0.05), experience=HOUR)
    found = decide(at, MONEY)
    assert found.action == "cycle" and found.weighed is not None
    cost = found.weighed.cost
    assert cost is not None
    assert (cost.compute, cost.review) == (6.0, 20.0)
    assert cost.risk == pytest.approx(1.5 / 20 * 2 * 10)
    assert found.weighed.money == pytest.approx(250)
    two = msgspec.structs.replace(MONEY, approvals={"risk": 1, "owner": 1})
    assert cost_of(HOUR, two, "retrain").review == 40.0
    assert cost_of(HOUR, MONEY, "calibrate").compute == pytest.approx(0.01)
    assert found.weighed.needed == pytest.approx(0.01 * cost.total / 50)
    said = "it is worth 250.00 over 30 days and costs 27.50 (compute 6.00, review 20.00, rollout's"
    assert said in found.reason and "needed" not in found.reason
    assert replay(msgspec.json.decode(msgspec.json.encode(found.evidence))) == found


def test_what_does_not_pay_is_left_and_says_what_would() -> None:
    dear = msgspec.structs.replace(MONEY, value=ValueSpec(1.0, 0.01, "30d"))
    found = decide(situation(alerts=(DRIFT,), worth=worth(0.05), experience=HOUR), dear)
    assert found.action == "none"
    assert "worth 5.00 over 30 days and costs 27.50" in found.reason
    assert "a gain of 0.2750 would be" in found.reason
    often = msgspec.structs.replace(HOUR, lasted=(DAY, 3 * DAY, 2 * DAY))
    soon = decide(situation(alerts=(DRIFT,), worth=worth(0.05), experience=often), MONEY)
    assert soon.action == "none" and "worth 16.67 over 2 days" in soon.reason


def test_an_unsure_gain_says_how_many_rows_would_tell() -> None:
    unsure = msgspec.structs.replace(worth(0.02), low=-0.02, high=0.06)
    assert (
        "the same gain on about 3,600 rows would be"
        in weigh(unsure, situation(), UpdateSpec()).would
    )


def test_before_labels_the_estimate_bounds_what_could_be_won_back() -> None:
    waiting = Seen(9 * DAY, 10 * DAY, 100, 0, False, estimated=Estimated("roc_auc", 0.6, 0.65))
    at = situation(alerts=(DRIFT,), worth=worth(0, enough=False), windows=(waiting,))
    assert "0.0500 below the 0.65 when it was tested" in decide(at, UpdateSpec()).reason


def test_windows_add_up_to_one_gain_and_none_counts_twice() -> None:
    expected = Expected("probe", "roc_auc", 0.04, 0.03, 0.05)
    found = Realised(3, 2, "roc_auc", expected)
    assert "no labels have come yet" in found.sentence() and found.past(7) is None
    found = with_window(found, 1, MeasuredWindow(1, 100, 0.01, 0.01))
    found = with_window(found, 2, None, "quiet")
    found = with_window(found, 3, MeasuredWindow(3, 300, 0.03, 0.01))
    assert (found.rows, found.looked, found.gain) == (400, (1, 2, 3), pytest.approx(0.025))
    assert found.error == pytest.approx((100**2 + 300**2) ** 0.5 / 400 * 0.01)
    apart = with_window(found, 4, MeasuredWindow(4, 300, 0.5, 0.01))
    assert apart.error > 0.1  # windows that differ say more of the error than each of them
    one = found.past(7)
    assert one is not None and (one.cycle, one.expected, one.realised) == (7, 0.04, found.gain)
    assert "+0.0400 was expected" in found.sentence()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (UpdateSpec(value=ValueSpec(0.0)), "update.value.money"),
        (UpdateSpec(value=ValueSpec(1.0, 0.0)), "update.value.per"),
        (UpdateSpec(value=ValueSpec(1.0, 0.1, "0d")), "update.value.over"),
        (UpdateSpec(value=ValueSpec(1.0, 0.1, "a month")), "update.value.over"),
        (UpdateSpec(review=-1.0), "update.review"),
        (UpdateSpec(bad_hour=float("nan")), "update.bad_hour"),
    ],
)
def test_a_price_that_is_none_is_named(spec: UpdateSpec, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_update(spec)
    assert raised.value.message.startswith(f"{field}: got ")

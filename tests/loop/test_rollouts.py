"""Rollouts look by look: what they count, what they decide, and that they survive everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rollout_stand import CANARY, Stand

from everloop.deploy.rollouts import Do, Rollout, Wish
from everloop.deploy.serving.standing import remove_standing
from everloop.errors import Conflict
from everloop.loop.project import Project
from everloop.loop.rollouts import Carrier


@pytest.fixture
def stand(project: Project) -> Stand:
    return Stand(project)


def test_each_request_is_counted_once_whoever_counts(stand: Stand) -> None:
    rollout = stand.look(stand.begin(**CANARY))
    assert (rollout.stage, stand.arms()) == (0, [(1, "champion", 0.8), (2, "canary", 0.2)])
    for turn in range(1, 4):
        stand.answer(1, 8, "champion")
        stand.answer(2, 2, "canary")
        for _ in range(2):  # the second look finds nothing new
            rollout = stand.look(rollout)
            seen = rollout.evidence.requests
            assert seen == {"1": (8 * turn, 0), "2": (2 * turn, 0)}
    assert rollout.evidence.guards["2"]["error_rate"] == {"canary": [6, 0], "champion": [24, 0]}
    assert rollout.state == "running"


def test_a_stage_that_has_seen_enough_leads_to_the_next_and_to_the_end(stand: Stand) -> None:
    rollout = stand.look(stand.begin(**CANARY, min_requests=20))
    stand.answer(1, 80, "champion")
    stand.answer(2, 20, "canary")
    rollout = stand.look(rollout)
    assert (rollout.stage, stand.arms()[1]) == (1, (2, "canary", 0.5))
    assert rollout.evidence.requests == {}
    stand.answer(2, 20, "canary")
    rollout = stand.look(rollout)
    assert (rollout.state, stand.look(rollout)) == ("promoted", rollout)
    stages = rollout.evidence.stages
    assert [(s["weight"], s["verdict"], s["canary"]["requests"]) for s in stages] == [
        (0.2, "pass", 20),
        (0.5, "pass", 20),
    ]
    assert stand.events() == ["rollout.began", "rollout.stage", "rollout.stage", "rollout.promoted"]


def test_a_failing_version_is_taken_back_with_its_numbers(stand: Stand) -> None:
    rollout = stand.look(stand.begin(**CANARY))
    stand.answer(1, 50, "champion")
    stand.answer(2, 20, "canary", failed=True)
    rollout = stand.look(rollout)
    assert rollout.state == "rolled_back"
    assert "failed on 20 of 20 requests" in (rollout.reason or "")
    assert stand.arms() == [(1, "champion", 1.0)]
    (event,) = [e for e in stand.project.events.latest(9) if e.kind == "rollout.rolled_back"]
    assert event.payload["stages"][0]["canary"] == {"requests": 20, "errors": 20}


def test_a_stage_ends_with_its_time(stand: Stand) -> None:
    rollout = stand.look(stand.begin(**CANARY | {"hold": "0s"}))
    assert stand.look(rollout).stage == 1
    stages = stand.look(rollout).evidence.stages
    assert "held for 0s with 0 canary predictions" in stages[0]["reason"]


def test_no_time_passes_while_nobody_answers(stand: Stand) -> None:
    rollout = stand.look(stand.begin(**CANARY | {"hold": "0s"}))
    remove_standing(stand.project.serving_dir)
    rollout = stand.look(rollout)
    assert (rollout.stage, rollout.evidence.left) == (0, 0)


def test_a_person_pauses_and_goes_on_and_ends(stand: Stand) -> None:
    def ask(do: Do) -> Rollout:
        stand.project.rollouts.ask(rollout.id, Wish(do, "me", "why"))
        return stand.look(rollout)

    rollout = stand.look(stand.begin(**CANARY, min_requests=5))
    assert ask("pause").state == "paused"
    stand.answer(2, 5, "canary")
    assert (stand.look(rollout).stage, stand.look(rollout).state) == (0, "paused")
    assert ask("resume").state == "running"
    stand.look(rollout)  # the clock goes on
    assert stand.look(rollout).stage == 1
    assert ask("rollback").state == "rolled_back"
    assert stand.arms() == [(1, "champion", 1.0)]
    with pytest.raises(Conflict, match="rolled back"):
        ask("promote")
    assert stand.events()[-3:] == ["rollout.stage", "rollout.asked", "rollout.rolled_back"]
    assert "rollout.paused" in stand.events() and "rollout.resumed" in stand.events()


def test_a_paused_rollout_is_still_watched(stand: Stand) -> None:
    rollout = stand.look(stand.begin(**CANARY))
    stand.project.rollouts.ask(rollout.id, Wish("pause", "me"))
    stand.look(rollout)
    stand.answer(2, 20, "canary", failed=True)
    assert stand.look(rollout).state == "rolled_back"


def test_a_shadow_is_compared_row_by_row_over_parts(stand: Stand) -> None:
    guards = ("disagreement", "error_rate")
    rollout = stand.look(stand.begin(kind="shadow", guards=guards, hold="1h", min_requests=100))
    assert stand.arms() == [(1, "champion", 1.0), (2, "shadow", 0.0)]
    stand.answer(1, 40, "champion", first=0)
    rollout = stand.look(rollout)  # the shadow's answers come in a later part
    stand.answer(2, 20, "shadow", first=0)
    rollout = stand.look(rollout)
    assert rollout.evidence.guards["2"]["disagreement"]["pairs"] == [20, 0]
    assert len(rollout.evidence.unpaired["2"]["key"]) == 20
    stand.answer(2, 20, "shadow", y=False, first=20)
    rollout = stand.look(rollout)
    assert rollout.state == "rolled_back"
    assert "20 of 40 rows were answered otherwise" in (rollout.reason or "")


def test_blue_green_loads_and_then_switches_at_once(stand: Stand) -> None:
    rollout = stand.look(stand.begin(kind="blue_green"))
    assert stand.arms() == [(1, "champion", 1.0), (2, "standby", 0.0)]
    assert stand.look(rollout).state == "promoted"


@pytest.mark.parametrize("kind", ["ab", "bandit"])
def test_labels_choose_among_several(stand: Stand, kind: str) -> None:
    rollout = stand.look(stand.begin([2, 3], kind=kind, guards=("error_rate",), hold="1h"))
    assert stand.arms() == [(1, "champion", 0.5), (2, "variant", 0.25), (3, "variant", 0.25)]
    for version, right in ((1, 40), (2, 35), (3, 78)):
        ids = stand.answer(version, 80, "variant" if version > 1 else "champion")
        stand.label(ids[:right], True)
        stand.label(ids[right:], False)
    rollout = stand.look(rollout)
    assert rollout.evidence.labels == {"1": (80, 40), "2": (80, 45), "3": (80, 2)}
    assert (rollout.state, rollout.evidence.stages[-1]["winner"]) == ("promoted", 3)
    assert "version 3 is the best" in (rollout.reason or "")


def test_interleaved_rankers_are_compared_by_what_is_chosen(stand: Stand) -> None:
    """Rows without a label were shown and not chosen."""
    rollout = stand.look(stand.begin(kind="interleave", hold="1h"))
    assert stand.arms() == [(1, "champion", 1.0), (2, "interleaved", 0.0)]
    stand.label(stand.answer(1, 200, "champion")[:10], True)
    stand.label(stand.answer(2, 200, "interleaved")[:90], True)
    rollout = stand.look(rollout)
    assert rollout.evidence.labels == {"1": (200, 190), "2": (200, 110)}
    assert rollout.state == "promoted"


def test_a_bandit_deals_the_traffic_anew(stand: Stand) -> None:
    rollout = stand.look(stand.begin(kind="bandit", min_requests=10, hold="1h"))
    for version, right in ((1, 6), (2, 8)):
        ids = stand.answer(version, 10, "variant")
        stand.label(ids[:right], True)
        stand.label(ids[right:], False)
    rollout = stand.look(rollout)
    assert rollout.state == "running"
    weights = {version: weight for version, _, weight in stand.arms()}
    assert weights[2] > 0.6 and sum(weights.values()) == pytest.approx(1.0)


def test_without_proof_the_champion_stays(stand: Stand) -> None:
    rollout = stand.look(stand.begin(kind="ab", hold="0s"))
    rollout = stand.look(rollout)
    assert rollout.state == "rolled_back"
    assert "no version was shown to be the best" in (rollout.reason or "")


@pytest.mark.parametrize("method", ["_set_arms", "_summary"])
def test_killed_in_the_midst_of_a_decision_it_is_made_by_the_next_process(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    rollout = stand.look(stand.begin(**CANARY, min_requests=5))
    stand.answer(2, 5, "canary")

    def killed(*_: object) -> Callable[..., None]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Carrier, method, killed)
        with pytest.raises(KeyboardInterrupt):
            stand.look(rollout)
    assert stand.arms()[1] == (2, "canary", 0.2)
    rollout = stand.look(rollout)
    assert (rollout.stage, stand.arms()[1]) == (1, (2, "canary", 0.5))
    assert rollout.evidence.stages[0]["canary"]["requests"] == 5

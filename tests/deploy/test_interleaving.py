"""Two rankers in one list: fair by construction, logged by team, and never at the caller's cost."""

from __future__ import annotations

import numpy as np
from serving_harness import ROW

from everloop.deploy.serving.interleaving import draft
from everloop.deploy.state import Arm


def test_each_team_picks_its_best_in_turn():
    rng = np.random.default_rng(0)
    for n in range(2, 30):
        mine, other = rng.normal(size=n).tolist(), rng.normal(size=n).tolist()
        found = draft(mine, other, str(n))
        assert sorted(found.order) == list(range(n))
        for start in range(0, n - 1, 2):
            assert set(found.mine[start : start + 2]) == {True, False}
        left = set(range(n))
        for row, own in zip(*found, strict=True):
            scores = mine if own else other
            assert scores[row] == max(scores[each] for each in left)
            left.remove(row)
        assert sorted(range(n), key=lambda row: -found.scores()[row]) == found.order


def test_equal_rankers_are_chosen_equally_and_a_key_always_sees_the_same():
    scores = [3.0, 2.0, 1.0]
    first = [draft(scores, scores, str(key)).mine[0] for key in range(2000)]
    assert 0.46 < np.mean(first) < 0.54
    assert draft(scores, scores, "k") == draft(scores, scores, "k")
    assert draft(scores, scores, "k").order == [0, 1, 2]


def rows(n):
    return [{**ROW, "id": f"i{place}", "x0": float(place)} for place in range(n)]


def test_a_list_is_answered_by_both_and_logged_by_team(project, start):
    old, new = project.linear(), project.linear(100.0)
    project.want(flights=[Arm(1, old), Arm(2, new, 0.0, "interleaved")])
    serving = start()
    answer = serving.predict(rows(5), headers={"x-everloop-key": "me"})
    assert answer.status_code == 200
    assert answer.json()["y_pred"] == [1.0, 2.0, 3.0, 4.0, 5.0]  # both rank by x0
    records = {record["version"]: record for record in serving.records()}
    assert {version: record["arm"] for version, record in records.items()} == {
        1: "champion",
        2: "interleaved",
    }
    assert {len(record["ids"]) for record in records.values()} == {2, 3}
    assert sorted(id for r in records.values() for id in r["ids"]) == [f"i{n}" for n in range(5)]
    for record in records.values():
        assert len(record["y"]) == len(record["columns"]["x0"]) == len(record["ids"])
    assert min(records[2]["y"]) > 90 > max(records[1]["y"])  # each with its own scores
    assert serving.predict([ROW]).headers["x-everloop-version"] == "1"


def test_a_rival_that_cannot_answer_costs_no_caller(project, models, start):
    broken = project.mixed()  # reads other columns
    project.want(flights=[Arm(1, project.linear()), Arm(2, broken, 0.0, "interleaved")])
    serving = start()
    answer = serving.predict(rows(3))
    assert answer.status_code == 200 and answer.headers["x-everloop-version"] == "1"
    found = sorted((r["version"], r["error"] is not None) for r in serving.records())
    assert found == [(1, False), (2, True)]

"""Backtests that are asked for over HTTP, and those that the folder has, in API and console."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
from server_helpers import Client

from everloop.loop.backtests.places import PAGE, PLAN, REPORT, folder_of
from everloop.loop.backtests.records import Backtested, Begun, Outcome, Plan, Policy, Span
from everloop.loop.declaration import from_dict, to_dict
from everloop.loop.mover import Mover
from everloop.loop.project import Project
from everloop.replacing import replace_file

V1 = "/api/v1"
LOOP = {
    "loop": {"name": "flow"},
    "data": {"source": "rows.csv", "target": "y", "time": "t"},
    "train": {"candidates": ["logistic_regression"]},
}


def finished(project: Project) -> None:
    """The files of a backtest that is over."""
    folder = folder_of(project, "over")
    folder.mkdir(parents=True)
    declaration = to_dict(from_dict(LOOP).declaration)
    policies = [Policy("never", {"when": []}), Policy("<b>own", {})]
    begun = Begun(
        id="over", loop="flow", created=1, plan=Plan(), declaration=declaration, policies=policies,
        notes=[], begin=0, width=86_400_000, count=2, delay=0, metric="accuracy",
        greater_is_better=True,
    )  # fmt: skip
    outcomes = [
        Outcome(
            name=policy.name, update=policy.update, score=0.7, low=0.6, high=0.8, behind=0.0,
            behind_low=0.0, behind_high=0.0, regret=0.0, updates=1, fits=1, seconds=2.0,
            verdicts={"promoted": 1}, scores=[0.6, 0.8], versions=[1, 2],
            events=[(0, "promoted", "better")],
        )
        for policy in policies
    ]  # fmt: skip
    spans = [Span(0, 86_400_000, 10, 10), Span(86_400_000, 172_800_000, 10, 10)]
    found = Backtested(
        id="over", loop="flow", metric="accuracy", greater_is_better=True, windows=spans,
        train_rows=100, delay=0, labels=1.0, seed=0, policies=outcomes, best="never",
        choice="never", notes=[],
    )  # fmt: skip
    replace_file(folder / PAGE, b"<p>the report</p>")
    replace_file(folder / REPORT, msgspec.json.encode(found))
    replace_file(folder / PLAN, msgspec.json.encode(begun))


def test_asked_refused_and_shown(client: Client, project: Project) -> None:
    project.cycles.save_loop(from_dict(LOOP).declaration, actor="test")
    for wrong, status, said in (
        ({"data": "/etc/passwd"}, 403, "may not be reached over HTTP"),
        ({"windows": 1}, 422, "windows: got 1"),
        ({"loop": "none"}, 404, "none"),
        ({"polcies": {}}, 422, "polcies"),
    ):
        answer = client.post(f"{V1}/backtests", json={"loop": "flow"} | wrong)
        assert answer.status_code == status and said in answer.text, (wrong, answer.text)
    pl.DataFrame({"t": [0], "y": [True]}).write_csv(Path(project.dir, "rows.csv"))
    asked = client.post(f"{V1}/backtests", json={"loop": "flow", "policies": {"never": {}}})
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    path = f"{V1}/backtests/{asked.json()['id']}"
    assert client.post(f"{path}/stop").json()["state"] == "stopped"
    assert client.post(f"{path}/resume").json()["state"] == "waiting"
    assert Mover(project, ["backtest"]).do_one()
    failed = client.get(path).json()
    assert failed["state"] == "failed" and failed["error"].startswith(
        "data.target: y: got 'True in every row'"
    )

    finished(project)
    items = client.get(f"{V1}/backtests").json()["items"]
    assert [(one["id"], one["state"]) for one in items] == [
        (failed["id"], "failed"), ("over", "done"),
    ]  # fmt: skip
    over = client.get(f"{V1}/backtests/over").json()
    assert over["result"]["best"] == "never" and over["done"] == over["total"] == 4
    assert "the report" in client.get(f"{V1}/backtests/over/report").text
    assert client.get(f"{V1}/backtests/none").status_code == 404
    assert client.get(f"{path}/report").status_code == 404
    listing = client.get("/backtests").text
    assert "/backtests/over" in listing and "True in every row" in listing
    page = client.get("/backtests/over").text
    assert "&lt;b&gt;own" in page and "<b>own" not in page and page.count("<svg") == 2
    assert client.get("/backtests/over.json").json() == over
    assert "It is not over" in client.get(f"/backtests/{failed['id']}").text

"""The HTTP API over a real project: what is read, what is begun, how lists are paged."""

from __future__ import annotations

import polars as pl
import pytest
from server_helpers import LOOP_FILE, Client

from everloop.data.schema import Feature, Schema
from everloop.deploy.state import Arm
from everloop.loop.project import Project

V1 = "/api/v1"


def finished(project: Project, count: int) -> None:
    """Cycles with a verdict."""
    for number in range(count):
        cycle = project.cycles.create(
            "flights", cause={"kind": "person"}, plan=["train"], actor="t"
        )
        project.cycles.finish(cycle.id, verdict="rejected", reason=f"reason {number + 1}")


def test_status_and_loops(client: Client) -> None:
    status = client.get(f"{V1}/status").json()
    assert status["loops"][0]["loop"] == "flights"
    assert status["serving"] is False
    assert client.get(f"{V1}/loops").json()["items"] == status["loops"]
    loop = client.get(f"{V1}/loops/flights").json()
    assert loop["declaration"]["data"]["target"] == "late"
    missing = client.get(f"{V1}/loops/flihgts")
    assert missing.status_code == 404
    assert "flights" in missing.json()["error"]["fix"]


def test_history_is_paged_by_key(client: Client, project: Project) -> None:
    finished(project, 5)
    seen, before = [], ""
    for _ in range(3):
        page = client.get(f"{V1}/loops/flights/history?limit=2{before}").json()
        seen += [cycle["number"] for cycle in page["items"]]
        before = f"&before={page['next']}"
    assert seen == [5, 4, 3, 2, 1]
    assert page["next"] is None
    everywhere = client.get(f"{V1}/cycles").json()["items"]
    assert [cycle["number"] for cycle in everywhere] == [5, 4, 3, 2, 1]


def test_a_verb_begins_a_cycle_and_says_where_to_watch_it(client: Client, project: Project) -> None:
    answer = client.post(f"{V1}/loops/flights/cycles", json={"comment": "after the fix"})
    assert answer.status_code == 202
    cycle = answer.json()
    assert cycle["state"] == "running"
    assert cycle["cause"]["comment"] == "after the fix"
    watched = client.get(answer.headers["location"]).json()
    assert watched["cycle"]["id"] == cycle["id"]
    assert watched["steps"] == []
    second = client.post(f"{V1}/loops/flights/train")
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "cycle_under_way"
    last = project.events.latest(1)[0]
    assert (last.kind, last.actor) == ("cycle.started", "http:local")


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd", "../other.csv", "nothing.csv", "a\0b", "", ".", "everloop.toml",
        ".everloop/keys/signing.key",
    ],
)  # fmt: skip
def test_an_update_reads_files_of_the_project_only(client: Client, source: str) -> None:
    answer = client.post(f"{V1}/loops/flights/update", json={"source": source})
    assert answer.status_code == 422
    assert answer.json()["error"]["path"] == "source"


def test_an_update_with_new_rows_begins_a_cycle(client: Client, project: Project) -> None:
    answer = client.post(f"{V1}/loops/flights/update", json={"source": "data.csv"})
    assert answer.status_code == 202
    source = str(project.dir / "data.csv")
    assert answer.json()["cause"] == {"kind": "data", "source": source, "by": "http:local"}


def test_an_update_by_a_method_is_checked_before_it_begins(client: Client) -> None:
    path = f"{V1}/loops/flights/update"
    wrong = client.post(path, json={"method": "retrian"})
    assert wrong.status_code == 422 and wrong.json()["error"]["path"] == "update.method"
    assert 'Did you mean "retrain"?' in wrong.json()["error"]["fix"]
    both = client.post(path, json={"method": "retrain", "source": "data.csv"})
    assert both.status_code == 422
    none = client.post(path, json={"window": "newest 3d"})
    assert none.status_code == 404 and "no champion" in none.json()["error"]["message"]
    assert client.get(f"{V1}/cycles").json()["items"] == []


def test_a_person_decides_a_waiting_cycle(client: Client, project: Project) -> None:
    cycle = project.cycles.create("flights", cause={"kind": "person"}, plan=["approve"], actor="t")
    early = client.post(f"{V1}/cycles/{cycle.id}/approve")
    assert early.status_code == 409
    project.cycles.begin_step(cycle.id, "approve", 0)
    project.cycles.set_state(cycle.id, "waiting")
    said = client.post(f"{V1}/cycles/{cycle.id}/reject", json={"comment": "not on a Friday"})
    assert said.status_code == 200
    step = client.get(f"{V1}/cycles/{cycle.id}").json()["steps"][0]
    assert step["result"]["comment"] == "not on a Friday"
    assert step["result"]["by"] == "http:local"
    assert client.post(f"{V1}/cycles/{cycle.id}/approve").status_code == 409
    assert client.post(f"{V1}/cycles/nothing/approve").status_code == 404


def test_check_tells_what_is_wrong(client: Client) -> None:
    good = client.post(f"{V1}/check", json={"text": LOOP_FILE}).json()
    assert good["ok"] is True
    assert good["declaration"]["monitor"]["window"] == "1d"
    bad = client.post(f"{V1}/check", json={"text": LOOP_FILE + '\n[evaluate]\nmetrik = "x"'}).json()
    assert bad["ok"] is False
    assert bad["error"]["path"] == "evaluate.metrik"
    gate = client.post(
        f"{V1}/check", json={"text": LOOP_FILE + '\n[evaluate]\ngates = ["roc_acu >= 0.6"]'}
    ).json()
    assert gate["ok"] is False and "roc_auc" in gate["error"]["message"]


def test_models_and_aliases(client: Client, project: Project) -> None:
    assert client.get(f"{V1}/models").json() == {"items": [], "next": None}
    for number in range(3):
        project.registry.register(
            "flights", key=f"k{number}", digest="a" * 64, algorithm="ridge",
            files={"model.onnx": "b" * 64}, run=None, dataset=None, cycle=None,
            metrics={"r2": 0.5}, actor="t",
        )  # fmt: skip
    page = client.get(f"{V1}/models/flights/versions?limit=2").json()
    assert [v["version"] for v in page["items"]] == [3, 2]
    rest = client.get(f"{V1}/models/flights/versions?limit=2&before={page['next']}").json()
    assert [v["version"] for v in rest["items"]] == [1]
    path = f"{V1}/models/flights/aliases"
    assert client.put(f"{path}/stable", json={"version": 2}).json() == {"aliases": {"stable": 2}}
    assert client.put(f"{path}/stable", json={"version": 9}).status_code == 404
    assert client.delete(f"{path}/stable").json() == {"aliases": {}}
    assert client.put(f"{path}/champion", json={"version": 1}).status_code == 200
    project.endpoints.set_rollout("flights", "flights", [Arm(1, "a" * 64)], "t")
    assert client.put(f"{path}/champion", json={"version": 2}).status_code == 409
    assert client.delete(f"{path}/champion").status_code == 409
    assert client.delete(f"{V1}/models/flights/versions/1").json()["error"]["code"] == "served"
    assert client.delete(f"{V1}/models/flights/versions/2").status_code == 200
    assert client.get(f"{V1}/models/flights/versions/x").status_code == 422
    assert client.get(f"{V1}/models/nothing/versions").status_code == 404


def test_runs_and_datasets(client: Client, project: Project) -> None:
    runs = [project.runs.start("flights", f"run {n}", {}) for n in range(3)]
    project.runs.log_metrics(runs[0], {"auc": float("nan"), "loss": 0.25})
    metrics = client.get(f"{V1}/runs/{runs[0]}").json()["metrics"]
    assert {key: point["value"] for key, point in metrics.items()} == {"auc": None, "loss": 0.25}
    page = client.get(f"{V1}/runs?limit=2").json()
    rest = client.get(f"{V1}/runs?limit=2&before={page['next']}").json()
    assert {r["id"] for r in page["items"] + rest["items"]} == set(runs)
    assert client.get(f"{V1}/runs?before=forged").status_code == 422
    assert client.get(f"{V1}/datasets").json()["items"] == []
    assert client.get(f"{V1}/datasets?before=1").status_code == 422
    assert client.get(f"{V1}/datasets/nothing").status_code == 404


def test_a_dataset_version_is_profiled(client: Client, project: Project) -> None:
    frame = pl.DataFrame({"a": [1.0, None, 3.0] * 100, "late": ["yes", "no", "no"] * 100})
    schema = Schema((Feature("a", "number"),), "late", "binary", ("no", "yes"))
    made = project.datasets.snapshot(frame, "flights", schema, {})
    told = client.get(f"{V1}/datasets/{made.digest}/profile").json()
    assert told["rows"] == 300
    assert (told["columns"]["a"]["missing"], told["columns"]["a"]["distinct"]) == (100, 2)
    assert told["columns"]["late"]["sketch"]["counts"] == [200, 100]
    assert client.get(f"{V1}/datasets/nothing/profile").status_code == 404
    assert client.get(f"{V1}/endpoints/flights/windows/5/report").status_code == 404


def test_endpoints_windows_and_alerts(client: Client) -> None:
    assert client.get(f"{V1}/endpoints").json()["items"] == []
    assert client.get(f"{V1}/endpoints/flights").status_code == 404
    assert client.get(f"{V1}/endpoints/flights/windows").json() == {"items": [], "next": None}
    assert client.get(f"{V1}/endpoints/flights/alerts").json() == {"items": [], "next": None}
    assert client.get(f"{V1}/endpoints/flights/alerts?before=x").status_code == 422
    assert client.get(f"{V1}/alerts/{'a' * 64}/cause").status_code == 404
    assert client.get(f"{V1}/alerts/a%25/cause").status_code == 422


def test_predict_says_when_the_data_plane_is_away(client: Client) -> None:
    answer = client.post(f"{V1}/loops/flights/predict", json=[{"a": 1}])
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "data_plane_away"
    assert client.post(f"{V1}/loops/flights/predict", content=b"[{").status_code == 400


def test_events_and_their_audit(client: Client, project: Project) -> None:
    import sqlalchemy as sa

    finished(project, 2)
    newest = client.get(f"{V1}/events?limit=1").json()["items"][0]
    assert newest["kind"] == "cycle.finished"
    ordered = client.get(f"{V1}/events?after=0&limit=3").json()
    assert [e["seq"] for e in ordered["items"]] == [1, 2, 3]
    assert ordered["next"] == "3"
    assert client.get(f"{V1}/audit/verify").json()["ok"] is True
    with project.db.write() as conn:
        conn.execute(sa.text("update events set actor = 'nobody' where seq = 2"))
    audit = client.get(f"{V1}/audit/verify").json()
    assert (audit["ok"], audit["broken_at"]) == (False, 2)

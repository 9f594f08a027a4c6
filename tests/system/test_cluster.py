"""The whole way round with PostgreSQL for a database and S3 for an object store."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import everloop, everloop_json, up
from sklearn.datasets import load_breast_cancer

from waiting import wait_for

LOOP_FILE = """\
[loop]
name = "cells"
[data]
source = "cells.csv"
target = "target"
[train]
candidates = ["logistic_regression"]
[evaluate]
gates = ["roc_auc >= 0.5"]
[deploy]
rollout = { kind = "canary", steps = [0.5, 1.0], min_requests = 20, hold = "60s" }
"""


@pytest.fixture
def folder(tmp_path: Path, pg_url: str, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVERLOOP_DATABASE_URL", pg_url)
    monkeypatch.setenv("EVERLOOP_BLOBS_URL", s3_url)
    load_breast_cancer(as_frame=True).frame.to_csv(tmp_path / "cells.csv", index=False)
    (tmp_path / "everloop.toml").write_text(LOOP_FILE)
    return tmp_path


def test_run_up_predict_and_round_again(folder: Path) -> None:
    first = everloop_json(folder, "run")["cycle"]
    assert (first["verdict"], first["version"]) == ("promoted", 1)
    rows = load_breast_cancer(as_frame=True).frame.drop(columns="target").head(5)
    body = rows.to_dict(orient="records")
    with up(folder) as running:
        assert running.predictions.post("/predict", json=body).json()["y_pred"] == [0] * 5
        begun = running.api.post("/api/v1/loops/cells/cycles", json={}).json()
        # Another process follows the cycle that the controller runs.

        def over() -> bool:
            assert running.predictions.post("/predict", json=body).status_code == 200
            cycle = running.api.get(f"/api/v1/cycles/{begun['id']}").json()["cycle"]
            return bool(cycle["finished"])

        wait_for(over, every=0.01)
        answer = running.predictions.post("/predict", json=body)
        assert answer.headers["x-everloop-version"] == "2"
    status = everloop_json(folder, "status")["loops"][0]
    assert status["last_cycle"]["verdict"] == "promoted", status["last_cycle"]["reason"]
    assert status["champion"]["version"] == 2
    assert "ok" in everloop(folder, "audit", "verify").stdout.lower()
    # Nothing lies in the folder that another machine would miss.
    state = folder / ".everloop"
    assert not list(state.glob("*.db")) and not (state / "blobs").exists()

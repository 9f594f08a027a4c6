"""The classic small path over HTTP, exactly as a newcomer types it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from processes import everloop, everloop_json, serving
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression

from waiting import wait_for


def test_train_serve_update_on_the_diabetes_data(tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame.head(100).to_csv(tmp_path / "data.csv", index=False)
    frame.iloc[100:].to_csv(tmp_path / "data_new.csv", index=False)
    features = [c for c in frame.columns if c != "target"]

    said = everloop(tmp_path, "train", "data.csv").stdout
    assert "version 1" in said and "r2" in said

    expected = LinearRegression().fit(frame[features][:80], frame["target"][:80])
    rows = frame[features][80:100]
    with serving(tmp_path) as client:
        records = client.post("/predict", json=rows.to_dict(orient="records"))
        columns = client.post("/predict", json=rows.to_dict(orient="list"))
        assert records.status_code == columns.status_code == 200
        for answer in (records, columns):
            np.testing.assert_allclose(answer.json()["y_pred"], expected.predict(rows), rtol=1e-6)

        # The server that runs follows the update without a restart.
        updated = everloop_json(tmp_path, "update", "data_new.csv")
        assert updated["cycle"]["verdict"] == "promoted", updated["cycle"]["reason"]
        assert updated["cycle"]["version"] == 2
        compared = next(s for s in updated["steps"] if s["step"] == "evaluate")["result"]
        assert compared["comparison"]["difference"] > 0

        def version() -> bool:
            answer = client.post("/predict", json=records_of(rows))
            return answer.headers["x-everloop-version"] == "2"

        wait_for(version)
        after = client.post("/predict", json=records_of(rows)).json()["y_pred"]
        assert not np.allclose(after, expected.predict(rows), rtol=1e-6)


def records_of(rows: object) -> object:
    return rows.to_dict(orient="records")  # type: ignore[attr-defined]


def test_update_with_worse_rows_is_not_worth_it(tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame.head(300).to_csv(tmp_path / "data.csv", index=False)
    # The same rows again: there is nothing to learn from them.
    frame.head(200).to_csv(tmp_path / "again.csv", index=False)
    everloop(tmp_path, "train", "data.csv")
    again = everloop_json(tmp_path, "update", "again.csv")
    assert again["cycle"]["verdict"] == "not_worth_it"
    assert [v["version"] for v in [everloop_json(tmp_path, "status")["loops"][0]["champion"]]] == [
        1
    ]


def test_classification_answers_labels_as_in_the_file(tmp_path: Path) -> None:
    frame = load_iris(as_frame=True).frame
    frame["target"] = load_iris().target_names[frame["target"]]
    frame = frame.sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "iris.csv", index=False)
    everloop(tmp_path, "train", "iris.csv", "--rows", "120")
    features = [c for c in frame.columns if c != "target"]
    train, rows = frame[:120], frame[features][120:]
    scaled = (train[features] - train[features].mean()) / train[features].std(ddof=0)
    expected = LogisticRegression(max_iter=1000).fit(scaled, train["target"])
    wanted = expected.predict((rows - train[features].mean()) / train[features].std(ddof=0))
    with serving(tmp_path) as client:
        answer = client.post("/predict?include=probabilities", json=records_of(rows)).json()
    assert answer["y_pred"] == list(wanted)
    np.testing.assert_allclose(np.sum(answer["probabilities"], axis=1), 1, atol=1e-6)


def test_a_budget_of_time_is_spent_on_all_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # tests side by side have one each
    load_iris(as_frame=True).frame.to_csv(tmp_path / "iris.csv", index=False)
    made = everloop_json(tmp_path, "train", "iris.csv", "--budget", "8s")
    assert made["cycle"]["verdict"] == "promoted", made["cycle"]["reason"]
    (study,) = (tmp_path / ".everloop" / "studies").glob("*.jsonl")
    running, most = 0, 0
    for line in study.read_text().splitlines():
        running += 1 if "started" in line else -1
        most = max(most, running)
    assert running == 0 and most >= min(2, len(os.sched_getaffinity(0)))

"""Texts, images and lists in a file: trained on, served, asked, logged and monitored."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from processes import everloop_json, serving

from everloop.data.encode import encode
from everloop.loop.project import Project
from everloop.monitor.profile import profile

LOOP = """
[loop]
name = "mail"
[data]
source = "mail.parquet"
target = "kind"
id = "key"
[train]
candidates = ["logistic_regression"]
[evaluate]
metric = "accuracy"
"""
GOOD = [
    "meeting",
    "tomorrow",
    "about",
    "the",
    "budget",
    "please",
    "bring",
    "your",
    "notes",
    "and",
    "coffee",
]
BAD = ["win", "free", "cash", "now", "click", "offer", "prize", "claim", "urgent", "money"]


def png(rng: np.random.Generator, bright: bool) -> bytes:
    array = rng.integers(120 if bright else 0, 256 if bright else 140, (5, 4), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def mail(rows: int, seed: int, key: str) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    spam = rng.random(rows) < 0.5
    texts = [" ".join(rng.choice(GOOD + BAD if s else GOOD, 9)) for s in spam]
    return pl.DataFrame(
        {
            "key": [f"{key}{i}" for i in range(rows)],
            "text": texts,
            "photo": [png(rng, s) for s in spam],
            "visits": [(rng.normal(size=rng.integers(1, 6)) + s).tolist() for s in spam],
            "kind": np.where(spam, "spam", "ham"),
        }
    )


def request(frame: pl.DataFrame) -> list[dict]:
    rows = frame.drop("kind").to_dicts()
    return [{**row, "photo": base64.b64encode(row["photo"]).decode()} for row in rows]


def test_texts_images_and_lists_go_round_the_loop(tmp_path: Path) -> None:
    (tmp_path / "everloop.toml").write_text(LOOP)
    mail(300, 0, "a").write_parquet(tmp_path / "mail.parquet")
    checked = everloop_json(tmp_path, "check")
    assert [kind for _, kind, _ in checked["features"]] == ["text", "image", "sequence"]
    assert everloop_json(tmp_path, "run")["cycle"]["verdict"] == "promoted"
    new = mail(80, 1, "b")
    rows = request(new)
    with serving(tmp_path) as http:
        answer = http.post("/predict", json=rows)
        assert answer.status_code == 200, answer.text
        right = np.mean(np.array(answer.json()["y_pred"]) == new["kind"].to_numpy())
        assert right > 0.9
        nothing = {"text": None, "photo": None, "visits": None}
        assert http.post("/predict", json=nothing).status_code == 200
        refused = http.post("/predict", json=[{**rows[0], "photo": "bm8gaW1hZ2U="}])
        assert refused.status_code == 422
        error = refused.json()["error"]
        assert (error["path"], error["code"]) == ("$[0].photo", "mistyped_column")
        assert "a PNG or JPEG image in base64, 5 by 4 by 1 numbers" in error["message"]
        labels = [{"id": k, "label": v} for k, v in new.select("key", "kind").iter_rows()]
        assert http.post("/feedback", json=labels).status_code == 200
    with Project.open(tmp_path) as project:
        project.log.ship()
        schema = project.package(project.champion("mail"))[1].schema
        logged = project.log.labelled("mail", schema)
        assert logged.height == 80
        assert logged.schema["photo"] == pl.Binary
        assert np.array_equal(
            encode(logged.sort("key"), schema), encode(new.sort("key"), schema), equal_nan=True
        )
        seen = profile(logged, schema).features
        assert [seen[name].n for name in ("text", "photo", "visits")] == [80, 80, 80]

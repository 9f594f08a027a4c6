"""Labels that somebody turns round, and days on which the world does it: which are suspected.

    python benchmarks/poisoned_labels.py

A model is fitted once and asked window by window: each day of 2013's departures (storms make whole
days late), and windows of 5,000 people of the census. A suspicion on these is a false one. Then the
labels of one part of a window are turned round. About 20 seconds of one core after the download.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier

from everloop import datasets
from everloop.data.encode import encode, encode_target
from everloop.data.infer import infer_schema
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.monitor.suspicion import Counts, contradicted, suspicion

STREAMS: dict[str, dict[str, Any]] = {
    "flights": {
        "spec": DataSpec(source="-", target="late", time="scheduled_at", id="flight_id"),
        "first": 25_000, "rows": None, "segment": "origin",
    },
    "census": {
        "spec": DataSpec(
            source="-", target="employed", time="surveyed_at", id="id", ignore=("year",)
        ),
        "first": 20_000, "rows": 5_000, "segment": "SEX",
    },
}  # fmt: skip
MOST = 150_000  # rows of a stream
PAST, WARM, TRIED = 20, 10, 30  # windows compared with, before the first poison, and poisoned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    for name, about in STREAMS.items():
        found = measured(name, about)
        if as_json:
            print(json.dumps({"stream": name} | found))
        else:
            print(name, *(f"{what} {value}" for what, value in found.items()), sep="\n  ")


def measured(name: str, about: dict[str, Any]) -> dict[str, Any]:
    spec, first = about["spec"], about["first"]
    frame = getattr(datasets, name)().filter(pl.col(spec.target).is_not_null()).sort(spec.time)
    train, rest = frame.head(first), frame.slice(first, None if name == "flights" else MOST)
    schema = infer_schema(train, spec).schema
    model = LGBMClassifier(n_estimators=100, verbose=-1, n_jobs=1)
    model.fit(encode(train, schema), encode_target(train, schema))
    parts = [Part(model, part, schema) for part in cut(rest, spec.time, about["rows"])]
    counts = [part.counts() for part in parts]
    past = [counts[max(0, place - PAST) : place] for place in range(len(counts))]
    clean = [suspicion(now, before) for now, before in zip(counts, past, strict=True)]
    out = {"windows": len(parts), "false suspicions": sum(one is not None for one in clean)}
    places = range(WARM, len(parts), max(1, len(parts) // TRIED))
    for what in ("class 0", "class 1", about["segment"]):
        hits = [suspicion(parts[p].counts(turn=what), past[p]) is not None for p in places]
        out[f"turned {what}"] = f"{sum(hits)} of {len(hits)}"
    return out


def cut(rows: pl.DataFrame, time: str, size: int | None) -> list[pl.DataFrame]:
    """Windows of so many rows, or of a day."""
    if size is not None:
        return [rows.slice(start, size) for start in range(0, rows.height, size)]
    days = rows.group_by(pl.col(time).dt.truncate("1d"), maintain_order=True)
    return [part for _, part in days]


class Part:
    """A window with the model's answers."""

    def __init__(self, model: LGBMClassifier, frame: pl.DataFrame, schema: Schema) -> None:
        self.frame, self.schema = frame, schema
        self.y = encode_target(frame, schema)
        self.proba = np.asarray(model.predict_proba(encode(frame, schema)))
        self.pred = self.proba.argmax(axis=1)

    def counts(self, turn: str = "") -> Counts:
        """With the labels of a class, or of the commonest level of a column, ``turn``ed round."""
        mine = np.zeros(len(self.y), dtype=bool)
        if turn.startswith("class "):
            mine = self.y == int(turn[-1])
        elif turn:
            mine = (self.frame[turn] == self.frame[turn].mode().sort()[0]).to_numpy()
        y = np.where(mine, 1 - self.y, self.y)
        return contradicted(self.frame, y, self.pred, self.proba, self.schema)


if __name__ == "__main__":
    main()
